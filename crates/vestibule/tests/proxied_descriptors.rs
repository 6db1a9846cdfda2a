//! Attempts to connect through a proxy leave no descriptor behind, however they end. One test: the descriptors are the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{HOST, METHOD, PORT, REACHED};
use std::time::Duration;
use support::descriptors::{descriptors, wait_for_descriptors};
use support::{BlackHole, LIMIT, Refusing, World, next, until};
use vestibule::{EventLoop, NetworkProxy, ProxyType, SocketState, TcpServer, TcpSocket};

/// What the proxy says, up to some point; whatever follows can be wrong, unless that was all.
fn words(proxy_type: ProxyType, part: usize) -> Vec<u8> {
    let (all, cuts) = match proxy_type {
        ProxyType::Socks5 => ([METHOD, REACHED, b"data"].concat(), [0, 1, 2, 5, 16]),
        _ => (b"HTTP/1.1 200 OK\r\n\r\ndata".to_vec(), [0, 4, 9, 16, 23]),
    };
    all[..cuts[part]].to_vec()
}

struct Places {
    event_loop: EventLoop,
    proxy: TcpServer,
    refusing: Refusing,
    hole: BlackHole,
}

impl Places {
    fn socket(&self, proxy_type: ProxyType, name: &str, port: u16) -> TcpSocket {
        let socket = TcpSocket::new(&self.event_loop);
        socket.set_proxy(NetworkProxy::new(proxy_type, name, port));
        socket.connect_to_host(HOST, PORT).unwrap();
        socket.write(b"never, or to nobody");
        socket
    }

    /// One that is under way, up to some point, and the proxy's side of it.
    fn under_way(&self, proxy_type: ProxyType, name: &str, part: usize) -> (TcpSocket, TcpSocket) {
        let socket = self.socket(proxy_type, name, self.proxy.server_port());
        let far = next(&self.event_loop, &self.proxy);
        far.write(&words(proxy_type, part));
        far.flush();
        for _ in 0..4 {
            self.event_loop.process_events(Some(Duration::from_millis(1))).unwrap();
        }
        if part == 4 {
            until(&self.event_loop, || socket.state() == SocketState::Connected);
        }
        assert_eq!(socket.state() == SocketState::Connected, part == 4);
        (socket, far)
    }

    fn until_over(&self, socket: &TcpSocket) {
        until(&self.event_loop, || socket.state() == SocketState::Unconnected);
    }

    /// All ends of an attempt that has come that far.
    fn end_all(&self, proxy_type: ProxyType, name: &str, part: usize) {
        let (socket, _far) = self.under_way(proxy_type, name, part);
        drop(socket);
        let (socket, _far) = self.under_way(proxy_type, name, part);
        socket.abort();
        let (socket, far) = self.under_way(proxy_type, name, part);
        socket.disconnect_from_host();
        far.disconnect_from_host();
        self.until_over(&socket);
        let (socket, far) = self.under_way(proxy_type, name, part);
        far.abort();
        self.until_over(&socket);
        let (socket, far) = self.under_way(proxy_type, name, part);
        if part < 4 {
            far.write(b"\xff is wrong in both protocols");
            self.until_over(&socket);
            let (socket, _far) = self.under_way(proxy_type, name, part);
            assert!(!socket.wait_for_connected(Some(Duration::from_millis(1))).unwrap());
        } else {
            socket.read_all();
            drop(socket.into_std());
        }
    }

    fn end_all_that_never_reach_a_proxy(&self, proxy_type: ProxyType, name: &str) {
        let socket = self.socket(proxy_type, name, self.refusing.port);
        self.until_over(&socket);
        let socket = self.socket(proxy_type, name, self.hole.port);
        assert!(!socket.wait_for_connected(Some(Duration::from_millis(1))).unwrap_or(false));
        drop(self.socket(proxy_type, name, self.hole.port));
        let socket = self.socket(proxy_type, "two..dots", 1080);
        self.until_over(&socket);
    }

    fn all(&self) {
        for proxy_type in [ProxyType::Socks5, ProxyType::Http] {
            for name in ["127.0.0.1", "localhost"] {
                for part in 0..=4 {
                    self.end_all(proxy_type, name, part);
                }
                self.end_all_that_never_reach_a_proxy(proxy_type, name);
            }
        }
        assert_eq!(self.event_loop.finish(LIMIT).unwrap(), 0);
    }
}

#[test]
fn no_attempt_through_a_proxy_leaves_a_descriptor_behind() {
    let (event_loop, proxy) = World::Os.server();
    let places = Places { event_loop, proxy, refusing: Refusing::new(), hole: BlackHole::new() };
    places.end_all(ProxyType::Socks5, "localhost", 4); // whatever is made once is made
    assert_eq!(places.event_loop.finish(LIMIT).unwrap(), 0);
    let before = descriptors();
    for _ in 0..2 {
        places.all();
        wait_for_descriptors(before);
    }
    // And those of a loop that goes while they are under way.
    let other = EventLoop::new().unwrap();
    let sockets: Vec<_> = (0..20).map(|_| TcpSocket::new(&other)).collect();
    for socket in &sockets {
        socket.set_proxy(NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", places.proxy.server_port()));
        socket.connect_to_host(HOST, PORT).unwrap();
    }
    for _ in 0..20 {
        other.process_events(Some(Duration::ZERO)).unwrap();
        drop(next(&places.event_loop, &places.proxy));
    }
    drop(other);
    drop(sockets);
    assert_eq!(places.event_loop.finish(LIMIT).unwrap(), 0);
    wait_for_descriptors(before);
}
