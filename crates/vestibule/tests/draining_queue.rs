//! Draining: clients in the kernel's queue, those that nobody has taken, pauses, limits, and listening again.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::{Arrived, Client, Log, World, settle, until};
use vestibule::{
    DrainOptions, DrainReport, EventLoop, HostAddress, Leftover, Limits, Refusal, RefusalReason, ServerState,
    SocketError, TcpServer,
};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);
/// As long as a test may wait.
const SHORT: Duration = Duration::from_millis(30);

fn reports(server: &TcpServer) -> Rc<RefCell<Vec<DrainReport>>> {
    let reports: Rc<RefCell<Vec<DrainReport>>> = Rc::default();
    let list = Rc::clone(&reports);
    server.drained().connect(move |_, report| list.borrow_mut().push(report));
    reports
}

/// The only report of a drain that began with so many connections.
fn one(event_loop: &EventLoop, reports: &RefCell<Vec<DrainReport>>, open: u64) -> DrainReport {
    until(event_loop, || !reports.borrow().is_empty());
    let mut reports = reports.take();
    assert_eq!(reports.len(), 1, "{reports:?}");
    let report = reports.remove(0);
    let ended = report.ended + report.idle + report.cut + report.out_of_reach;
    assert_eq!(ended, open + report.let_in, "{report:?}");
    assert_eq!(report.cut, report.cut_peers.len() as u64, "{report:?}");
    report
}

/// Has each client of the server greeted, and given to the server.
fn greet(server: &TcpServer) {
    server.new_connection().connect(|server| {
        while let Some(socket) = server.next_pending_connection() {
            socket.write(b"welcome");
            socket.set_parent(server);
        }
    });
}

fn clients(world: &World, server: &TcpServer, number: usize) -> Vec<Client> {
    (0..number).map(|_| world.connect(server.server_port())).collect()
}

/// Waits until the kernel has queued so many.
fn queued(event_loop: &EventLoop, server: &TcpServer, number: u32) {
    until(event_loop, || server.kernel_queue().is_none_or(|queue| queue.depth == number));
}

on_both! {
    fn clients_in_the_queue_are_served_and_then_it_stops_listening(world: &World) {
        let (event_loop, server) = world.server();
        greet(&server);
        server.pause_accepting();
        let mut far = clients(world, &server, 40);
        queued(&event_loop, &server, 40);
        let reports = reports(&server);
        server.drain(LONG);
        for client in &mut far {
            assert_eq!(client.receive_to_end(&event_loop), b"welcome");
        }
        let report = one(&event_loop, &reports, 0);
        assert_eq!((report.let_in, report.idle, report.refused), (40, 40, 0), "{report:?}");
        assert!(!server.is_listening());
    }

    fn clients_in_the_queue_are_refused_if_they_are_to_be(world: &World) {
        let (event_loop, server, _socket, mut client) = world.pair();
        greet(&server);
        server.pause_accepting();
        let mut far = clients(world, &server, 20);
        queued(&event_loop, &server, 20);
        let (reports, log) = (reports(&server), Log::default());
        let words = log.clone();
        server.refused().connect(move |_, refused| {
            assert_eq!(refused.reason, RefusalReason::Draining);
            words.add("refused");
        });
        server.drain_with(DrainOptions::new(LONG).leftover(Leftover::Refuse));
        for client in &mut far {
            assert_eq!(client.receive_to_end(&event_loop), b"");
        }
        assert_eq!(client.receive_to_end(&event_loop), b"");
        let report = one(&event_loop, &reports, 1);
        assert_eq!((report.let_in, report.idle, report.refused), (0, 1, 20), "{report:?}");
        assert_eq!((log.len(), server.statistics().refused_for(RefusalReason::Draining)), (20, 20));
    }

    fn clients_that_come_during_the_drain_are_not_let_in(world: &World) {
        let (event_loop, server, socket, _client) = world.pair();
        greet(&server);
        let (port, reports) = (server.server_port(), reports(&server));
        socket.draining().connect(|_| {});
        server.drain(LONG);
        until(&event_loop, || !server.is_listening());
        match world {
            World::Os => assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err()),
            World::Simulation(network) => assert!(network.connect(port).is_err()),
        }
        socket.abort();
        assert_eq!(one(&event_loop, &reports, 1).let_in, 0);
    }

    fn at_the_deadline_those_in_the_queue_are_reset(world: &World) {
        let (event_loop, server) = world.server();
        server.set_max_pending_connections(0);
        let mut far = clients(world, &server, 3);
        queued(&event_loop, &server, 3);
        let reports = reports(&server);
        server.drain(SHORT);
        let report = one(&event_loop, &reports, 0);
        assert_eq!((report.let_in, report.refused), (0, 0), "{report:?}");
        for client in &mut far {
            assert_eq!(client.receive_all(&event_loop).1, Arrived::Reset);
        }
    }

    fn a_connection_that_is_taken_during_the_drain_is_told_and_served(world: &World) {
        let (event_loop, server) = world.server();
        let mut far = clients(world, &server, 2);
        until(&event_loop, || server.statistics().pending == 2);
        let (reports, log) = (reports(&server), Log::default());
        server.drain(LONG);
        settle(&event_loop);
        assert!(reports.borrow().is_empty(), "nobody has taken them");
        let first = server.next_pending_connection().unwrap();
        let second = server.next_pending_connection().unwrap();
        let words = log.clone();
        first.draining().connect(move |socket| {
            words.add("told");
            socket.write(b"late");
            socket.disconnect_from_host();
        });
        second.write(b"but served");
        assert_eq!(far[0].receive_to_end(&event_loop), b"late");
        assert_eq!(far[1].receive_to_end(&event_loop), b"but served");
        let report = one(&event_loop, &reports, 2);
        assert_eq!((report.ended, report.idle, log.take().as_str()), (1, 1, "told"), "{report:?}");
    }

    fn a_pause_ends_and_the_queue_is_served(world: &World) {
        let (event_loop, server) = world.server();
        greet(&server);
        server.pause_accepting();
        let mut client = world.connect(server.server_port());
        queued(&event_loop, &server, 1);
        let reports = reports(&server);
        server.drain(LONG);
        assert_eq!(client.receive_to_end(&event_loop), b"welcome");
        assert_eq!(one(&event_loop, &reports, 0).let_in, 1);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        assert!(server.is_accepting());
    }

    fn at_its_limit_clients_that_wait_get_the_places_that_come_free(world: &World) {
        let (event_loop, server) = world.server();
        server.set_limits(Limits::new().max_connections(2));
        greet(&server);
        let mut far = clients(world, &server, 9);
        until(&event_loop, || server.statistics().open == 2);
        queued(&event_loop, &server, 7);
        let reports = reports(&server);
        server.drain(LONG);
        for client in &mut far {
            assert_eq!(client.receive_to_end(&event_loop), b"welcome");
        }
        let report = one(&event_loop, &reports, 2);
        assert_eq!((report.let_in, server.statistics().most_open), (7, 2), "{report:?}");
    }

    fn listening_during_a_drain_is_an_error_and_works_afterwards_on_the_same_port(world: &World) {
        let (event_loop, server, socket, _client) = world.pair();
        let (port, reports) = (server.server_port(), reports(&server));
        socket.draining().connect(|_| {});
        server.drain(LONG);
        until(&event_loop, || !server.is_listening());
        let error = server.listen(HostAddress::LOCALHOST, 0).unwrap_err();
        assert_eq!(error.kind(), SocketError::Operation);
        assert!(error.to_string().ends_with("the server is draining"), "{error}");
        assert_eq!(server.state(), ServerState::Draining);
        socket.disconnect_from_host();
        let _ = one(&event_loop, &reports, 1);
        greet(&server);
        server.listen(HostAddress::LOCALHOST, port).unwrap();
        let mut client = world.connect(port);
        assert_eq!(client.receive(&event_loop, 7), b"welcome");
        server.drain(LONG);
        assert_eq!(client.receive_to_end(&event_loop), b"");
        let report = one(&event_loop, &reports, 1);
        assert_eq!((report.idle, report.let_in, report.cut), (1, 0, 0), "of this drain alone: {report:?}");
    }

    fn a_slot_of_drained_may_listen_and_drain_again(world: &World) {
        let (event_loop, server, _socket, mut client) = world.pair();
        let log = Log::default();
        let words = log.clone();
        server.drained().connect(move |server, report| {
            words.add(format!("{}", report.idle));
            if words.len() < 3 {
                server.listen(HostAddress::LOCALHOST, 0).unwrap();
                server.drain(LONG);
            }
        });
        server.drain(LONG);
        assert_eq!(client.receive_to_end(&event_loop), b"");
        until(&event_loop, || log.len() == 3);
        settle(&event_loop);
        assert_eq!(log.take(), "1 0 0");
    }

    fn closing_during_the_drain_leaves_the_rest_of_it(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        server.set_max_pending_connections(0);
        let mut waiting = world.connect(server.server_port());
        queued(&event_loop, &server, 1);
        let reports = reports(&server);
        socket.draining().connect(|_| {});
        server.drain(LONG);
        settle(&event_loop);
        server.close();
        settle(&event_loop);
        assert_eq!((server.state(), reports.borrow().len()), (ServerState::Draining, 0));
        assert_eq!(waiting.receive_all(&event_loop).1, Arrived::Reset);
        socket.disconnect_from_host();
        assert_eq!(client.receive_to_end(&event_loop), b"");
        assert_eq!(one(&event_loop, &reports, 1).ended, 1);
    }

    fn untaken_connections_are_cut_at_the_deadline_and_reported(world: &World) {
        let (event_loop, server) = world.server();
        let mut far = clients(world, &server, 2);
        far[0].send(&event_loop, b"unread");
        until(&event_loop, || server.statistics().pending == 2);
        let mut peers: Vec<_> = far.iter().map(Client::local_addr).collect();
        let reports = reports(&server);
        server.drain(SHORT);
        let mut report = one(&event_loop, &reports, 2);
        peers.sort_unstable();
        report.cut_peers.sort_unstable();
        assert_eq!((report.cut, &report.cut_peers), (2, &peers), "{report:?}");
        assert_eq!(far[0].receive_all(&event_loop).1, Arrived::Reset);
        assert_eq!((server.statistics().pending, server.has_pending_connections()), (0, false));
    }
}

#[test]
fn untaken_connections_are_cut_with_a_reset() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server) = world.server();
        let mut client = world.connect(server.server_port());
        until(&event_loop, || server.has_pending_connections());
        let reports = reports(&server);
        server.drain(SHORT);
        assert_eq!(one(&event_loop, &reports, 1).cut, 1);
        assert_eq!(client.receive_all(&event_loop).1, Arrived::Reset);
    }
}

#[test]
fn untaken_sockets_that_were_added_by_hand_are_cut_and_reported() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server, socket, mut client) = world.pair();
        server.add_pending_connection(socket).unwrap();
        let reports = reports(&server);
        server.drain(SHORT);
        let report = one(&event_loop, &reports, 1);
        assert_eq!(
            (report.cut, report.cut_peers.as_slice()),
            (1, [client.local_addr()].as_slice()),
            "{report:?}"
        );
        assert_eq!(client.receive_all(&event_loop).1, Arrived::Reset);
    }
}

/// 1. One client is in the queue.
/// 2. The server drains: it is to be served.
/// 3. Before the next turn two more clients come.
#[test]
fn clients_that_come_right_after_the_call_are_not_let_in() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server) = world.server();
        greet(&server);
        server.pause_accepting();
        let mut client = world.connect(server.server_port());
        queued(&event_loop, &server, 1);
        let reports = reports(&server);
        server.drain(LONG);
        let _late = clients(&world, &server, 2);
        assert_eq!(client.receive_to_end(&event_loop), b"welcome");
        assert_eq!(one(&event_loop, &reports, 0).let_in, 1);
    }
}

#[test]
fn clients_of_the_queue_that_a_limit_refuses_are_reported_as_refused() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server, _socket, _client) = world.pair();
        server.pause_accepting();
        let _far = clients(&world, &server, 3);
        queued(&event_loop, &server, 3);
        server.set_limits(Limits::new().max_connections_per_source(0));
        let reports = reports(&server);
        server.drain(LONG);
        let report = one(&event_loop, &reports, 1);
        assert_eq!((report.let_in, report.refused), (0, 3), "{report:?}");
    }
}

#[test]
fn a_refused_client_of_the_queue_gets_the_whole_last_word() {
    for seed in 0..20 {
        let world = World::simulation(seed);
        let (event_loop, server) = world.server();
        server.set_limits(Limits::new().refusal(Refusal::last_word("closed").unwrap()));
        server.pause_accepting();
        let mut client = world.connect(server.server_port());
        server.drain_with(DrainOptions::new(LONG).leftover(Leftover::Refuse));
        assert_eq!(client.receive_to_end(&event_loop), b"closed");
    }
}
