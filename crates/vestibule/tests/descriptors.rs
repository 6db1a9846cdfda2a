//! No descriptor leaks, and running out of them harms nobody. One test: the limit is the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::Cell;
use std::fs::File;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::descriptors::Shortage;
use support::{Log, World, until};
use vestibule::{EventLoop, HostAddress, SocketError, TcpServer};

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Every way in which connections and listeners come to an end.
fn exercise() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::bind(&event_loop, "127.0.0.1:0").unwrap();
    assert!(TcpServer::bind(&event_loop, "192.0.2.1:0").is_err());
    assert!(server.listen(HostAddress::LOCALHOST, 0).is_err());
    let standalone = TcpServer::standalone().unwrap();
    standalone.listen(HostAddress::ANY, 0).unwrap();
    let clients: Vec<_> = (0..12).map(|_| World::Os.connect(server.server_port())).collect();
    let _waiting: Vec<_> = (0..3).map(|_| World::Os.connect(standalone.server_port())).collect();
    assert!(standalone.wait_for_new_connection(Some(support::LIMIT)).unwrap());
    drop(standalone.next_pending_connection());
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    server.new_connection().connect(move |_| count.set(count.get() + 1));
    until(&event_loop, || accepted.get() == 12);
    let mut clients = clients.into_iter();
    let sockets: Vec<_> = (0..8).map_while(|_| server.next_pending_connection()).collect();
    for (number, socket) in sockets.into_iter().enumerate() {
        let mut client = clients.next().unwrap();
        match number {
            0 => socket.abort(),
            1 => drop(socket),
            2 => socket.set_parent(&server),
            3 => {
                socket.write(&vec![1; 2_000_000]); // more than leaves at once, and cut with the loop
            }
            4 => client.reset(),
            5 => client.send(&event_loop, b"unread, so that it lingers"),
            6 => server.add_pending_connection(socket).unwrap(),
            _ => socket.disconnect_from_host(),
        }
    }
    server.set_incoming_connection(|_, connection| drop(connection));
    let _hooked = World::Os.connect(server.server_port());
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
}

fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn starve_and_recover() {
    let (event_loop, server) = World::Os.server();
    let log = Log::default();
    let words = log.clone();
    server.accept_error().connect(move |_, error| words.add(format!("{error:?}")));
    let words = log.clone();
    server.new_connection().connect(move |_| words.add("new"));
    // A normal round comes first: the reference then spins for ever.
    let _first = World::Os.connect(server.server_port());
    until(&event_loop, || log.len() == 1);
    let taken = server.next_pending_connection().unwrap();
    let _waiting: Vec<_> =
        (0..3).map(|_| TcpStream::connect(("127.0.0.1", server.server_port())).unwrap()).collect();
    log.take();
    let shortage = Shortage::but(1);
    let begun = cpu_time(); // needs the one descriptor that is left
    let (end, one_left) = (Instant::now() + Duration::from_millis(700), File::open("/dev/null").unwrap());
    while Instant::now() < end {
        event_loop.process_events(Some(Duration::from_millis(50))).unwrap();
    }
    assert_eq!(log.take(), "SocketResource", "told once");
    assert!(server.is_listening() && server.is_accepting());
    drop(one_left);
    let burnt = cpu_time().saturating_sub(begun);
    assert!(burnt < Duration::from_millis(70), "{burnt:?} of CPU in 700 ms");
    until(&event_loop, || log.len() > 0);
    assert!(log.take().starts_with("new"), "one descriptor, one connection");
    // A descriptor that is released here is used at once, not after the back-off.
    drop(File::open("/dev/null"));
    let begun = Instant::now();
    drop(taken);
    until(&event_loop, || log.len() > 0);
    let waited = begun.elapsed();
    assert!(waited < Duration::from_millis(100), "{waited:?} after a release");
    drop(shortage);
    let mut taken = 0;
    until(&event_loop, || {
        taken += usize::from(server.next_pending_connection().is_some());
        taken == 3
    });
}

fn listening_without_descriptors_fails_cleanly() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    let shortage = Shortage::but(0);
    let error = server.listen(HostAddress::LOCALHOST, 0).unwrap_err();
    assert!(EventLoop::new().is_err());
    drop(shortage);
    assert_eq!((error.kind(), server.error_string()), (SocketError::SocketResource, "Out of resources"));
    assert_eq!(error.to_string(), "cannot listen on 127.0.0.1:0: too many open files");
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
}

#[test]
fn descriptors() {
    exercise();
    let before = open_descriptors();
    for _ in 0..5 {
        exercise();
    }
    assert_eq!(open_descriptors(), before);
    listening_without_descriptors_fails_cleanly();
    starve_and_recover();
    assert_eq!(open_descriptors(), before);
}
