//! Limits in blocking waits and under a host: as exact there, and a place that is free is given away.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, limited};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, LIMIT, World, next};
use vestibule::{EventLoop, HostAddress, Limits, Rate, SharedLimit, SocketError, TcpServer, TcpSocket};

fn at_most(number: usize) -> Limits {
    Limits::new().max_connections(number)
}

fn open(server: &TcpServer) -> (u64, u64) {
    let statistics = server.statistics();
    (statistics.open, statistics.most_open)
}

fn lets_in(world: &World, server: &TcpServer) -> (TcpSocket, Client) {
    let client = world.connect(server.server_port());
    (next(&server.event_loop(), server), client)
}

fn worlds() -> [World; 2] {
    [World::Os, World::simulation(1)]
}

on_both! {
    fn the_limit_holds_in_blocking_waits(world: &World) {
        let (_event_loop, server) = limited(world, at_most(1));
        let _far = clients(world, &server, 3);
        for _ in 0..3 {
            assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
            let socket = server.next_pending_connection().unwrap();
            assert!(!server.wait_for_new_connection(Some(Duration::from_millis(5))).unwrap());
            assert_eq!((server.server_error(), open(&server)), (SocketError::SocketTimeout, (1, 1)));
            drop(socket);
        }
        assert_eq!(server.statistics().accepted, 3);
    }

    fn a_blocking_wait_lets_the_next_in_when_a_lingering_connection_is_over(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        let (socket, mut client) = lets_in(world, &server);
        client.send(&event_loop, b"nobody reads this");
        drop(socket);
        let _second = world.connect(server.server_port());
        assert!(!server.wait_for_new_connection(Some(Duration::from_millis(5))).unwrap());
        client.shut_down();
        let begun = Instant::now();
        assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(open(&server), (1, 1));
    }

    fn a_free_place_of_a_shared_limit_is_given_away_in_a_wait(world: &World) {
        let shared = SharedLimit::new(1);
        let (event_loop, server) = limited(world, Limits::new().shared(&shared));
        let other = TcpServer::new(&event_loop);
        other.set_limits(Limits::new().shared(&shared));
        other.listen(HostAddress::LOCALHOST, 0).unwrap();
        let (socket, _far) = lets_in(world, &other);
        let _client = world.connect(server.server_port());
        assert!(!server.wait_for_new_connection(Some(Duration::from_millis(5))).unwrap());
        drop(socket);
        assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
        assert_eq!((shared.open(), server.statistics().open, other.statistics().open), (1, 1, 0));
    }
}

#[test]
fn a_blocking_wait_lets_the_next_in_when_a_connection_has_lingered_its_time() {
    for world in &worlds() {
        let (event_loop, server) = limited(world, at_most(1));
        event_loop.set_linger_limits(Duration::from_millis(100), 1 << 20);
        let (socket, mut client) = lets_in(world, &server);
        client.send(&event_loop, b"nobody reads this");
        drop(socket);
        let _second = world.connect(server.server_port());
        assert!(server.wait_for_new_connection(Some(Duration::from_secs(2))).unwrap());
        assert_eq!(open(&server), (1, 1));
    }
}

#[test]
fn a_blocking_wait_lets_the_next_in_when_what_was_written_has_left() {
    for world in &worlds() {
        let (event_loop, server) = limited(world, at_most(1));
        let (socket, mut client) = lets_in(world, &server);
        let _second = world.connect(server.server_port());
        socket.write(b"all");
        socket.disconnect_from_host();
        assert!(server.wait_for_new_connection(Some(Duration::from_secs(2))).unwrap());
        assert_eq!((client.receive_to_end(&event_loop), open(&server)), (b"all".to_vec(), (1, 1)));
    }
}

#[test]
fn a_wait_of_a_standalone_server_is_woken_by_a_shared_limit_that_is_raised_elsewhere() {
    let shared = SharedLimit::new(0);
    let server = TcpServer::standalone().unwrap();
    server.set_limits(Limits::new().shared(&shared));
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    let _client = World::Os.connect(server.server_port());
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        shared.set_limit(1);
    });
    let begun = Instant::now();
    assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
    assert!(begun.elapsed() < LIMIT / 2);
    other.join().unwrap();
}

/// Whether a host would have the loop take a turn now, or when it has waited as long as the loop says.
fn calls_for_turn(event_loop: &EventLoop, most: Duration) -> bool {
    let descriptor = event_loop.as_fd();
    let deadline = event_loop.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
    let timeout = Timespec::try_from(deadline.map_or(most, |deadline| deadline.min(most))).unwrap();
    let number = poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&timeout)).unwrap();
    number > 0 || deadline.is_some_and(|deadline| deadline <= most)
}

/// Takes the turns that a host would take, until this holds.
fn under_a_host(event_loop: &EventLoop, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT && calls_for_turn(event_loop, LIMIT), "nothing calls for a turn");
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
    }
}

fn is_at_rest(event_loop: &EventLoop) {
    for _ in 0..100 {
        if !calls_for_turn(event_loop, Duration::from_millis(5)) {
            return;
        }
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
    }
    panic!("it calls for turns without need");
}

#[test]
fn a_host_is_called_when_a_place_comes_free_here_or_in_another_thread() {
    let (event_loop, server) = limited(&World::Os, at_most(1));
    let _far = clients(&World::Os, &server, 4);
    under_a_host(&event_loop, || server.has_pending_connections());
    let socket = server.next_pending_connection().unwrap();
    is_at_rest(&event_loop);
    drop(socket);
    under_a_host(&event_loop, || server.has_pending_connections());
    is_at_rest(&event_loop);
    server.set_limits(at_most(2));
    under_a_host(&event_loop, || server.statistics().pending == 2);
    is_at_rest(&event_loop);
    let stream = server.next_pending_connection().unwrap();
    server.set_limits(at_most(0));
    let shared = SharedLimit::new(0);
    server.set_limits(Limits::new().shared(&shared));
    is_at_rest(&event_loop);
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        shared.set_limit(1);
    });
    under_a_host(&event_loop, || server.statistics().accepted == 4);
    other.join().unwrap();
    drop(stream);
}

#[test]
fn a_host_is_called_when_the_rate_lets_the_next_in() {
    let limits = Limits::new().rate(Rate::per_second(20).burst(1));
    let (event_loop, server) = limited(&World::Os, limits);
    let begun = Instant::now();
    let _far = clients(&World::Os, &server, 4);
    under_a_host(&event_loop, || server.statistics().accepted == 4);
    assert!(begun.elapsed() >= Duration::from_millis(150) && begun.elapsed() < LIMIT / 2);
}
