//! Room for many connections, spinning, and deferred accepting: what a program asks for that has many clients, or few that
//! are in a hurry.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;
use support::until;
use vestibule::{EventLoop, HostAddress, ListenOptions, SocketError, TcpServer};

#[test]
fn room_is_made_once_and_more_than_the_process_may_have_is_an_error() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.reserve_connections(100).unwrap();
    let error = event_loop.reserve_connections(i32::MAX as usize / 2).unwrap_err();
    assert_eq!(error.kind(), SocketError::SocketResource);
    assert!(error.to_string().starts_with("cannot make room for the connections: "), "{error}");
    let next = std::fs::File::open("/dev/null").unwrap();
    assert!(next.as_raw_fd() < 100, "nothing stays open");
}

#[test]
fn a_spinning_loop_does_what_another_does() {
    let event_loop = EventLoop::new().unwrap();
    event_loop.set_spin(Duration::from_micros(200));
    let server = TcpServer::bind(&event_loop, "127.0.0.1:0").unwrap();
    server.new_connection().connect(|server| {
        while let Some(socket) = server.next_pending_connection() {
            socket.ready_read().connect(|socket| {
                socket.read_with(|bytes| socket.write(bytes));
            });
            socket.set_parent(server);
        }
    });
    let address = server.local_addr().unwrap();
    let handle = event_loop.handle();
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        for number in 0..200_u8 {
            stream.write_all(&[number]).unwrap();
            let mut answer = [0];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [number]);
        }
        handle.quit();
    });
    let fired = std::rc::Rc::new(std::cell::Cell::new(false));
    let mark = std::rc::Rc::clone(&fired);
    event_loop.single_shot(Duration::from_millis(5), move |_| mark.set(true));
    event_loop.run().unwrap();
    client.join().unwrap();
    until(&event_loop, || fired.get());
}

/// A client that says nothing is kept in the kernel, one that speaks is accepted.
#[test]
#[cfg(target_os = "linux")]
fn a_client_that_has_said_nothing_is_not_accepted_yet() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    let options = ListenOptions::new((HostAddress::LOCALHOST, 0)).defer_accept(Duration::from_secs(30));
    server.listen_with(options).unwrap();
    let _silent = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    let mut speaking = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    speaking.write_all(b"hello").unwrap();
    until(&event_loop, || server.has_pending_connections());
    assert_eq!(server.statistics().accepted, 1);
    let socket = server.next_pending_connection().unwrap();
    assert_eq!(socket.peer_addr(), Some(speaking.local_addr().unwrap()));
}
