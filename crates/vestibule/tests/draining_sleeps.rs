//! Draining: when it is over the loop sleeps, also if slots end everything, take turns or drop their server.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread;
use std::time::Duration;
use support::{LIMIT, Log, World, assert_sleeps, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{HostAddress, ServerState, SocketError, TcpServer};

const SHORT: Duration = Duration::from_millis(100);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// 1. A server has more connections than are told of a drain in one turn.
/// 2. The drain has begun to tell them.
/// 3. The server is dropped.
#[test]
fn a_loop_sleeps_after_a_server_was_dropped_while_it_told_of_the_drain() {
    let (event_loop, server, pairs) = World::Os.pairs(150);
    let clients: Vec<_> = pairs
        .into_iter()
        .map(|(socket, client)| {
            socket.draining().connect(|_| {});
            socket.set_parent(&server);
            client
        })
        .collect();
    server.drain(LONG);
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    drop(server);
    drop(clients);
    settle(&event_loop);
    assert_sleeps(&event_loop);
}

/// With as many connections as are ended in one turn, and around that.
#[test]
fn a_loop_sleeps_when_a_server_was_dropped_at_the_end_of_its_drain() {
    for number in [1, 63, 64, 65] {
        let (event_loop, server, pairs) = World::Os.pairs(number);
        let far: Vec<_> = pairs
            .into_iter()
            .map(|(socket, client)| {
                socket.set_parent(&server);
                client
            })
            .collect();
        let owner = Rc::new(RefCell::new(Some(server)));
        let slot_owner = Rc::downgrade(&owner);
        owner.borrow().as_ref().unwrap().drained().connect(move |_, _| {
            let server = slot_owner.upgrade().unwrap().take();
            drop(server);
        });
        owner.borrow().as_ref().unwrap().drain(Duration::ZERO);
        until(&event_loop, || owner.borrow().is_none());
        drop(far);
        settle(&event_loop);
        assert_sleeps(&event_loop);
    }
}

on_both! {
    fn a_drain_is_over_at_once_when_the_slot_that_hears_of_it_ends_all_connections(world: &World) {
        let (event_loop, server, socket, _client) = world.pair();
        settle(&event_loop); // the server is told to listen
        let socket = Cell::new(Some(socket));
        server.state_changed().connect(move |_, state| {
            if state == ServerState::Draining {
                drop(socket.take());
            }
        });
        let quit = event_loop.handle();
        server.drained().connect(move |_, report| {
            assert_eq!((report.ended, report.cut), (1, 0));
            quit.quit();
        });
        server.drain(LONG);
        event_loop.single_shot(LIMIT, |_| panic!("the drain is not over"));
        event_loop.run().unwrap();
        assert_eq!(server.state(), ServerState::Closed);
    }

    /// 1. The peer resets.
    /// 2. The server drains.
    /// 3. A turn finds both.
    fn draining_is_not_told_after_disconnected(world: &World) {
        let (event_loop, server, socket, client) = world.pair();
        settle(&event_loop);
        let log = Log::default();
        log.follow(&socket);
        let words = log.clone();
        socket.draining().connect(move |_| words.add("draining"));
        client.reset();
        server.drain(LONG);
        until(&event_loop, || server.state() == ServerState::Closed);
        let all = log.take();
        assert!(all.ends_with("gone"), "{all}");
    }

    fn the_end_of_a_drain_that_a_slot_waits_for_by_turns_comes(world: &World) {
        let (event_loop, first) = world.server();
        let second = Rc::new(TcpServer::new(&event_loop));
        second.listen(HostAddress::LOCALHOST, 0).unwrap();
        let _untaken = world.connect(second.server_port());
        until(&event_loop, || second.has_pending_connections());
        let (other, seen) = (Rc::clone(&second), Rc::new(Cell::new(false)));
        let flag = Rc::clone(&seen);
        first.drained().connect(move |server, _| {
            until(&server.event_loop(), || other.state() == ServerState::Closed);
            flag.set(true);
        });
        first.drain(SHORT);
        second.drain(SHORT); // cuts the one that nobody has taken
        until(&event_loop, || seen.get());
    }
}

#[test]
fn the_drain_of_a_slot_that_takes_turns_is_over_at_its_deadline() {
    let network = SimulatedNetwork::new(1).unwrap();
    let world = World::Simulation(network.clone());
    let (event_loop, first) = world.server();
    let second = Rc::new(TcpServer::new(&event_loop));
    second.listen(HostAddress::LOCALHOST, 0).unwrap();
    let _untaken = world.connect(second.server_port());
    until(&event_loop, || second.has_pending_connections());
    let begun = network.elapsed();
    let (other, at) = (Rc::clone(&second), Rc::new(Cell::new(None)));
    let (seen, clock) = (Rc::clone(&at), network.clone());
    first.drained().connect(move |server, _| {
        until(&server.event_loop(), || other.state() == ServerState::Closed);
        seen.set(Some(clock.elapsed()));
    });
    first.drain(SHORT);
    second.drain(SHORT);
    until(&event_loop, || at.get().is_some());
    let took = at.get().unwrap().checked_sub(begun).unwrap();
    assert!(took >= SHORT && took <= SHORT + Duration::from_millis(10), "{took:?}");
}

/// 1. The loop is dropped, and its server is kept.
/// 2. Another thread asks the server for something: nobody will ever do it.
#[test]
fn an_answer_comes_though_the_loop_is_gone() {
    let (event_loop, server) = World::Os.server();
    let handle = server.handle();
    drop(event_loop);
    let waiter = thread::spawn(move || handle.pause().wait(Some(LIMIT)));
    let error = waiter.join().unwrap().unwrap_err();
    assert_ne!(error.kind(), SocketError::SocketTimeout, "{error}");
    drop(server);
}
