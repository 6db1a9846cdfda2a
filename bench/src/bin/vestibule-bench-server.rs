//! `vestibule-bench-server MODE PORT BUFFER`: the server that benchmarks measure, written as a user would write it.
//!
//! MODE is `fortune` (16 bytes, then the end) or `echo`; BUFFER is how many bytes a connection may keep unread.

use std::error::Error;
use std::io::Write;
use vestibule::{EventLoop, HostAddress, TcpServer};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().ok_or("MODE is missing")?;
    let port = arguments.next().ok_or("PORT is missing")?.parse()?;
    let buffer: usize = arguments.next().ok_or("BUFFER is missing")?.parse()?;

    let event_loop = EventLoop::new()?;
    let server = TcpServer::new(&event_loop);
    match mode.as_str() {
        "fortune" => server.new_connection().connect(tell_fortunes),
        "echo" => server.new_connection().connect(move |server| echo(server, buffer)),
        _ => return Err("MODE is `fortune` or `echo`".into()),
    };
    server.listen(HostAddress::LOCALHOST, port)?;
    writeln!(std::io::stdout(), "ready")?;
    event_loop.run()?;
    Ok(())
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
