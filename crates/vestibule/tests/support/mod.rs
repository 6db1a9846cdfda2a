//! What the tests share: the same body on the system's network and on the simulated one, with the same clients.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod descriptors;
pub mod far_end;
pub mod socks5;
pub mod socks5_script;
pub mod socks5_server;
pub mod socks5_wire;

use far_end::await_arrival;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketType};
use std::cell::RefCell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use vestibule::simulation::{SimulatedClient, SimulatedNetwork};
use vestibule::{EventLoop, HostAddress, SocketState, TcpServer, TcpSocket};

/// No wait of a test is longer.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Where a test runs.
pub enum World {
    Os,
    Simulation(SimulatedNetwork),
}

impl World {
    pub fn simulation(seed: u64) -> Self {
        Self::Simulation(SimulatedNetwork::new(seed).unwrap())
    }

    pub fn event_loop(&self) -> EventLoop {
        match self {
            Self::Os => EventLoop::new().unwrap(),
            Self::Simulation(network) => network.event_loop(),
        }
    }

    /// A loop and a server that listens on it.
    pub fn server(&self) -> (EventLoop, TcpServer) {
        let event_loop = self.event_loop();
        let server = TcpServer::new(&event_loop);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        (event_loop, server)
    }

    pub fn connect(&self, port: u16) -> Client {
        match self {
            Self::Os => {
                let stream = far_end::connect(("127.0.0.1", port));
                stream.set_nodelay(true).unwrap();
                stream.set_nonblocking(true).unwrap();
                Client::Os(stream)
            }
            Self::Simulation(network) => Client::Simulated(network.connect(port).unwrap()),
        }
    }

    /// A loop, a server, and sockets of so many connected clients that were taken.
    pub fn pairs(&self, number: usize) -> (EventLoop, TcpServer, Vec<(TcpSocket, Client)>) {
        let (event_loop, server) = self.server();
        let pairs = (0..number)
            .map(|_| {
                let client = self.connect(server.server_port());
                until(&event_loop, || server.has_pending_connections());
                (server.next_pending_connection().unwrap(), client)
            })
            .collect();
        (event_loop, server, pairs)
    }

    /// A loop, a server, and a socket to be connected, whose signals are written down.
    pub fn outgoing(&self) -> (EventLoop, TcpServer, TcpSocket, Log) {
        let (event_loop, server) = self.server();
        let (socket, log) = (TcpSocket::new(&event_loop), Log::default());
        log.follow_from_the_start(&socket);
        (event_loop, server, socket, log)
    }

    /// A port of 127.0.0.1 where connections are refused.
    pub fn refusing(&self) -> Refusing {
        match self {
            Self::Os => Refusing::new(),
            Self::Simulation(_) => Refusing { port: 9, _held: None },
        }
    }

    pub fn pair(&self) -> (EventLoop, TcpServer, TcpSocket, Client) {
        let (event_loop, server, mut pairs) = self.pairs(1);
        let (socket, client) = pairs.remove(0);
        (event_loop, server, socket, client)
    }
}

/// A port that is taken and where nobody listens; whoever has `SO_REUSEADDR`, as servers do, may listen on it.
pub struct Refusing {
    pub port: u16,
    _held: Option<OwnedFd>,
}

impl Refusing {
    pub fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST)
    }

    pub fn at(address: Ipv4Addr) -> Self {
        let held = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::sockopt::set_socket_reuseaddr(&held, true).unwrap();
        rustix::net::bind(&held, &SocketAddr::from((address, 0))).unwrap();
        let address = SocketAddr::try_from(rustix::net::getsockname(&held).unwrap()).unwrap();
        Self { port: address.port(), _held: Some(held) }
    }
}

/// A port of 127.0.0.1 that does not answer: the queue of its listener is full.
pub struct BlackHole {
    pub port: u16,
    listener: TcpListener,
    fillers: Vec<TcpStream>,
}

impl BlackHole {
    pub fn new() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    pub fn at(address: SocketAddr) -> Self {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket(family, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &address).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let connects = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        let fillers = std::iter::from_fn(connects).collect();
        Self { port: address.port(), listener, fillers }
    }

    /// Takes what fills the queue: the next try of the system gets through.
    pub fn open(&mut self) {
        for _ in self.fillers.drain(..) {
            self.listener.accept().unwrap();
        }
    }

    pub fn accept(&self) -> TcpStream {
        self.listener.accept().unwrap().0
    }
}

/// The next connection that comes to a server.
pub fn next(event_loop: &EventLoop, server: &TcpServer) -> TcpSocket {
    until(event_loop, || server.has_pending_connections());
    server.next_pending_connection().unwrap()
}

/// The far side has ended: all that came.
pub fn all_of(event_loop: &EventLoop, socket: &TcpSocket) -> Vec<u8> {
    until(event_loop, || socket.state() == SocketState::Unconnected);
    socket.read_all()
}

/// The far side of a connection, which never blocks. What it does has arrived when it has done it.
pub enum Client {
    Os(TcpStream),
    Simulated(SimulatedClient),
}

/// What a look at the far side found.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrived {
    Bytes(Vec<u8>),
    Nothing,
    End,
    Reset,
}

impl Client {
    /// How many bytes went; 0 when there is no room.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Os(stream) => match stream.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                result => {
                    await_arrival(stream);
                    result
                }
            },
            Self::Simulated(client) => client.write(bytes),
        }
    }

    pub fn send(&mut self, event_loop: &EventLoop, mut bytes: &[u8]) {
        let begun = Instant::now();
        while !bytes.is_empty() {
            let sent = self.try_send(bytes).unwrap();
            bytes = &bytes[sent..];
            if sent == 0 {
                event_loop.process_events(Some(Duration::from_millis(5))).unwrap();
                assert!(begun.elapsed() < LIMIT, "{} bytes cannot be sent", bytes.len());
            }
        }
    }

    pub fn look(&mut self) -> Arrived {
        match self {
            Self::Os(stream) => {
                let mut buffer = vec![0; 256 << 10];
                match stream.read(&mut buffer) {
                    Ok(0) => Arrived::End,
                    Ok(length) => Arrived::Bytes(buffer[..length].to_vec()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => Arrived::Nothing,
                    Err(_) => Arrived::Reset,
                }
            }
            Self::Simulated(client) => match client.read() {
                Ok(bytes) if !bytes.is_empty() => Arrived::Bytes(bytes),
                Ok(_) if client.has_ended() => Arrived::End,
                Ok(_) => Arrived::Nothing,
                Err(_) => Arrived::Reset,
            },
        }
    }

    /// Whether an answer is there, or comes within moments; reads it.
    fn hears_something(&mut self) -> bool {
        if let Self::Os(stream) = self {
            let (mut fds, moments) = ([PollFd::new(stream, PollFlags::IN)], Duration::from_millis(20));
            poll(&mut fds, Some(&moments.try_into().unwrap())).unwrap();
        }
        self.look() != Arrived::Nothing
    }

    /// Reads so many bytes while the loop runs.
    pub fn receive(&mut self, event_loop: &EventLoop, length: usize) -> Vec<u8> {
        let mut all = Vec::new();
        let begun = Instant::now();
        while all.len() < length {
            match self.look() {
                Arrived::Bytes(bytes) => all.extend(bytes),
                Arrived::Nothing => event_loop.process_events(Some(Duration::from_millis(5))).unwrap(),
                other => panic!("{other:?} after {} of {length} bytes", all.len()),
            }
            assert!(begun.elapsed() < LIMIT, "only {} of {length} bytes came", all.len());
        }
        all
    }

    /// Reads to the end while the loop runs; a reset is a failure.
    pub fn receive_to_end(&mut self, event_loop: &EventLoop) -> Vec<u8> {
        let (all, last) = self.receive_all(event_loop);
        assert_eq!(last, Arrived::End, "after {} bytes", all.len());
        all
    }

    /// Reads to the end or a reset while the loop runs.
    pub fn receive_all(&mut self, event_loop: &EventLoop) -> (Vec<u8>, Arrived) {
        let mut all = Vec::new();
        let begun = Instant::now();
        loop {
            match self.look() {
                Arrived::Bytes(bytes) => all.extend(bytes),
                Arrived::Nothing => event_loop.process_events(Some(Duration::from_millis(5))).unwrap(),
                last => return (all, last),
            }
            assert!(begun.elapsed() < LIMIT, "no end after {} bytes", all.len());
        }
    }

    pub fn shut_down(&self) {
        match self {
            Self::Os(stream) => {
                stream.shutdown(Shutdown::Write).unwrap();
                await_arrival(stream);
            }
            Self::Simulated(client) => client.shut_down(),
        }
    }

    pub fn reset(self) {
        match self {
            Self::Os(stream) => far_end::reset(stream),
            Self::Simulated(client) => client.reset(),
        }
    }

    pub fn local_addr(&self) -> SocketAddr {
        match self {
            Self::Os(stream) => stream.local_addr().unwrap(),
            Self::Simulated(client) => client.local_addr().unwrap(),
        }
    }
}

/// Takes turns until something holds.
pub fn until(event_loop: &EventLoop, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "it never came to hold");
        event_loop.process_events(Some(Duration::from_millis(5))).unwrap();
    }
}

/// How many turns the loop takes until this client hears something.
pub fn turns_until_answered(event_loop: &EventLoop, client: &mut Client) -> u32 {
    let (begun, mut turns) = (Instant::now(), 0);
    while !client.hears_something() {
        assert!(begun.elapsed() < LIMIT, "it was never answered");
        event_loop.process_events(Some(Duration::from_secs(5))).unwrap();
        turns += 1;
    }
    turns
}

/// Takes turns until nothing has happened for a while; for showing that something does not happen.
pub fn settle(event_loop: &EventLoop) {
    for _ in 0..10 {
        event_loop.process_events(Some(Duration::from_millis(3))).unwrap();
    }
}

/// Shows that the loop sleeps while nothing happens: in a while it takes a few turns, and not thousands.
pub fn assert_sleeps(event_loop: &EventLoop) {
    let (begun, mut turns) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_millis(200) {
        event_loop.process_events(Some(Duration::from_millis(100))).unwrap();
        turns += 1;
    }
    assert!(turns < 10, "it took {turns} turns for nothing");
}

/// A list that slots write into.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn add(&self, word: impl Into<String>) {
        self.0.borrow_mut().push(word.into());
    }

    pub fn take(&self) -> String {
        self.0.take().join(" ")
    }

    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Writes down every signal, also of connecting: `found` is `host_found`, and `stands` is `connected`.
    pub fn follow_from_the_start(&self, socket: &TcpSocket) {
        self.follow(socket);
        let log = self.clone();
        socket.host_found().connect(move |_| log.add("found"));
        let log = self.clone();
        socket.connected().connect(move |_| log.add("stands"));
    }

    /// Writes down every signal of a socket but those two.
    pub fn follow(&self, socket: &TcpSocket) {
        let log = self.clone();
        socket.ready_read().connect(move |_| log.add("ready"));
        let log = self.clone();
        socket.bytes_written().connect(move |_, _| log.add("bytes"));
        let log = self.clone();
        socket.error_occurred().connect(move |_, error| log.add(format!("{error:?}")));
        let log = self.clone();
        socket.state_changed().connect(move |socket, state| {
            assert_eq!(socket.state(), state);
            log.add(state.to_string());
        });
        let log = self.clone();
        socket.read_channel_finished().connect(move |_| log.add("finished"));
        let log = self.clone();
        socket.disconnected().connect(move |_| log.add("gone"));
    }
}

/// Runs a test on the system and, with several seeds, on the simulation.
#[macro_export]
macro_rules! on_both {
    ($($(#[$meta:meta])* fn $name:ident($world:ident: &World) $body:block)*) => { $(
        mod $name {
            #[allow(unused_imports, reason = "each body uses its part")]
            use super::*;

            $(#[$meta])*
            fn body($world: &World) $body

            #[test]
            fn on_the_system() {
                body(&World::Os);
            }

            #[test]
            fn on_the_simulation() {
                for seed in 0..8 {
                    body(&World::simulation(seed));
                }
            }
        }
    )* };
}
