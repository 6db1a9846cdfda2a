//! Descriptors are really lacking; a thread or a slot releases one. One test: the limit is the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{eventually, limited};
use rustix::net::{AddressFamily, SocketType};
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::descriptors::Shortage;
use support::{LIMIT, World, until};
use vestibule::{HostAddress, Limits, ServerHandle, TcpServer};

/// After so many failures in a row the next try comes in 160 ms or later, should nothing be released.
const FAILURES: u64 = 7;
const SOON: Duration = Duration::from_millis(100);

/// A thread that aborts a connection of its own when this server has failed often enough; it returns when.
fn releasing(handle: ServerHandle) -> thread::JoinHandle<Instant> {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        let (_event_loop, _side, socket, _client) = World::Os.pair();
        tell.send(()).unwrap();
        eventually(|| handle.statistics().errors.resources >= FAILURES);
        let at = Instant::now();
        socket.abort();
        at
    });
    told.recv().unwrap();
    thread
}

/// 1. There are no descriptors; the server waits longer from one try to the next.
/// 2. It has just tried, and sleeps, in a loop or in a wait.
/// 3. Another thread closes a connection of its own loop: the server tries at once.
fn a_release_on_another_thread_wakes(in_a_wait: bool) {
    let (event_loop, server) = World::Os.server();
    let server = if in_a_wait { TcpServer::standalone().unwrap() } else { server };
    if in_a_wait {
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
    }
    let other = releasing(server.handle());
    let _client = World::Os.connect(server.server_port());
    let shortage = Shortage::but(0);
    if in_a_wait {
        assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
    } else {
        let begun = Instant::now();
        while server.statistics().accepted == 0 {
            event_loop.process_events(Some(LIMIT)).unwrap();
            assert!(begun.elapsed() < LIMIT);
        }
    }
    let at = Instant::now();
    drop(shortage);
    let took = at.saturating_duration_since(other.join().unwrap());
    assert!(took < SOON, "{took:?}, in a wait: {in_a_wait}");
}

/// 1. There are no descriptors but the reserve, which answers each client; each is looked at later.
/// 2. One of them is refused, and the slot that is told of it closes a connection.
/// 3. The next one comes, and is let in at once.
fn a_release_in_a_slot_of_refused_lets_the_next_in() {
    let (event_loop, server) = limited(&World::Os, Limits::new().reserve_descriptor(true));
    let (_side_loop, _side, socket, _client) = World::Os.pair();
    let (victim, released) = (Cell::new(Some(socket)), Rc::new(Cell::new(None)));
    let at = Rc::clone(&released);
    server.refused().connect(move |server, _| {
        if server.statistics().errors.resources >= FAILURES {
            drop(victim.take());
            at.set(at.get().or(Some(Instant::now())));
        }
    });
    let to = SocketAddr::from(([127, 0, 0, 1], server.server_port()));
    let socket = |_| rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let clients: Vec<_> = (0..20).map(socket).collect();
    let mut clients = clients.iter();
    let shortage = Shortage::but(0);
    while server.statistics().accepted == 0 {
        let refused = server.statistics().refused_in_all();
        rustix::net::connect(clients.next().unwrap(), &to).unwrap();
        until(&event_loop, || {
            let statistics = server.statistics();
            statistics.accepted > 0 || statistics.refused_in_all() > refused
        });
    }
    let took = released.get().unwrap().elapsed();
    drop(shortage);
    assert!(took < SOON, "{took:?}");
}

#[test]
fn a_descriptor_that_is_released_elsewhere_is_used_at_once() {
    a_release_on_another_thread_wakes(true);
    a_release_on_another_thread_wakes(false);
    a_release_in_a_slot_of_refused_lets_the_next_in();
}
