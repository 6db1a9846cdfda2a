//! Hosts with several addresses. These tests need names that /etc/hosts has, so they are run by hand, as root:
//!
//! ```text
//! printf '127.0.0.1 localhost\n::1 six-four\n127.0.0.1 six-four\n127.0.0.2 two\n127.0.0.1 two\n' > /tmp/hosts
//! cargo test --test several_addresses --no-run
//! unshare -m sh -c 'mount --bind /tmp/hosts /etc/hosts && cargo test --test several_addresses -- --ignored'
//! ```
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::{Duration, Instant};
use support::{BlackHole, LIMIT, Log, until};
use vestibule::{EventLoop, SocketError, SocketState, TcpSocket};

const BEGUN: &str = "looking up the host connecting found";

/// The addresses of a name in the order in which they are tried.
fn addresses(name: &str) -> (SocketAddr, SocketAddr) {
    let found: Vec<_> = (name, 0).to_socket_addrs().unwrap().collect();
    assert_eq!(found.len(), 2, "{found:?}");
    (found[0], found[1])
}

fn outgoing() -> (EventLoop, TcpSocket, Log) {
    let event_loop = EventLoop::new().unwrap();
    let (socket, log) = (TcpSocket::new(&event_loop), Log::default());
    log.follow_from_the_start(&socket);
    (event_loop, socket, log)
}

fn is_connected(socket: &TcpSocket) -> bool {
    socket.state() == SocketState::Connected
}

#[test]
#[ignore = "needs names in /etc/hosts, see the header"]
fn an_address_that_refuses_is_not_noticed_when_the_next_answers() {
    for name in ["six-four", "two"] {
        let listener = TcpListener::bind(addresses(name).1).unwrap();
        let (event_loop, socket, log) = outgoing();
        socket.connect_to_host(name, listener.local_addr().unwrap().port()).unwrap();
        socket.write(b"kept");
        until(&event_loop, || is_connected(&socket) && socket.bytes_to_write() == 0);
        assert_eq!(log.take(), format!("{BEGUN} connected stands bytes"));
        assert_eq!((socket.peer_addr(), socket.error()), (listener.local_addr().ok(), SocketError::Unknown));
    }
}

#[test]
#[ignore = "needs names in /etc/hosts, see the header"]
fn when_all_refuse_it_is_told_once() {
    let (event_loop, socket, log) = outgoing();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    socket.connect_to_host("two", port).unwrap();
    until(&event_loop, || socket.state() == SocketState::Unconnected);
    assert_eq!(log.take(), format!("{BEGUN} unconnected ConnectionRefused"));
}

#[test]
#[ignore = "needs names in /etc/hosts, see the header"]
fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
    for name in ["six-four", "two"] {
        for waits in [true, false] {
            let (silent, answering) = addresses(name);
            let hole = BlackHole::at(silent);
            let listener = TcpListener::bind(SocketAddr::new(answering.ip(), hole.port)).unwrap();
            let (event_loop, socket, log) = outgoing();
            let begun = Instant::now();
            socket.connect_to_host(name, hole.port).unwrap();
            if waits {
                assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
            } else {
                until(&event_loop, || is_connected(&socket));
            }
            let took = begun.elapsed();
            assert!(took >= Duration::from_millis(245) && took < Duration::from_secs(1), "{took:?}");
            assert_eq!(log.take(), format!("{BEGUN} connected stands"));
            assert_eq!(socket.peer_addr(), listener.local_addr().ok());
        }
    }
}

#[test]
#[ignore = "needs names in /etc/hosts, see the header"]
fn the_limit_is_for_all_addresses_together() {
    let (first, second) = addresses("two");
    let hole = BlackHole::at(first);
    let _other = BlackHole::at(SocketAddr::new(second.ip(), hole.port));
    let (event_loop, socket, log) = outgoing();
    socket.set_connect_timeout(Some(Duration::from_millis(600)));
    let begun = Instant::now();
    socket.connect_to_host("two", hole.port).unwrap();
    until(&event_loop, || socket.state() == SocketState::Unconnected);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(log.take(), format!("{BEGUN} unconnected SocketTimeout"));
}

#[test]
#[ignore = "needs names in /etc/hosts, see the header"]
fn a_bound_socket_tries_the_addresses_of_its_family() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (event_loop, socket, _log) = outgoing();
    for name in ["six-four", "two"] {
        socket.bind("127.0.0.1:0").unwrap();
        let port = socket.local_port();
        socket.connect_to_host(name, listener.local_addr().unwrap().port()).unwrap();
        until(&event_loop, || is_connected(&socket));
        assert_eq!((socket.local_port(), listener.accept().unwrap().1.port()), (port, port));
        socket.abort();
    }
}

#[test]
#[ignore = "needs names in /etc/hosts, see the header"]
fn aborting_ends_all_tries() {
    let (first, second) = addresses("two");
    let hole = BlackHole::at(first);
    let _other = BlackHole::at(SocketAddr::new(second.ip(), hole.port));
    let (event_loop, socket, log) = outgoing();
    for _ in 0..3 {
        let begun = Instant::now();
        socket.connect_to_host("two", hole.port).unwrap();
        until(&event_loop, || begun.elapsed() > Duration::from_millis(300)); // both run
        socket.abort();
        assert_eq!(log.take(), format!("{BEGUN} unconnected finished"));
        assert_eq!(event_loop.finish(LIMIT).unwrap(), 0);
    }
}
