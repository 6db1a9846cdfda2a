//! A vestibule server inside a calloop program, such as a Wayland compositor: calloop does the waiting.
//!
//! It shows: that the loop's descriptor is all that the host needs. A timer of the loop, a call from another thread and a
//! write from a callback of calloop's own all arrive.
//!
//! ```sh
//! cargo run --package vestibule --example embedded_in_calloop
//! ```
#![allow(clippy::print_stdout, reason = "a program talks")]

use calloop::generic::Generic;
use calloop::ping::make_ping;
use calloop::{Interest, LoopHandle, Mode, PostAction};
use std::error::Error;
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;
use vestibule::{EventLoop, HostAddress, TcpServer, WeakTcpServer};

/// Has calloop take a turn whenever the loop asks for one.
fn drive(host: &LoopHandle<'_, TcpServer>, event_loop: &EventLoop) -> Result<(), Box<dyn Error>> {
    let source = Generic::new(event_loop.clone(), Interest::READ, Mode::Level);
    let inserted = host.insert_source(source, |_, event_loop, _| {
        event_loop.process_events(Some(Duration::ZERO))?;
        Ok(PostAction::Continue)
    });
    inserted.map(|_| ()).map_err(|error| error.error.into())
}

fn write_to_all(server: &WeakTcpServer, text: &str) {
    server.with(|server| {
        server.for_each_child(|socket| {
            socket.write(text.as_bytes());
        });
    });
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut host = calloop::EventLoop::<TcpServer>::try_new()?;
    let event_loop = EventLoop::new()?;
    drive(&host.handle(), &event_loop)?;
    let mut server = TcpServer::bind(&event_loop, (HostAddress::LOCALHOST, 0))?;
    let port = server.server_port();

    // Third, a callback of calloop's own writes, while the loop rests.
    let (ping, pinged) = make_ping()?;
    let inserted = host.handle().insert_source(pinged, |(), (), server| {
        write_to_all(&server.downgrade(), "a write by the host; ");
        server.for_each_child(vestibule::TcpSocket::disconnect_from_host);
    });
    inserted.map_err(|error| error.error)?;

    // Second, a call from another thread.
    let weak = server.downgrade();
    let sender = event_loop.channel(move |()| {
        write_to_all(&weak, "a call from a thread; ");
        ping.ping();
    });

    // First, a timer of the loop.
    server.new_connection().connect(move |server| {
        while let Some(socket) = server.next_pending_connection() {
            socket.set_parent(server);
        }
        let (weak, sender) = (server.downgrade(), sender.clone());
        server.event_loop().single_shot(Duration::from_millis(50), move |_| {
            write_to_all(&weak, "a timer; ");
            std::thread::spawn(move || sender.send(()));
        });
    });

    // The client is a thread that ends calloop's loop when it has heard everything.
    let signal = host.get_signal();
    let client = std::thread::spawn(move || -> std::io::Result<String> {
        let mut heard = String::new();
        let result = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.read_to_string(&mut heard)
        });
        signal.stop();
        signal.wakeup();
        result.map(|_| heard)
    });
    host.run(None, &mut server, |_| {})?;
    let heard = client.join().map_err(|_| "the client's thread has panicked")??;
    println!("arrived: {heard}and the end");
    Ok(())
}
