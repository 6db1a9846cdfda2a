//! Clients that read nothing.

use super::is_reset;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// All send until nothing more goes, and read nothing; tells how much went.
pub fn fill(clients: &mut [TcpStream]) -> usize {
    let (piece, mut sent, mut stuck_since) = (vec![b'x'; 64 << 10], 0, Instant::now());
    while stuck_since.elapsed() < Duration::from_millis(50) {
        for client in &mut *clients {
            client.set_nonblocking(true).unwrap();
            match client.write(&piece) {
                Ok(length) => (sent, stuck_since) = (sent + length, Instant::now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if is_reset(error.kind()) => {} // the first ones may be gone already
                Err(error) => panic!("after {sent} bytes: {error}"),
            }
            client.set_nonblocking(false).unwrap();
        }
    }
    sent
}

/// Waits for a reset of a client, whatever it could still read before.
pub fn is_reset_at_last(client: &mut TcpStream) -> bool {
    let mut bytes = vec![0; 64 << 10];
    loop {
        match client.read(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return is_reset(error.kind()),
        }
    }
}
