//! What a server counts, and that it tells all of it as it was at one moment.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, limited, take_all};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use support::{World, next, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{
    HostAddress, Limits, OverLimit, Refusal, RefusalReason, ServerState, Statistics, TcpServer, TcpSocket,
};

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

on_both! {
    fn a_fresh_server_has_counted_nothing(world: &World) {
        let (_event_loop, server) = world.server();
        assert_eq!(server.statistics(), Statistics::default());
        assert_eq!(server.handle().statistics(), Statistics::default());
        let line = "accepted 0, open 0 (most 0), pending 0, refused 0, received 0 B, sent 0 B";
        assert_eq!(server.statistics().to_string(), line);
    }

    fn connections_are_counted_while_they_come_and_go(world: &World) {
        let (event_loop, server) = world.server();
        let counts = || {
            let Statistics { accepted, open, most_open, pending, .. } = server.statistics();
            [accepted, open, most_open, pending]
        };
        let mut far = clients(world, &server, 3);
        until(&event_loop, || server.statistics().pending == 3);
        assert_eq!(counts(), [3, 3, 3, 3]);
        let taken = server.next_pending_connection().unwrap();
        assert_eq!(counts(), [3, 3, 3, 2]);
        server.add_pending_connection(taken).unwrap();
        assert_eq!(counts(), [3, 3, 3, 3]);
        let mut sockets = take_all(&server);
        assert_eq!(counts(), [3, 3, 3, 0]);
        sockets.remove(0).abort();
        assert_eq!(counts(), [3, 2, 3, 0]);
        far.remove(2).reset();
        until(&event_loop, || server.statistics().open == 1);
        far.extend(clients(world, &server, 1));
        until(&event_loop, || server.has_pending_connections());
        assert_eq!(counts(), [4, 2, 3, 1]);
        server.close();
        assert_eq!(counts(), [4, 1, 3, 0]);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        assert_eq!(counts(), [4, 1, 3, 0], "since it was made, and not since it listens");
    }

    fn slots_find_their_connection_counted(world: &World) {
        let (event_loop, server) = world.server();
        server.pending_connection_available().connect(|server| {
            let Statistics { accepted, open, most_open, pending, .. } = server.statistics();
            assert!(accepted >= 1 && open == accepted && most_open == accepted && pending == accepted);
        });
        let _far = clients(world, &server, 5);
        until(&event_loop, || server.statistics().accepted == 5);
    }

    fn bytes_are_counted_exactly(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        client.send(&event_loop, &vec![1; 100_000]);
        until(&event_loop, || socket.bytes_available() == 100_000);
        socket.write(&vec![2; 70_000]);
        client.receive(&event_loop, 70_000);
        let mut other = world.connect(server.server_port());
        let second = next(&event_loop, &server);
        other.send(&event_loop, b"12345");
        until(&event_loop, || second.bytes_available() == 5);
        assert_eq!((server.statistics().received, server.statistics().sent), (100_005, 70_000));
        let line = server.statistics().to_string();
        assert!(line.ends_with(", received 100005 B, sent 70000 B"), "{line}");
        drop((socket, second));
        assert_eq!((server.statistics().received, server.statistics().sent), (100_005, 70_000));
    }

    fn bytes_of_other_sockets_are_not_the_servers(world: &World) {
        let (event_loop, server) = world.server();
        let socket = TcpSocket::new(&event_loop);
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        let accepted = next(&event_loop, &server);
        until(&event_loop, || socket.state().to_string() == "connected");
        socket.write(b"to the server");
        until(&event_loop, || accepted.bytes_available() == 13);
        assert_eq!((server.statistics().received, server.statistics().sent), (13, 0));
    }

    fn batches_are_counted_by_their_size(world: &World) {
        let (event_loop, server) = world.server();
        server.set_max_pending_connections(1000);
        let mut expected = [0; 5];
        for (number, size) in [(1, 0), (2, 1), (3, 1), (4, 2), (7, 2), (8, 3), (15, 3), (16, 4)] {
            server.pause_accepting();
            let _far = clients(world, &server, number);
            let before = server.statistics().accepted;
            server.resume_accepting();
            until(&event_loop, || server.statistics().accepted == before + number as u64);
            expected[size] += 1;
            assert_eq!(server.statistics().batches, expected, "{number} clients");
        }
        let _far = clients(world, &server, 40);
        until(&event_loop, || server.statistics().pending == 96);
        assert_eq!(server.statistics().batches, [1, 2, 2, 3, 3], "16 and 16 and 8");
    }

    fn contained_panics_of_slots_and_hooks_are_counted(world: &World) {
        let (event_loop, server) = world.server();
        event_loop.contain_panics(true);
        server.new_connection().connect(|_| panic!("new"));
        let _first = world.connect(server.server_port());
        until(&event_loop, || server.has_pending_connections());
        assert_eq!(server.statistics().panics, 1);
        server.set_incoming_connection(|_, _| panic!("hook"));
        let mut second = world.connect(server.server_port());
        assert_eq!(second.receive_to_end(&event_loop), b"");
        assert!(server.statistics().panics >= 2);
        let statistics = server.statistics();
        assert_eq!((statistics.open, event_loop.contained_panics()), (1, statistics.panics));
        assert!(server.statistics().to_string().contains(", panics "), "{}", server.statistics());
    }

    fn refusals_are_counted_by_reason_and_shown(world: &World) {
        let over = OverLimit::Refuse(Refusal::Close);
        let (event_loop, server) = limited(world, Limits::new().max_connections(1).over_limit(over));
        let _far = clients(world, &server, 3);
        until(&event_loop, || server.statistics().refused_in_all() == 2);
        server.set_limits(Limits::new().max_connections_per_source(0));
        let _more = clients(world, &server, 1);
        until(&event_loop, || server.statistics().refused_in_all() == 3);
        let statistics = server.statistics();
        let numbers = RefusalReason::ALL.map(|reason| statistics.refused_for(reason));
        assert_eq!((numbers, statistics.refused), ([2, 0, 0, 1, 0, 0, 0, 0, 0], numbers));
        let line = "accepted 1, open 1 (most 1), pending 1, refused 3 (connections 2, source 1), \
                    received 0 B, sent 0 B";
        assert_eq!(statistics.to_string(), line);
    }

    fn the_queue_of_the_kernel_is_told_while_the_server_listens(world: &World) {
        let event_loop = world.event_loop();
        let server = TcpServer::new(&event_loop);
        assert!(server.kernel_queue().is_none());
        server.set_listen_backlog_size(7);
        server.pause_accepting();
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        let queue = server.kernel_queue().unwrap();
        assert_eq!((queue.depth, queue.limit), (0, 7));
        let _far = clients(world, &server, 5);
        let queue = server.kernel_queue().unwrap();
        assert_eq!((queue.depth, queue.limit), (5, 7));
        server.set_limits(Limits::new().max_connections(2));
        server.resume_accepting();
        until(&event_loop, || server.statistics().accepted == 2);
        assert_eq!(server.kernel_queue().unwrap().depth, 3);
        server.close();
        assert!(server.kernel_queue().is_none());
    }
}

#[test]
fn a_batch_within_a_batch_is_counted_once() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server) = world.server();
        server.pause_accepting();
        server.new_connection().connect(|server| {
            let socket = server.next_pending_connection();
            server.wait_for_new_connection(Some(Duration::ZERO)).unwrap();
            drop(socket);
        });
        let _far = clients(&world, &server, 2);
        server.resume_accepting();
        until(&event_loop, || server.statistics().accepted == 2);
        settle(&event_loop);
        let batches = server.statistics().batches;
        assert!(batches == [2, 0, 0, 0, 0] || batches == [0, 1, 0, 0, 0], "{batches:?} for two clients");
    }
}

#[test]
fn the_system_tells_how_often_queues_were_full() {
    let (_event_loop, server) = World::Os.server();
    let queue = server.kernel_queue().unwrap();
    assert!(queue.overflows.is_some() && queue.limit > 7);
    let handle = server.handle();
    let asked = thread::spawn(move || handle.kernel_queue().wait(Some(support::LIMIT)).unwrap());
    until(&server.event_loop(), || asked.is_finished());
    assert_eq!(asked.join().unwrap().unwrap().limit, queue.limit);
}

#[test]
fn failed_accepts_are_counted_by_class() {
    let network = SimulatedNetwork::new(1).unwrap();
    let (event_loop, server) = limited(&World::Simulation(network.clone()), Limits::new());
    for (nth, errno) in [(1, 103), (2, 24), (3, 12), (4, 71), (5, 5), (7, 22)] {
        network.fail_accept(nth, errno);
    }
    let _far = clients(&World::Simulation(network.clone()), &server, 4);
    until(&event_loop, || !server.is_listening());
    let statistics = server.statistics();
    let errors = statistics.errors;
    assert_eq!([errors.connection, errors.resources, errors.broken, errors.unknown], [2, 2, 1, 1]);
    assert_eq!(statistics.accepted, 1);
    assert!(statistics.to_string().contains(", accept errors 6, out of resources 1 times"), "{statistics}");
}

#[test]
fn episodes_and_the_time_they_take_are_counted() {
    let network = SimulatedNetwork::new(1).unwrap();
    let world = World::Simulation(network.clone());
    let (event_loop, server) = limited(&world, Limits::new());
    network.pass(millis(500));
    network.set_descriptors(Some(1));
    let _far = clients(&world, &server, 2);
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    assert_eq!(server.state(), ServerState::Exhausted);
    let (statistics, began) = (server.statistics(), network.elapsed());
    assert_eq!((statistics.episodes, statistics.exhausted), (1, Duration::ZERO));
    while network.elapsed() < began + millis(2000) {
        event_loop.process_events(Some(millis(100))).unwrap();
        let statistics = server.statistics();
        assert_eq!((statistics.episodes, statistics.exhausted), (1, network.elapsed().saturating_sub(began)));
    }
    let socket = server.next_pending_connection().unwrap();
    drop(socket);
    until(&event_loop, || server.statistics().accepted == 2);
    let lasted = network.elapsed().saturating_sub(began);
    network.pass(millis(700));
    assert_eq!((server.statistics().episodes, server.statistics().exhausted), (1, lasted));
    let _third = world.connect(server.server_port());
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    network.pass(millis(30));
    assert_eq!((server.statistics().episodes, server.statistics().exhausted), (2, lasted + millis(30)));
    server.close();
    network.pass(millis(30));
    assert_eq!(server.statistics().exhausted, lasted + millis(30), "closed, it lacks nothing");
    let words = format!(", out of resources 2 times for {} ms", (lasted + millis(30)).as_millis());
    assert!(server.statistics().to_string().contains(&words), "{}", server.statistics());
}

/// Another thread takes snapshots as fast as it can, while a server lets in, takes, and ends.
fn watched(looks_right: fn(&Statistics) -> bool, keep: usize) {
    let world = World::simulation(1);
    let (event_loop, server) = world.server();
    server.set_max_pending_connections(1 << 20);
    let (handle, over) = (server.handle(), Arc::new(AtomicBool::new(false)));
    let done = Arc::clone(&over);
    let watcher = thread::spawn(move || {
        while !done.load(Ordering::Relaxed) {
            let statistics = handle.statistics();
            if !looks_right(&statistics) {
                return Some(statistics);
            }
        }
        None
    });
    let mut open = Vec::new();
    while server.statistics().accepted < 20_000 && !watcher.is_finished() {
        let far = clients(&world, &server, 16);
        let before = server.statistics().accepted;
        until(&event_loop, || server.statistics().accepted == before + 16);
        open.extend(take_all(&server).into_iter().zip(far));
        open.drain(..open.len().saturating_sub(keep));
    }
    over.store(true, Ordering::Relaxed);
    let wrong = watcher.join().unwrap();
    assert_eq!(wrong, None);
}

#[test]
fn a_snapshot_of_another_thread_is_of_one_moment() {
    let measured = |it: &Statistics| it.ages_measured <= it.accepted + 1 && it.mean_age <= it.greatest_age;
    let pending = |it: &Statistics| it.pending <= it.accepted && it.most_open <= it.accepted;
    watched(measured, 100);
    watched(pending, 100);
}

#[test]
fn no_snapshot_shows_more_open_than_were_let_in() {
    watched(|it| it.open <= it.accepted, usize::MAX);
    watched(|it| it.open <= it.most_open, usize::MAX);
}

#[test]
fn a_handle_counts_on_when_the_server_is_gone() {
    let (event_loop, server, socket, _client) = World::Os.pair();
    let handle = server.handle();
    drop((server, event_loop));
    assert_eq!((handle.statistics().accepted, handle.statistics().open), (1, 1));
    drop(socket);
    assert_eq!(handle.statistics().open, 0);
}
