//! `ServerState`: which follows which, and that `state_changed` tells each change once, in order, in a turn.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use support::{Log, World, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{HostAddress, Limits, ServerState, SocketError, TcpServer};

const EMFILE: i32 = 24;

fn follow(server: &TcpServer) -> Log {
    let log = Log::default();
    let words = log.clone();
    server.state_changed().connect(move |_, state| words.add(state.to_string()));
    log
}

fn fresh(world: &World) -> (vestibule::EventLoop, TcpServer, Log) {
    let event_loop = world.event_loop();
    let server = TcpServer::new(&event_loop);
    let log = follow(&server);
    (event_loop, server, log)
}

on_both! {
    fn listening_and_closing_are_told_in_the_next_turn(world: &World) {
        let (event_loop, server, log) = fresh(world);
        assert_eq!((server.state(), ServerState::default()), (ServerState::Closed, ServerState::Closed));
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        assert_eq!((server.state(), log.take().as_str()), (ServerState::Listening, ""));
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        assert_eq!(log.take(), "starting listening");
        server.close();
        assert_eq!((server.state(), log.take().as_str()), (ServerState::Closed, ""));
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        assert_eq!(log.take(), "closed");
        server.close();
        settle(&event_loop);
        assert_eq!(log.take(), "");
    }

    fn each_change_is_told_by_itself_though_they_follow_each_other_at_once(world: &World) {
        let (event_loop, server, log) = fresh(world);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        server.pause_accepting();
        server.pause_accepting();
        server.resume_accepting();
        server.resume_accepting();
        server.close();
        settle(&event_loop);
        assert_eq!(log.take(), "starting listening paused listening closed");
    }

    fn listening_that_fails_ends_where_it_began(world: &World) {
        let (event_loop, server, log) = fresh(world);
        let (_other_loop, other) = world.server();
        assert!(server.listen(HostAddress::LOCALHOST, other.server_port()).is_err());
        assert_eq!(server.state(), ServerState::Closed);
        settle(&event_loop);
        assert_eq!(log.take(), "starting closed");
        assert!(server.listen(HostAddress::NULL, 0).is_err());
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        assert!(server.listen(HostAddress::LOCALHOST, 0).is_err(), "listens already, which disturbs nothing");
        settle(&event_loop);
        assert_eq!(log.take(), "starting closed starting listening");
    }

    fn a_pause_is_kept_while_it_is_closed_and_shows_when_it_listens(world: &World) {
        let (event_loop, server, log) = fresh(world);
        server.pause_accepting();
        settle(&event_loop);
        assert_eq!((server.state(), log.take().as_str()), (ServerState::Closed, ""));
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        settle(&event_loop);
        assert_eq!((server.state(), log.take().as_str()), (ServerState::Paused, "starting paused"));
        server.resume_accepting();
        settle(&event_loop);
        assert_eq!(log.take(), "listening");
    }

    fn a_limit_that_is_reached_changes_nothing(world: &World) {
        let (event_loop, server, log) = fresh(world);
        server.set_limits(Limits::new().max_connections(1));
        server.set_max_pending_connections(1);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        let _far: Vec<_> = (0..3).map(|_| world.connect(server.server_port())).collect();
        until(&event_loop, || server.has_pending_connections());
        settle(&event_loop);
        assert_eq!((server.state(), log.take().as_str()), (ServerState::Listening, "starting listening"));
    }

    fn a_drain_is_a_state_whatever_else_happens_and_ends_closed(world: &World) {
        let (event_loop, server, socket, _client) = world.pair();
        let log = follow(&server);
        let words = log.clone();
        server.drained().connect(move |server, _| {
            assert_eq!(server.state(), ServerState::Closed);
            words.add("drained");
        });
        socket.draining().connect(|_| {});
        settle(&event_loop);
        server.drain(Duration::from_secs(3600));
        server.pause_accepting();
        server.resume_accepting();
        server.drain(Duration::from_secs(60));
        settle(&event_loop);
        server.close();
        settle(&event_loop);
        assert_eq!((server.state(), log.take().as_str()), (ServerState::Draining, "draining"));
        drop(socket);
        until(&event_loop, || log.len() == 2);
        settle(&event_loop);
        assert_eq!(log.take(), "drained closed");
    }

    fn a_slot_may_change_the_state_again(world: &World) {
        let (event_loop, server, log) = fresh(world);
        server.state_changed().connect(|server, state| match state {
            ServerState::Listening => server.pause_accepting(),
            ServerState::Paused => server.close(),
            _ => {}
        });
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        settle(&event_loop);
        assert_eq!(log.take(), "starting listening paused closed");
    }

    fn a_turn_in_a_slot_keeps_the_order(world: &World) {
        let (event_loop, server, log) = fresh(world);
        let words = log.clone();
        server.state_changed().connect(move |server, state| {
            server.event_loop().process_events(Some(Duration::ZERO)).unwrap();
            words.add(format!("({state})"));
        });
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        server.close();
        settle(&event_loop);
        let told = log.take();
        assert!(told.find("starting") < told.find("listening"), "{told}");
        for state in ["starting", "listening", "closed", "(starting)", "(listening)", "(closed)"] {
            assert_eq!(told.split(' ').filter(|word| *word == state).count(), 1, "{told}");
        }
    }

    fn nothing_is_told_of_a_server_that_was_dropped(world: &World) {
        let (event_loop, server, log) = fresh(world);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        let handle = server.handle();
        drop(server);
        settle(&event_loop);
        assert_eq!((log.take().as_str(), handle.state()), ("", ServerState::Closed));
    }

    fn a_wait_of_the_server_tells_them_too(world: &World) {
        let (_event_loop, server, log) = fresh(world);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        let _client = world.connect(server.server_port());
        assert!(server.wait_for_new_connection(Some(support::LIMIT)).unwrap());
        assert_eq!(log.take(), "starting listening");
    }
}

#[test]
fn lacking_descriptors_are_a_state_until_somebody_is_accepted() {
    for seed in 0..8 {
        let network = SimulatedNetwork::new(seed).unwrap();
        for nth in 1..=3 {
            network.fail_accept(nth, EMFILE);
        }
        let (event_loop, server, log) = fresh(&World::Simulation(network.clone()));
        let errors = Log::default();
        let words = errors.clone();
        server.accept_error().connect(move |server, error| {
            assert_eq!((error, server.state()), (SocketError::SocketResource, ServerState::Exhausted));
            words.add("told");
        });
        server.listen(HostAddress::ANY, 7777).unwrap();
        let _client = network.connect(7777).unwrap();
        until(&event_loop, || server.has_pending_connections());
        assert_eq!(server.state(), ServerState::Listening);
        settle(&event_loop);
        assert_eq!(
            (log.take().as_str(), errors.take().as_str()),
            ("starting listening exhausted listening", "told")
        );
        assert_eq!((server.statistics().episodes, server.statistics().errors.resources), (1, 3));
        assert!(server.statistics().exhausted > Duration::ZERO);
    }
}

#[test]
fn a_pause_or_a_drain_hides_that_descriptors_are_lacking() {
    let network = SimulatedNetwork::new(1).unwrap();
    let (event_loop, server, log) = fresh(&World::Simulation(network.clone()));
    server.listen(HostAddress::ANY, 7777).unwrap();
    network.set_descriptors(Some(0));
    let _client = network.connect(7777).unwrap();
    until(&event_loop, || server.state() == ServerState::Exhausted);
    server.pause_accepting();
    assert_eq!(server.state(), ServerState::Paused);
    server.resume_accepting();
    assert_eq!(server.state(), ServerState::Exhausted);
    server.drain(Duration::from_secs(1));
    assert_eq!(server.state(), ServerState::Draining);
    until(&event_loop, || server.state() == ServerState::Closed);
    settle(&event_loop);
    assert_eq!(log.take(), "starting listening exhausted paused exhausted draining closed");
    network.set_descriptors(None);
    server.listen(HostAddress::ANY, 7777).unwrap();
    assert_eq!(server.state(), ServerState::Listening, "forgotten");
}

#[test]
fn a_listener_that_is_broken_leaves_it_closed() {
    let network = SimulatedNetwork::new(1).unwrap();
    network.fail_accept(1, 22); // EINVAL
    let (event_loop, server, log) = fresh(&World::Simulation(network.clone()));
    server.listen(HostAddress::ANY, 7777).unwrap();
    let _client = network.connect(7777).unwrap();
    until(&event_loop, || !server.is_listening());
    settle(&event_loop);
    assert_eq!((server.state(), log.take().as_str()), (ServerState::Closed, "starting listening closed"));
}

#[test]
fn the_failure_of_one_client_is_no_state() {
    let network = SimulatedNetwork::new(1).unwrap();
    network.fail_accept(1, 103); // ECONNABORTED
    let (event_loop, server, log) = fresh(&World::Simulation(network.clone()));
    server.listen(HostAddress::ANY, 7777).unwrap();
    let _far = [network.connect(7777).unwrap(), network.connect(7777).unwrap()];
    until(&event_loop, || server.has_pending_connections());
    settle(&event_loop);
    assert_eq!(log.take(), "starting listening");
}

/// 1. Two changes are to be told.
/// 2. The slot panics at the first, which comes out of the turn.
/// 3. The next turn tells the second.
#[test]
fn a_panic_at_one_change_loses_no_other() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server, log) = fresh(&world);
        let other = TcpServer::new(&event_loop);
        let others = follow(&other);
        let fuse = Cell::new(true);
        server.state_changed().connect(move |_, _| assert!(!fuse.replace(false), "the fuse"));
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        other.listen(HostAddress::LOCALHOST, 0).unwrap();
        let turn = AssertUnwindSafe(|| event_loop.process_events(Some(Duration::ZERO)));
        assert!(catch_unwind(turn).is_err());
        settle(&event_loop);
        assert_eq!(
            (log.take().as_str(), others.take().as_str()),
            ("starting listening", "starting listening")
        );
    }
}

/// Two slots see the same changes in the same order, also when the first one takes turns.
#[test]
fn every_slot_hears_of_the_changes_in_order() {
    let (event_loop, server, _log) = fresh(&World::simulation(1));
    let (later, last) = (Log::default(), Rc::new(Cell::new(0)));
    let words = later.clone();
    server.state_changed().connect(move |server, _| {
        last.set(last.get() + 1);
        server.event_loop().process_events(Some(Duration::ZERO)).unwrap();
    });
    server.state_changed().connect(move |_, state| words.add(state.to_string()));
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    settle(&event_loop);
    assert_eq!(later.take(), "starting listening");
}
