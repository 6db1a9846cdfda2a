//! A vestibule server inside a tokio program, on tokio's thread: tokio does the waiting.
//!
//! It shows: that the loop's descriptor is all that the host needs. A timer of the loop, a call from another thread and a
//! write from one of tokio's own tasks all arrive, with nobody asking the loop for anything but a turn when its descriptor
//! is readable.
//!
//! ```sh
//! cargo run --package vestibule --example embedded_in_tokio
//! ```
#![allow(clippy::print_stdout, reason = "a program talks")]

use std::error::Error;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, unix::AsyncFd};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use vestibule::{EventLoop, HostAddress, TcpServer};

/// Takes a turn whenever the loop asks for one.
#[allow(unsafe_code, reason = "tokio wants to be told that the descriptor stays open")]
async fn drive(event_loop: EventLoop) -> Result<(), Box<dyn Error>> {
    // SAFETY: the clone keeps the loop, and with it the descriptor, which is always the same.
    let registered = unsafe { AsyncFd::register_with_interest(event_loop.clone(), Interest::READABLE) };
    let descriptor = registered.map_err(std::io::Error::from)?;
    loop {
        let mut guard = descriptor.readable().await?;
        event_loop.process_events(Some(Duration::ZERO))?;
        // Tokio hears of a descriptor once when it becomes readable: it may forget that only when all is done.
        if is_silent(&event_loop)? {
            guard.clear_ready();
        }
        tokio::task::yield_now().await; // others want to run, too
    }
}

/// Whether the loop asks for no further turn.
fn is_silent(event_loop: &EventLoop) -> Result<bool, Box<dyn Error>> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut polled = [PollFd::new(event_loop, PollFlags::IN)];
    Ok(poll(&mut polled, Some(&Timespec::default()))? == 0)
}

/// A server that greets, and answers when the loop's timer runs.
fn serve(event_loop: &EventLoop) -> vestibule::Result<TcpServer> {
    let server = TcpServer::bind(event_loop, (HostAddress::LOCALHOST, 0))?;
    server.new_connection().connect(|server| {
        while let Some(socket) = server.next_pending_connection() {
            let patient = socket.downgrade();
            server.event_loop().single_shot(Duration::from_millis(50), move |_| {
                patient.with(|socket| socket.write(b"a timer; "));
            });
            socket.set_parent(server);
        }
    });
    Ok(server)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let event_loop = EventLoop::new()?;
    let server = Rc::new(serve(&event_loop)?);
    let driving = tokio::task::spawn_local({
        let event_loop = event_loop.clone();
        async move { drive(event_loop).await.map_err(|error| error.to_string()) }
    });

    let mut client = TcpStream::connect(("127.0.0.1", server.server_port())).await?;
    let mut answer = vec![0; b"a timer; ".len()];
    client.read_exact(&mut answer).await?;
    print!("arrived: {}", String::from_utf8_lossy(&answer));

    // A call from another thread.
    let called = Rc::new(Notify::new());
    let handle = event_loop.handle();
    let notify = Rc::clone(&called);
    let sender = event_loop.channel(move |()| notify.notify_one());
    std::thread::spawn(move || handle.post(move |_| _ = sender.send(())));
    called.notified().await;
    print!("a call from a thread; ");

    // A write from a task of tokio's, while the loop rests.
    server.for_each_child(|socket| {
        socket.write(b"a write by the host; ");
        socket.disconnect_from_host();
    });
    let mut rest = String::new();
    client.read_to_string(&mut rest).await?;
    client.shutdown().await?;
    println!("{rest}and the end");
    driving.abort();
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, run())
}
