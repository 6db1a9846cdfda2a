//! Attempts to connect leave no descriptor behind, however they end. One test: the descriptors are the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::time::Duration;
use support::descriptors::{descriptors, wait_for_descriptors};
use support::{BlackHole, LIMIT, Refusing, World, next, settle, until};
use vestibule::{EventLoop, SocketState, TcpServer, TcpSocket};

/// One attempt, with an end of its own.
fn attempt(event_loop: &EventLoop, server: &TcpServer, refusing: &Refusing, hole: &BlackHole, number: usize) {
    let kinds = 10;
    let host = if number / kinds % 2 == 0 { "127.0.0.1" } else { "localhost" };
    let (socket, port) = (TcpSocket::new(event_loop), server.server_port());
    if number / kinds % 4 > 1 {
        socket.bind("127.0.0.1:0").unwrap();
    }
    let over = || socket.state() == SocketState::Unconnected;
    match number % kinds {
        0 => {
            socket.connect_to_host(host, refusing.port).unwrap();
            until(event_loop, over);
        }
        1 => {
            socket.connect_to_host(host, port).unwrap();
            socket.write(b"never");
            socket.abort();
        }
        2 => {
            socket.connect_to_host(host, port).unwrap();
            socket.write(b"never");
        }
        3 => {
            socket.set_connect_timeout(Some(Duration::from_millis(3)));
            socket.connect_to_host(host, hole.port).unwrap();
            until(event_loop, over);
        }
        4 => {
            socket.connect_to_host(host, hole.port).unwrap();
            assert!(!socket.wait_for_connected(Some(Duration::from_millis(3))).unwrap_or(false));
        }
        5 => {
            socket.connect_to_host(host, port).unwrap();
            assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
        }
        6 => {
            socket.host_found().connect(TcpSocket::abort);
            socket.connect_to_host(host, port).unwrap();
            until(event_loop, over);
        }
        7 => {
            socket.connect_to_host("two..dots", port).unwrap();
            until(event_loop, over);
        }
        8 => {
            socket.connect_to_host(host, port).unwrap();
            assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
            drop(socket.into_std().unwrap());
        }
        _ => {
            let alone = TcpSocket::standalone();
            alone.connect_to_host(host, if number % 20 < kinds { port } else { refusing.port }).unwrap();
            let _ = alone.wait_for_connected(Some(LIMIT));
        }
    }
}

#[test]
fn no_attempt_leaves_a_descriptor_behind() {
    let (event_loop, server) = World::Os.server();
    let (refusing, hole) = (Refusing::new(), BlackHole::new());
    let all = |number| {
        for number in 0..number {
            attempt(&event_loop, &server, &refusing, &hole, number);
            while let Some(far) = server.next_pending_connection() {
                far.abort();
            }
        }
        // The last connection of all: whoever came before it has come.
        let last = TcpSocket::new(&event_loop);
        last.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        assert!(last.wait_for_connected(Some(LIMIT)).unwrap());
        while next(&event_loop, &server).peer_addr() != last.local_addr() {}
        last.abort();
        assert_eq!(event_loop.finish(LIMIT).unwrap(), 0);
        settle(&event_loop);
    };
    all(10); // whatever is made once is made
    let before = descriptors();
    all(200);
    wait_for_descriptors(before);
    // And those of a loop that goes while they are under way.
    for host in ["127.0.0.1", "localhost"] {
        let other = EventLoop::new().unwrap();
        let sockets: Vec<_> = (0..20).map(|_| TcpSocket::new(&other)).collect();
        for socket in &sockets {
            socket.connect_to_host(host, hole.port).unwrap();
        }
        drop(other);
        drop(sockets);
    }
    wait_for_descriptors(before);
}
