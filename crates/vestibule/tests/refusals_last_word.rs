//! The last word of a server to a client that it refuses: it really arrives, whole, and then the end.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, limited};
use std::time::Duration;
use support::{Arrived, Client, World, settle, until};
use vestibule::{EventLoop, Limits, OverLimit, Refusal, SocketError, TcpServer};

/// A server that lets nobody in, and says this.
fn saying(world: &World, word: &[u8]) -> (EventLoop, TcpServer) {
    let refusal = OverLimit::Refuse(Refusal::last_word(word).unwrap());
    limited(world, Limits::new().max_connections(0).over_limit(refusal))
}

fn refused(server: &TcpServer) -> u64 {
    server.statistics().refused_in_all()
}

fn longest_word() -> Vec<u8> {
    (0..Refusal::LONGEST_WORD).map(|at| at.to_le_bytes()[0]).collect()
}

/// How many of these the server still listens to: the others hear that it does not.
fn listened_to(event_loop: &EventLoop, far: &mut [Client]) -> usize {
    for client in &mut *far {
        let _ = client.try_send(b"a");
    }
    settle(event_loop);
    far.iter_mut().filter_map(|client| client.try_send(b"b").ok()).sum()
}

#[test]
fn a_last_word_has_at_most_1024_bytes() {
    let error = Refusal::last_word([0; 1025]).unwrap_err();
    assert_eq!(error.kind(), SocketError::UnsupportedSocketOperation);
    let Refusal::LastWord(word) = Refusal::last_word([7; 1024]).unwrap() else { panic!("another refusal") };
    assert_eq!(word.as_bytes(), [7; 1024]);
    assert_eq!(Refusal::LONGEST_WORD, 1024);
}

#[test]
fn the_longest_word_arrives_on_the_system() {
    let word = longest_word();
    let (event_loop, server) = saying(&World::Os, &word);
    for mut client in clients(&World::Os, &server, 20) {
        assert_eq!(client.receive_to_end(&event_loop), word);
    }
    assert_eq!(refused(&server), 20);
}

#[test]
fn the_longest_word_arrives_on_the_simulation() {
    for seed in 0..20 {
        let (word, world) = (longest_word(), World::simulation(seed));
        let (event_loop, server) = saying(&world, &word);
        for mut client in clients(&world, &server, 4) {
            let got = client.receive_to_end(&event_loop);
            assert!(got == word, "seed {seed}: {} bytes", got.len());
        }
    }
}

#[test]
fn the_last_word_is_whole_whatever_one_send_takes() {
    let world = World::simulation(1);
    let World::Simulation(network) = &world else { return };
    network.set_longest_send(Some(5));
    let (event_loop, server) = saying(&world, b"421 come back later");
    let mut client = world.connect(server.server_port());
    assert_eq!(client.receive_to_end(&event_loop), b"421 come back later");
}

#[test]
fn it_arrives_though_100_kib_of_the_client_are_unread() {
    let word = longest_word();
    let (event_loop, server) = saying(&World::Os, &word);
    server.pause_accepting();
    for _ in 0..5 {
        let mut client = World::Os.connect(server.server_port());
        client.send(&event_loop, &vec![1; 100 << 10]);
        server.resume_accepting();
        until(&event_loop, || refused(&server) > 0);
        settle(&event_loop);
        assert_eq!(client.receive_to_end(&event_loop), word);
        server.pause_accepting();
    }
}

on_both! {
    fn it_arrives_though_the_client_has_sent_something(world: &World) {
        let (event_loop, server) = saying(world, b"!");
        server.pause_accepting();
        let mut far = clients(world, &server, 5);
        for client in &mut far {
            client.send(&event_loop, b"GET / HTTP/1.1\r\n\r\n");
        }
        server.resume_accepting();
        until(&event_loop, || refused(&server) == 5);
        settle(&event_loop);
        for client in &mut far {
            assert_eq!(client.receive_to_end(&event_loop), b"!");
        }
    }

    fn it_arrives_though_the_client_goes_on_sending(world: &World) {
        let (event_loop, server) = saying(world, b"!");
        let mut client = world.connect(server.server_port());
        until(&event_loop, || refused(&server) == 1);
        for _ in 0..20 {
            client.send(&event_loop, &[1; 10_000]);
            settle(&event_loop);
        }
        assert_eq!(client.receive_to_end(&event_loop), b"!");
        client.shut_down();
        assert_eq!(event_loop.finish(support::LIMIT).unwrap(), 0);
    }

    fn it_arrives_though_the_client_has_ended(world: &World) {
        let (event_loop, server) = saying(world, b"!");
        server.pause_accepting();
        let mut client = world.connect(server.server_port());
        client.send(&event_loop, b"question");
        client.shut_down();
        server.resume_accepting();
        assert_eq!(client.receive_to_end(&event_loop), b"!");
        assert_eq!(event_loop.finish(support::LIMIT).unwrap(), 0);
    }

    fn who_waits_for_its_last_word_holds_no_place(world: &World) {
        let refusal = OverLimit::Refuse(Refusal::last_word("!").unwrap());
        let (event_loop, server) = limited(world, Limits::new().max_connections(1).over_limit(refusal));
        let _first = world.connect(server.server_port());
        until(&event_loop, || server.has_pending_connections());
        let _refused = clients(world, &server, 3);
        until(&event_loop, || refused(&server) == 3);
        assert_eq!((server.statistics().open, server.statistics().most_open), (1, 1));
        drop(server.next_pending_connection());
        let _second = world.connect(server.server_port());
        until(&event_loop, || server.statistics().accepted == 2);
    }

    fn at_most_64_are_waited_for_and_the_rest_is_closed(world: &World) {
        let (event_loop, server) = saying(world, b"!");
        server.set_max_pending_connections(1000);
        let mut far = clients(world, &server, 90);
        until(&event_loop, || refused(&server) == 90);
        assert_eq!(listened_to(&event_loop, &mut far), 64);
        far.clear();
        assert_eq!(event_loop.finish(support::LIMIT).unwrap(), 0);
        let mut again = clients(world, &server, 70);
        until(&event_loop, || refused(&server) == 160);
        assert_eq!(listened_to(&event_loop, &mut again), 64, "all are free again");
        for client in &mut again[..64] {
            assert_eq!(client.receive_to_end(&event_loop), b"!");
        }
    }

    fn also_beyond_64_a_client_that_is_silent_gets_the_word(world: &World) {
        let (event_loop, server) = saying(world, b"!");
        let mut far = clients(world, &server, 90);
        until(&event_loop, || refused(&server) == 90);
        for client in &mut far {
            assert_eq!(client.receive_to_end(&event_loop), b"!");
        }
    }

    fn a_client_that_never_ends_is_waited_for_no_longer_than_the_linger_limits(world: &World) {
        let (event_loop, server) = saying(world, b"!");
        event_loop.set_linger_limits(Duration::from_millis(100), 1 << 20);
        let mut far = clients(world, &server, 64);
        until(&event_loop, || refused(&server) == 64);
        until(&event_loop, || event_loop.finish(Duration::ZERO).unwrap() == 0);
        for client in &mut far {
            assert_eq!(client.receive_to_end(&event_loop), b"!");
        }
        let mut again = clients(world, &server, 64);
        until(&event_loop, || refused(&server) == 128);
        assert_eq!(listened_to(&event_loop, &mut again), 64);
    }

    fn a_client_that_sends_too_much_is_cut_at_the_linger_limits(world: &World) {
        let (event_loop, server) = saying(world, b"!");
        event_loop.set_linger_limits(Duration::from_secs(20), 50_000);
        let mut client = world.connect(server.server_port());
        until(&event_loop, || refused(&server) == 1);
        let mut sent = 0;
        while let Ok(number) = client.try_send(&[1; 10_000]) {
            sent += number;
            assert!(sent < 20_000_000, "for ever");
            event_loop.process_events(Some(Duration::from_millis(5))).unwrap();
        }
        assert_eq!(event_loop.finish(Duration::ZERO).unwrap(), 0);
    }

    fn a_client_that_resets_is_forgotten(world: &World) {
        let (event_loop, server) = saying(world, b"!");
        let client = world.connect(server.server_port());
        until(&event_loop, || refused(&server) == 1);
        client.reset();
        assert_eq!(event_loop.finish(support::LIMIT).unwrap(), 0);
        let client = world.connect(server.server_port());
        client.reset();
        until(&event_loop, || refused(&server) == 2);
        assert_eq!(event_loop.finish(support::LIMIT).unwrap(), 0);
    }

    fn a_wait_listens_to_those_that_wait_for_their_last_word(world: &World) {
        let (event_loop, server) = saying(world, b"!");
        let mut client = world.connect(server.server_port());
        assert!(!server.wait_for_new_connection(Some(Duration::from_millis(10))).unwrap());
        for _ in 0..10 {
            assert_eq!(client.try_send(&[1; 10_000]).unwrap(), 10_000);
            assert!(!server.wait_for_new_connection(Some(Duration::from_millis(10))).unwrap());
        }
        assert_eq!(client.look(), Arrived::Bytes(b"!".to_vec()));
        assert_eq!(client.look(), Arrived::End);
        client.shut_down();
        assert!(!server.wait_for_new_connection(Some(Duration::from_millis(10))).unwrap());
        assert_eq!(event_loop.finish(Duration::ZERO).unwrap(), 0);
    }
}

#[test]
fn it_takes_the_time_of_the_network_and_arrives() {
    for seed in 0..8 {
        let world = World::simulation(seed);
        let World::Simulation(network) = &world else { return };
        network.set_latency(Duration::from_millis(300));
        let (event_loop, server) = saying(&world, b"!");
        let mut client = world.connect(server.server_port());
        client.send(&event_loop, b"under way");
        assert_eq!(client.receive_to_end(&event_loop), b"!");
    }
}
