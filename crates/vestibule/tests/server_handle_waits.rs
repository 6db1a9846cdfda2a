//! `ServerHandle` and drains where nobody runs a loop: blocking waits of the server, and waits of others.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::io::Read;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;
use support::{LIMIT, World, until};
use vestibule::{DrainReport, EndReason, HostAddress, Limits, ServerState, SocketError, TcpServer};

const PATIENCE: Option<Duration> = Some(LIMIT);

fn standalone() -> TcpServer {
    let server = TcpServer::standalone().unwrap();
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    server
}

/// Blocks in waits of the server until it listens no more, or the limit.
fn serve(server: &TcpServer) {
    while server.wait_for_new_connection(PATIENCE).unwrap() {
        drop(server.next_pending_connection());
    }
    assert_ne!(server.server_error(), SocketError::SocketTimeout);
}

#[test]
fn a_blocking_wait_is_woken_answers_and_goes_on() {
    let server = standalone();
    let (handle, port) = (server.handle(), server.server_port());
    let thread = thread::spawn(move || {
        assert_eq!(handle.call(TcpServer::server_port).wait(PATIENCE).unwrap(), port);
        handle.pause().wait(PATIENCE).unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        handle.set_limits(Limits::new().max_connections(3)).wait(PATIENCE).unwrap();
        assert_eq!(handle.statistics().accepted, 0, "it is paused");
        handle.resume().wait(PATIENCE).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "accepted, and dropped");
        handle.stop().wait(PATIENCE).unwrap();
        assert!(handle.wait_for_state(ServerState::Closed, PATIENCE));
    });
    serve(&server);
    assert!(!server.is_listening());
    thread.join().unwrap();
}

#[test]
fn what_was_asked_before_the_wait_is_answered_when_it_begins() {
    let server = standalone();
    let (handle, _client) = (server.handle(), TcpStream::connect(server.local_addr().unwrap()).unwrap());
    let answers =
        [handle.call(|server| server.set_max_pending_connections(5)), handle.pause(), handle.resume()];
    assert!(server.wait_for_new_connection(PATIENCE).unwrap());
    assert!(answers.into_iter().all(|answer| answer.wait(None).is_ok()));
    assert_eq!(server.max_pending_connections(), 5);
}

/// 1. On its own thread, the server is asked to stop.
/// 2. The wait does so when it begins: it has nothing more to wait for.
#[test]
fn a_wait_returns_when_what_was_asked_before_it_stops_the_server() {
    let (_event_loop, server) = World::simulation(1).server();
    let stop = server.handle().stop();
    assert!(!server.wait_for_new_connection(None).unwrap()); // which fails where nothing can ever happen
    assert!(stop.wait(None).is_ok() && !server.is_listening());
}

/// 1. A server without connections and without clients in its queue drains.
/// 2. Its next wait finds nothing left to be done.
#[test]
fn a_drain_that_has_nothing_to_wait_for_ends_the_next_wait_at_once() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server) = world.server();
        let told = Rc::<RefCell<Vec<DrainReport>>>::default();
        let list = Rc::clone(&told);
        server.drained().connect(move |_, report| list.borrow_mut().push(report));
        server.drain(Duration::from_millis(300));
        assert!(!server.wait_for_new_connection(PATIENCE).unwrap());
        assert!(told.borrow()[0].took < Duration::from_millis(300), "{told:?}");
        drop(event_loop);
    }
}

#[test]
fn a_request_that_panics_comes_out_of_the_wait_and_the_next_one_goes_on() {
    let server = standalone();
    let handle = server.handle();
    let thread = thread::spawn(move || {
        let (blown, stop) = (handle.call(|_| panic!("oh")), handle.stop());
        let blown: vestibule::Result<()> = blown.wait(PATIENCE);
        (blown.is_err(), stop.wait(PATIENCE).is_ok())
    });
    let wait = AssertUnwindSafe(|| server.wait_for_new_connection(PATIENCE));
    assert!(catch_unwind(wait).is_err());
    if server.is_listening() {
        assert!(!server.wait_for_new_connection(PATIENCE).unwrap());
    }
    assert_eq!(thread.join().unwrap(), (true, true));
}

#[test]
fn a_drain_of_a_server_without_connections_ends_its_wait_and_is_answered() {
    let server = standalone();
    let (handle, told) = (server.handle(), Rc::<RefCell<Vec<DrainReport>>>::default());
    let list = Rc::clone(&told);
    server.drained().connect(move |_, report| list.borrow_mut().push(report));
    let thread = thread::spawn(move || handle.drain(LIMIT).wait(PATIENCE));
    serve(&server);
    let report = thread.join().unwrap().unwrap();
    assert_eq!(*told.borrow(), [report]);
    assert_eq!(server.state(), ServerState::Closed);
}

#[test]
fn a_drain_that_began_in_a_wait_ends_in_it() {
    let server = standalone();
    let (handle, port) = (server.handle(), server.server_port());
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(server.wait_for_new_connection(PATIENCE).unwrap());
    let socket = server.next_pending_connection().unwrap();
    let thread = thread::spawn(move || handle.drain(LIMIT).wait(PATIENCE));
    serve(&server);
    assert_eq!((server.is_listening(), server.state()), (false, ServerState::Closed));
    assert_eq!(thread.join().unwrap().unwrap().idle, 1);
    assert_eq!(socket.end_reason(), Some(EndReason::Drained));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

/// 1. A standalone server has an open connection, and a client in its queue that it does not let in.
/// 2. It drains in its wait, until the deadline.
#[test]
fn a_wait_lasts_no_longer_than_the_drain() {
    let server = standalone();
    let client = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    assert!(server.wait_for_new_connection(PATIENCE).unwrap());
    let socket = server.next_pending_connection().unwrap();
    server.set_max_pending_connections(0);
    let mut waiting = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    server.drain(Duration::from_millis(30));
    assert!(!server.wait_for_new_connection(PATIENCE).unwrap());
    assert!(!server.is_listening());
    assert!(waiting.read(&mut [0]).is_err(), "it is reset");
    until(&server.event_loop(), || server.state() == ServerState::Closed);
    drop((socket, client));
}

/// 1. A socket of the loop blocks the thread.
/// 2. Another thread asks the server, which runs nothing meanwhile.
/// 3. The wait is over: the loop's next turn answers.
#[test]
fn requests_during_the_wait_of_another_object_are_answered_afterwards() {
    let (event_loop, server, socket, mut client) = World::Os.pair();
    let handle = server.handle();
    let thread = thread::spawn(move || {
        let answer = handle.pause();
        assert_eq!(handle.state(), ServerState::Listening);
        client.try_send(b"now").unwrap();
        (answer.wait(PATIENCE), client)
    });
    assert!(socket.wait_for_ready_read(PATIENCE).unwrap());
    assert!(server.is_accepting(), "no slot of another object runs in a wait");
    event_loop.single_shot(LIMIT, |_| panic!("the request did not end the turn"));
    while server.is_accepting() {
        event_loop.process_events(None).unwrap();
    }
    thread.join().unwrap().0.unwrap();
}

/// 1. A server of the loop blocks the thread; it is asked for nothing.
/// 2. Another server of the loop is asked, and answers in the loop's next turn.
#[test]
fn requests_for_one_server_during_the_wait_of_another_are_answered_afterwards() {
    let (event_loop, server) = World::Os.server();
    let other = TcpServer::new(&event_loop);
    other.listen(HostAddress::LOCALHOST, 0).unwrap();
    let (handle, woken, port) = (other.handle(), server.handle(), server.server_port());
    let thread = thread::spawn(move || {
        let answer = handle.pause();
        woken.call(|_| ()).wait(PATIENCE).unwrap();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        (answer.wait(PATIENCE), client)
    });
    assert!(server.wait_for_new_connection(PATIENCE).unwrap());
    assert!(other.is_accepting());
    while other.is_accepting() {
        event_loop.process_events(None).unwrap();
    }
    thread.join().unwrap().0.unwrap();
}

/// 1. A thread waits for a state.
/// 2. The server's thread drops the server, which closes it.
#[test]
fn a_thread_that_waits_for_a_state_learns_that_the_server_is_gone() {
    let (_event_loop, server) = World::Os.server();
    let handle = server.handle();
    let thread = thread::spawn(move || handle.wait_for_state(ServerState::Paused, None));
    drop(server);
    assert!(!thread.join().unwrap());
}

/// 1. A thread waits for the server to be closed.
/// 2. The server is dropped, which closes it: the state comes to be, and that is what the thread is told.
#[test]
fn a_thread_that_waits_for_closed_is_told_of_it_when_the_server_is_dropped() {
    for _ in 0..2000 {
        let (_event_loop, server) = World::Os.server();
        let handle = server.handle();
        let thread = thread::spawn(move || handle.wait_for_state(ServerState::Closed, None));
        drop(server);
        assert!(thread.join().unwrap());
    }
}
