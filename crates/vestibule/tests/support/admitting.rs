//! What the tests of limits share; a file includes it with `#[path = "support/admitting.rs"] mod admitting;`.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use crate::support::{Client, LIMIT, World};
use rustix::net::{AddressFamily, SocketType};
use std::cell::RefCell;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};
use vestibule::{EventLoop, Limits, RefusedClient, TcpServer, TcpSocket};

/// A loop and a server that listens with these limits.
pub fn limited(world: &World, limits: Limits) -> (EventLoop, TcpServer) {
    let (event_loop, server) = world.server();
    server.set_limits(limits);
    (event_loop, server)
}

pub fn clients(world: &World, server: &TcpServer, number: usize) -> Vec<Client> {
    (0..number).map(|_| world.connect(server.server_port())).collect()
}

/// A client with this address; on the system one of 127.0.0.0/8.
pub fn connect_from(world: &World, address: &str, port: u16) -> Client {
    let address: IpAddr = address.parse().unwrap();
    match world {
        World::Os => {
            let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
            rustix::net::bind(&socket, &SocketAddr::new(address, 0)).unwrap();
            rustix::net::connect(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
            let stream = TcpStream::from(socket);
            stream.set_nonblocking(true).unwrap();
            Client::Os(stream)
        }
        World::Simulation(network) => Client::Simulated(network.connect_from(address, port).unwrap()),
    }
}

/// All that is pending.
pub fn take_all(server: &TcpServer) -> Vec<TcpSocket> {
    std::iter::from_fn(|| server.next_pending_connection()).collect()
}

/// Whom the server has refused.
pub fn refusals(server: &TcpServer) -> Rc<RefCell<Vec<RefusedClient>>> {
    let list: Rc<RefCell<Vec<RefusedClient>>> = Rc::default();
    let refused = Rc::clone(&list);
    server.refused().connect(move |_, client| refused.borrow_mut().push(client));
    list
}

/// Connects, and reads all that comes; for a thread.
pub fn visit(port: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}

/// Has a loop that runs come back in any case.
pub fn not_for_ever(event_loop: &EventLoop) {
    event_loop.single_shot(LIMIT, EventLoop::quit);
}

/// Waits for something that another thread does.
pub fn eventually(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "it never came to hold");
        std::thread::sleep(Duration::from_millis(1));
    }
}
