//! Tells a fortune to everyone who connects: the smallest complete server.
//!
//! It shows: listening on a port that the system picks, and asking which; the signal for new connections; taking each of
//! them; and that writing and then disconnecting delivers everything.
//!
//! ```sh
//! cargo run --package vestibule --example fortune_server            # or: -- 127.0.0.1:7777
//! cargo run --package vestibule --example fortune_client -- localhost PORT
//! ```
#![allow(clippy::print_stdout, reason = "a program talks")]

mod fortune;

use vestibule::{Endpoint, EventLoop, HostAddress, TcpServer};

fn main() -> vestibule::Result<()> {
    let endpoint = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => Endpoint::new(HostAddress::ANY, 0),
    };
    let event_loop = EventLoop::new()?;
    let server = TcpServer::bind(&event_loop, endpoint)?;
    server.new_connection().connect(|server| {
        while let Some(socket) = server.next_pending_connection() {
            let fortune = fortune::FORTUNES[fortune::below(fortune::FORTUNES.len())];
            socket.write(&fortune::message(fortune));
            socket.disconnect_from_host();
        }
    });
    println!("listening on {}", Endpoint::new(server.server_address(), server.server_port()));
    event_loop.run()
}
