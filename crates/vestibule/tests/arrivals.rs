//! Clients that are dead when they are accepted, or have waited too long in the kernel's queue.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, limited, refusals, take_all};
use std::thread;
use std::time::Duration;
use support::{Arrived, Client, Log, World, settle, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{EventLoop, Limits, Rate, Refusal, RefusalReason, SharedLimit, TcpServer};

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn skipping() -> Limits {
    Limits::new().skip_dead(true)
}

/// A paused server, so that clients wait in the queue.
fn paused(world: &World, limits: Limits) -> (EventLoop, TcpServer) {
    let (event_loop, server) = limited(world, limits);
    server.pause_accepting();
    (event_loop, server)
}

/// Some clients, of which these reset their connection while they wait.
fn some_reset(world: &World, server: &TcpServer, number: usize, resetting: &[usize]) -> Vec<Client> {
    let far = clients(world, server, number).into_iter().enumerate();
    let mut living = Vec::new();
    for (at, client) in far {
        if resetting.contains(&at) {
            client.reset();
        } else {
            living.push(client);
        }
    }
    living
}

fn dead(server: &TcpServer) -> u64 {
    server.statistics().refused_for(RefusalReason::Dead)
}

on_both! {
    fn nobody_sees_the_dead(world: &World) {
        let (event_loop, server) = paused(world, skipping());
        let log = Log::default();
        let words = log.clone();
        server.new_connection().connect(move |_| words.add("new"));
        let words = log.clone();
        server.pending_connection_available().connect(move |_| words.add("pending"));
        let mut living = some_reset(world, &server, 5, &[0, 2, 3]);
        server.resume_accepting();
        until(&event_loop, || dead(&server) == 3 && log.len() == 4);
        settle(&event_loop);
        assert_eq!(log.take(), "pending new pending new");
        let statistics = server.statistics();
        assert_eq!((statistics.accepted, statistics.open, statistics.most_open), (2, 2, 2));
        for client in &mut living {
            let socket = server.next_pending_connection().unwrap();
            assert_eq!(socket.peer_addr(), Some(client.local_addr()));
            socket.write(b"alive");
            assert_eq!(client.receive(&event_loop, 5), b"alive");
        }
    }

    fn without_being_told_the_server_lets_the_dead_in(world: &World) {
        let (event_loop, server) = paused(world, Limits::new());
        let _living = some_reset(world, &server, 3, &[1]);
        server.resume_accepting();
        until(&event_loop, || server.statistics().accepted == 3);
        assert_eq!(dead(&server), 0);
    }

    fn who_has_asked_and_ended_is_not_dead(world: &World) {
        let (event_loop, server) = paused(world, skipping());
        let mut client = world.connect(server.server_port());
        client.send(&event_loop, b"question");
        client.shut_down();
        let silent = world.connect(server.server_port());
        silent.shut_down();
        server.resume_accepting();
        until(&event_loop, || server.statistics().accepted == 2);
        let socket = server.next_pending_connection().unwrap();
        socket.set_half_open(true);
        until(&event_loop, || socket.bytes_available() == 8);
        socket.write(b"answer");
        socket.disconnect_from_host();
        assert_eq!((client.receive_to_end(&event_loop), dead(&server)), (b"answer".to_vec(), 0));
    }

    fn who_resets_after_it_has_asked_is_dead(world: &World) {
        let (event_loop, server) = paused(world, skipping());
        let mut client = world.connect(server.server_port());
        client.send(&event_loop, b"question");
        client.reset();
        server.resume_accepting();
        until(&event_loop, || dead(&server) == 1);
        assert_eq!(server.statistics().accepted, 0);
    }

    fn the_dead_use_up_nothing(world: &World) {
        let shared = SharedLimit::new(1);
        let limits = skipping()
            .max_connections(1)
            .shared(&shared)
            .rate(Rate::per_minute(1))
            .max_connections_per_source(1)
            .rate_per_source(Rate::per_minute(1));
        let (event_loop, server) = paused(world, limits);
        let _living = some_reset(world, &server, 40, &(0..39).collect::<Vec<_>>());
        server.resume_accepting();
        until(&event_loop, || server.has_pending_connections());
        let statistics = server.statistics();
        assert_eq!((dead(&server), statistics.refused_in_all(), statistics.most_open), (39, 39, 1));
        assert_eq!(shared.open(), 1);
    }

    fn the_dead_are_skipped_in_blocking_waits_and_by_the_hook(world: &World) {
        let (event_loop, server) = paused(world, skipping());
        let _living = some_reset(world, &server, 4, &[0, 1, 2]);
        server.resume_accepting();
        assert!(server.wait_for_new_connection(Some(support::LIMIT)).unwrap());
        assert_eq!((dead(&server), take_all(&server).len()), (3, 1));
        let log = Log::default();
        let words = log.clone();
        server.set_incoming_connection(move |_, _| words.add("hook"));
        server.pause_accepting();
        let _living = some_reset(world, &server, 3, &[0, 2]);
        server.resume_accepting();
        until(&event_loop, || dead(&server) == 5);
        assert_eq!(log.take(), "hook");
    }

    fn young_clients_are_let_in(world: &World) {
        let (event_loop, server) = limited(world, Limits::new().max_queue_age(Duration::from_secs(5)));
        let _far = clients(world, &server, 20);
        until(&event_loop, || server.statistics().accepted == 20);
        let statistics = server.statistics();
        assert_eq!((statistics.refused_in_all(), statistics.ages_measured), (0, 20));
        assert!(statistics.mean_age <= statistics.greatest_age);
        assert!(statistics.greatest_age < Duration::from_secs(5), "{:?}", statistics.greatest_age);
    }
}

#[test]
fn the_dead_are_only_counted() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server) = paused(&world, skipping());
        let told = refusals(&server);
        let _living = some_reset(&world, &server, 2, &[0]);
        server.resume_accepting();
        until(&event_loop, || server.has_pending_connections());
        assert_eq!((dead(&server), told.borrow().len()), (1, 0));
    }
}

#[test]
fn who_has_waited_longer_is_refused_and_who_has_not_is_let_in() {
    let network = SimulatedNetwork::new(3).unwrap();
    let world = World::Simulation(network.clone());
    let refusal = Refusal::last_word("!").unwrap();
    let (event_loop, server) = paused(&world, Limits::new().max_queue_age(millis(50)).refusal(refusal));
    let told = refusals(&server);
    let mut far = Vec::new();
    for _ in 0..4 {
        far.push(world.connect(server.server_port()));
        network.pass(millis(25));
    }
    server.resume_accepting(); // they have waited for 100, 75, 50 and 25 ms
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    let told: Vec<_> = told.borrow().iter().map(|client| (client.peer, client.reason)).collect();
    assert_eq!(told, [0, 1].map(|at| (far[at].local_addr(), RefusalReason::TooOld)));
    let peers: Vec<_> = take_all(&server).iter().map(|socket| socket.peer_addr().unwrap()).collect();
    assert_eq!(peers, [far[2].local_addr(), far[3].local_addr()]);
    assert_eq!(far[0].receive_to_end(&event_loop), b"!");
    let statistics = server.statistics();
    assert_eq!((statistics.refused_for(RefusalReason::TooOld), statistics.accepted), (2, 2));
    assert_eq!((statistics.ages_measured, statistics.greatest_age), (4, millis(100)));
    assert_eq!(statistics.mean_age, Duration::from_micros(62_500));
}

#[test]
fn on_the_system_who_has_waited_longer_is_refused() {
    let (event_loop, server) = paused(&World::Os, Limits::new().max_queue_age(millis(100)));
    let mut old = World::Os.connect(server.server_port());
    let mut talking = World::Os.connect(server.server_port());
    talking.send(&event_loop, b"first");
    thread::sleep(millis(160));
    talking.send(&event_loop, b"what is said later changes nothing");
    let mut young = World::Os.connect(server.server_port());
    server.resume_accepting();
    until(&event_loop, || server.has_pending_connections());
    let socket = server.next_pending_connection().unwrap();
    assert_eq!(socket.peer_addr(), Some(young.local_addr()));
    assert_eq!(old.receive_to_end(&event_loop), b"");
    assert!(matches!(talking.receive_all(&event_loop).1, Arrived::End | Arrived::Reset));
    let statistics = server.statistics();
    assert_eq!((statistics.refused_for(RefusalReason::TooOld), statistics.ages_measured), (2, 3));
    let (greatest, mean) = (statistics.greatest_age, statistics.mean_age);
    assert!(greatest >= millis(140) && greatest < millis(5000), "{greatest:?}");
    assert!(mean >= millis(80) && mean <= greatest, "{mean:?}");
    socket.write(b"welcome");
    assert_eq!(young.receive(&event_loop, 7), b"welcome");
}

#[test]
fn without_a_limit_the_age_of_one_in_64_is_measured() {
    let world = World::simulation(6);
    let World::Simulation(network) = &world else { return };
    let (event_loop, server) = paused(&world, Limits::new());
    server.set_max_pending_connections(1000);
    let _far = clients(&world, &server, 640);
    network.pass(millis(70));
    server.resume_accepting();
    until(&event_loop, || server.statistics().accepted == 640);
    let statistics = server.statistics();
    assert_eq!((statistics.ages_measured, statistics.refused_in_all()), (10, 0));
    assert!(statistics.mean_age >= millis(70) && statistics.greatest_age < millis(71));
}
