//! `vestibule-bench-server MODE PORT BUFFER [WORKERS]`: the server that benchmarks measure, written as a user would write it.
//!
//! MODE is `fortune` (16 bytes, then the end) or `echo`; BUFFER is how many bytes a connection may keep unread. With more
//! than one of WORKERS they share one queue, or with `VESTIBULE_SHARING=reuseport` each has its own. `VESTIBULE_SPIN` is
//! for how many microseconds the loop looks before it sleeps; `VESTIBULE_DEFER=1` defers accepting to the first bytes.

use std::error::Error;
use std::io::Write;
use std::time::Duration;
use vestibule::{EventLoop, HostAddress, ListenOptions, QueueSharing, TcpServer, Workers};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().ok_or("MODE is missing")?;
    let port: u16 = arguments.next().ok_or("PORT is missing")?.parse()?;
    let buffer: usize = arguments.next().ok_or("BUFFER is missing")?.parse()?;
    let workers: usize = arguments.next().map_or(Ok(1), |number| number.parse())?;

    let prepare = match mode.as_str() {
        "fortune" => |server: &TcpServer, _| tell_fortunes(server),
        "echo" => |server: &TcpServer, buffer| echo(server, buffer),
        _ => return Err("MODE is `fortune` or `echo`".into()),
    };
    let prepare = move |server: &TcpServer| {
        server.new_connection().connect(move |server| prepare(server, buffer));
    };
    let mut options = ListenOptions::new((HostAddress::LOCALHOST, port));
    if setting("VESTIBULE_DEFER").is_some() {
        options = options.defer_accept(Duration::from_secs(1));
    }
    if workers > 1 {
        let reuse_port = setting("VESTIBULE_SHARING").as_deref() == Some("reuseport");
        let sharing = if reuse_port { QueueSharing::ReusePort } else { QueueSharing::OneQueue };
        let group = Workers::new(workers).sharing(sharing).listen_with(options, prepare)?;
        writeln!(std::io::stdout(), "ready")?;
        return Ok(group.join()?);
    }
    let event_loop = EventLoop::new()?;
    if let Some(spin) = setting("VESTIBULE_SPIN") {
        event_loop.set_spin(Duration::from_micros(spin.parse()?));
    }
    let server = TcpServer::new(&event_loop);
    prepare(&server);
    server.listen_with(options)?;
    writeln!(std::io::stdout(), "ready")?;
    event_loop.run()?;
    Ok(())
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn tell_fortunes(server: &TcpServer) {
    while let Some(socket) = server.next_pending_connection() {
        socket.write(b"Fortune cookie!\n");
        socket.disconnect_from_host();
    }
}

fn echo(server: &TcpServer, buffer: usize) {
    while let Some(socket) = server.next_pending_connection() {
        socket.set_read_buffer_size(buffer);
        socket.ready_read().connect(|socket| {
            socket.read_with(|bytes| socket.write(bytes));
        });
        socket.set_parent(server);
    }
}
