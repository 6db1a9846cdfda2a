//! A proxy that a test plays, on the loop of the socket that goes through it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use crate::support::{LIMIT, Log, World, next, settle, until};
use std::time::Duration;
use vestibule::{EventLoop, NetworkProxy, ProxyType, SocketError, SocketState, TcpServer, TcpSocket};

/// A host that nobody but the proxy knows.
pub const HOST: &str = "there.test";
/// The port that is asked for there.
pub const PORT: u16 = 80;
/// What connecting through a proxy tells at once when the proxy's address is known.
pub const BEGUN: &str = "looking up the host connecting found";

pub const GREETING: &[u8] = &[5, 1, 0];
pub const METHOD: &[u8] = &[5, 0];
/// The proxy's end of the connection is 10.0.0.1:80.
pub const REACHED: &[u8] = &[5, 0, 0, 1, 10, 0, 0, 1, 0, 80];

/// A loop, a proxy on it, and a socket that is to go through it, whose signals are written down.
pub struct Play {
    pub event_loop: EventLoop,
    pub proxy: TcpServer,
    pub socket: TcpSocket,
    pub log: Log,
}

impl Play {
    pub fn new(world: &World, proxy_type: ProxyType) -> Self {
        let (event_loop, proxy, socket, log) = world.outgoing();
        socket.set_proxy(NetworkProxy::new(proxy_type, "127.0.0.1", proxy.server_port()));
        Self { event_loop, proxy, socket, log }
    }

    pub fn with_credentials(self, user: &str, password: &str) -> Self {
        self.socket.set_proxy(self.socket.proxy().with_credentials(user, password));
        self
    }

    /// Begins to connect; the proxy's side of the connection to it.
    pub fn begin(&self, host: &str) -> TcpSocket {
        self.socket.connect_to_host(host, PORT).unwrap();
        self.proxy_side()
    }

    pub fn proxy_side(&self) -> TcpSocket {
        next(&self.event_loop, &self.proxy)
    }

    /// The next that the proxy hears is exactly that.
    pub fn hears(&self, far: &TcpSocket, expected: &[u8]) {
        until(&self.event_loop, || far.bytes_available() >= expected.len());
        assert_eq!(far.read_all(), expected);
    }

    /// The proxy says something, which leaves at once, and the loop has a chance to see it alone.
    pub fn says(&self, far: &TcpSocket, bytes: &[u8]) {
        assert_eq!(far.write(bytes), bytes.len());
        while far.bytes_to_write() > 0 {
            far.flush();
            self.event_loop.process_events(Some(Duration::ZERO)).unwrap();
        }
        for _ in 0..4 {
            self.event_loop.process_events(Some(Duration::from_micros(500))).unwrap();
        }
    }

    /// The talk up to the point where only the reply to the request is missing.
    pub fn asked(&self, host: &str) -> TcpSocket {
        let far = self.begin(host);
        self.hears(&far, GREETING);
        self.says(&far, METHOD);
        self.hears(&far, &request_for(host));
        far
    }

    pub fn until_connected(&self) {
        until(&self.event_loop, || self.socket.state() == SocketState::Connected);
    }

    pub fn until_over(&self) {
        until(&self.event_loop, || self.socket.state() == SocketState::Unconnected);
    }

    /// It has failed so, was told once, and nothing more comes of it; the proxy's side of the connection has ended.
    pub fn failed(&self, far: &TcpSocket, kind: SocketError, text: &str) {
        self.until_over();
        until(&self.event_loop, || far.state() == SocketState::Unconnected);
        settle(&self.event_loop);
        assert_eq!(self.log.take(), format!("{BEGUN} unconnected {kind:?}"), "{text}");
        let socket = &self.socket;
        assert_eq!((socket.error(), socket.error_string()), (kind, text));
        assert_eq!((socket.bytes_to_write(), socket.bytes_available(), socket.peer_addr()), (0, 0, None));
    }

    /// Another attempt fails with this answer in a wait, which returns it.
    pub fn fails_in_a_wait(&self, answer: &[u8], kind: SocketError, text: &str, words: &str) {
        let far = self.begin(HOST);
        far.write(answer);
        far.flush();
        let error = self.socket.wait_for_connected(Some(LIMIT)).unwrap_err();
        assert_eq!((error.kind(), error.error_string()), (kind, text));
        assert_eq!(error.to_string(), self.sentence(HOST, words));
        assert!(self.socket.wait_for_connected(Some(LIMIT)).is_err(), "there is no attempt any more");
        self.failed(&far, kind, text);
    }

    /// What an error of this attempt begins with, and what words end it.
    pub fn sentence(&self, host: &str, words: &str) -> String {
        format!("cannot connect to {host}:{PORT} through {}: {words}", self.socket.proxy())
    }
}

/// The SOCKS5 request for a connection to a name.
pub fn request_for(name: &str) -> Vec<u8> {
    let mut request = vec![5, 1, 0, 3, u8::try_from(name.len()).unwrap()];
    request.extend(name.bytes());
    request.extend(PORT.to_be_bytes());
    request
}

/// The simulated network takes bytes in several parts.
pub fn once(words: &str) -> String {
    let mut words: Vec<_> = words.split(' ').collect();
    words.dedup();
    words.join(" ")
}
