//! The descriptor in reserve, when the process really has none left. One test: the limit is the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{limited, refusals};
use rustix::net::{AddressFamily, SocketType, connect, socket};
use std::fs::File;
use std::time::{Duration, Instant};
use support::descriptors::Shortage;
use support::{Client, World, until};
use vestibule::{EventLoop, HostAddress, Limits, Refusal, RefusalReason, ServerState, TcpServer};

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn reserving(refusal: Refusal) -> Limits {
    Limits::new().reserve_descriptor(true).refusal(refusal)
}

fn refused(server: &TcpServer) -> u64 {
    let statistics = server.statistics();
    assert_eq!(statistics.refused_in_all(), statistics.refused_for(RefusalReason::NoDescriptors));
    statistics.refused_in_all()
}

fn waiting(server: &TcpServer, number: usize) -> Vec<Client> {
    (0..number).map(|_| World::Os.connect(server.server_port())).collect()
}

fn who_waits_is_answered_from_the_reserve_and_the_next_are_served() {
    let (event_loop, server) = limited(&World::Os, reserving(Refusal::last_word("no room\n").unwrap()));
    let told = refusals(&server);
    let mut far = waiting(&server, 30);
    for client in &mut far[..10] {
        client.send(&event_loop, b"GET / HTTP/1.1\r\n\r\n");
    }
    let much = vec![1; 100 << 10];
    while far[10].try_send(&much).unwrap() > 0 {}
    let shortage = Shortage::but(0);
    until(&event_loop, || refused(&server) == 30);
    assert_eq!(server.state(), ServerState::Exhausted);
    let statistics = server.statistics();
    assert_eq!((statistics.accepted, statistics.open, statistics.episodes), (0, 0, 1));
    for client in &mut far {
        assert_eq!(client.receive_to_end(&event_loop), b"no room\n");
        let peer = client.local_addr();
        assert!(told.borrow().iter().any(|it| it.peer == peer && it.reason == RefusalReason::NoDescriptors));
    }
    assert!(File::open("/dev/null").is_err(), "the reserve is kept, not freed");
    drop(shortage);
    let mut next = World::Os.connect(server.server_port());
    until(&event_loop, || server.has_pending_connections());
    let socket = server.next_pending_connection().unwrap();
    socket.write(b"welcome");
    assert_eq!(next.receive(&event_loop, 7), b"welcome");
    until(&event_loop, || server.state() == ServerState::Listening);
    assert_eq!((refused(&server), told.borrow().len()), (30, 30));
}

fn the_reserve_is_there_again_for_the_next_shortage() {
    let (event_loop, server) = limited(&World::Os, reserving(Refusal::Close));
    for round in 1..=3 {
        let mut client = World::Os.connect(server.server_port());
        let shortage = Shortage::but(0);
        until(&event_loop, || refused(&server) == round);
        drop(shortage);
        assert_eq!(client.receive_to_end(&event_loop), b"");
        let _served = World::Os.connect(server.server_port());
        until(&event_loop, || server.has_pending_connections());
        drop(server.next_pending_connection());
    }
    assert_eq!(server.statistics().episodes, 3);
}

/// Steps: 1. No descriptor is left, and a client is refused from the reserve. 2. A connection ends, and the next client takes its
/// descriptor, the only one: that ends the episode. 3. The client after that is refused from the reserve, which is still there.
fn the_reserve_outlasts_a_recovery_that_leaves_no_descriptor() {
    let (event_loop, server) = limited(&World::Os, reserving(Refusal::Close));
    let address = server.local_addr().unwrap();
    let _client = World::Os.connect(server.server_port());
    until(&event_loop, || server.has_pending_connections());
    let first = server.next_pending_connection().unwrap();
    // They need no descriptor later.
    let later = [(); 2].map(|()| socket(AddressFamily::INET, SocketType::STREAM, None).unwrap());
    let _refused = World::Os.connect(server.server_port());
    let shortage = Shortage::but(0);
    until(&event_loop, || refused(&server) == 1);
    first.abort();
    connect(&later[0], &address).unwrap();
    until(&event_loop, || server.has_pending_connections());
    connect(&later[1], &address).unwrap();
    until(&event_loop, || refused(&server) == 2);
    drop(shortage);
}

fn without_a_reserve_they_wait() {
    let (event_loop, server) = limited(&World::Os, Limits::new());
    let mut far = waiting(&server, 3);
    let shortage = Shortage::but(0);
    until(&event_loop, || server.state() == ServerState::Exhausted);
    let end = Instant::now() + Duration::from_millis(60);
    while Instant::now() < end {
        event_loop.process_events(Some(Duration::from_millis(10))).unwrap();
    }
    assert_eq!(refused(&server), 0);
    drop(shortage);
    until(&event_loop, || server.statistics().accepted == 3);
    drop(server);
    for client in &mut far {
        assert_eq!(client.receive_to_end(&event_loop), b"");
    }
}

fn a_blocking_wait_answers_from_the_reserve() {
    let server = TcpServer::standalone().unwrap();
    server.set_limits(reserving(Refusal::last_word("no room\n").unwrap()));
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    let far = waiting(&server, 20);
    let shortage = Shortage::but(0);
    assert!(!server.wait_for_new_connection(Some(Duration::from_millis(300))).unwrap());
    assert_eq!(refused(&server), 20);
    drop(shortage);
    let event_loop = EventLoop::new().unwrap();
    for mut client in far {
        assert_eq!(client.receive_to_end(&event_loop), b"no room\n");
    }
}

fn the_reserve_is_one_descriptor_and_is_given_up_when_it_is_not_wanted() {
    let (_event_loop, server) = limited(&World::Os, Limits::new());
    let before = open_descriptors();
    server.set_limits(reserving(Refusal::Close));
    assert_eq!(open_descriptors(), before + 1);
    server.set_limits(reserving(Refusal::Reset));
    assert_eq!(open_descriptors(), before + 1);
    server.set_limits(Limits::new());
    assert_eq!(open_descriptors(), before);
    server.close();
    server.set_limits(reserving(Refusal::Close));
    assert_eq!(open_descriptors(), before - 1, "it does not listen");
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    assert_eq!(open_descriptors(), before + 1);
    drop(server);
    assert_eq!(open_descriptors(), before - 1, "neither the reserve nor the listener");
}

#[test]
fn reserve() {
    let before = open_descriptors();
    who_waits_is_answered_from_the_reserve_and_the_next_are_served();
    the_reserve_is_there_again_for_the_next_shortage();
    the_reserve_outlasts_a_recovery_that_leaves_no_descriptor();
    without_a_reserve_they_wait();
    a_blocking_wait_answers_from_the_reserve();
    the_reserve_is_one_descriptor_and_is_given_up_when_it_is_not_wanted();
    assert_eq!(open_descriptors(), before);
}
