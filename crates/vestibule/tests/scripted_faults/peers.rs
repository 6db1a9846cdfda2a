//! Peers that stall, reset and leave.

use super::{NOW, PORT, Scene, pattern, times};
use std::time::Duration;
use vestibule::{EndReason, Limits, OverLimit, Refusal, SocketState, Timeouts};

/// What the network holds for a peer that does not read.
const WINDOW: usize = 64 << 10;

#[test]
fn a_peer_that_stalls_gets_a_window_and_no_more_until_it_reads() {
    for seed in 0..4 {
        let scene = Scene::new(seed);
        scene.socket.write(&pattern(0, 300_000));
        for _ in 0..100 {
            scene.event_loop.process_events(Some(Duration::from_millis(10))).unwrap();
        }
        assert_eq!(scene.socket.bytes_to_write(), 300_000 - WINDOW);
        assert_eq!(scene.socket.state(), SocketState::Connected);
        let sends = scene.network.sends();
        scene.event_loop.process_events(Some(Duration::from_secs(3_600))).unwrap();
        assert_eq!(scene.network.sends(), sends, "it tried in vain");
        let mut read = Vec::new();
        scene.turns_until(|| {
            read.extend(scene.client.read().unwrap());
            read.len() == 300_000
        });
        assert!(read == pattern(0, 300_000));
        scene.finish();
    }
}

#[test]
fn a_server_that_stalls_lets_its_peer_send_a_window() {
    let scene = Scene::new(1);
    scene.socket.set_read_buffer_size(1_000);
    let mut sent = 0;
    for _ in 0..200 {
        sent += scene.client.write(&pattern(sent, 10_000)).unwrap();
        scene.turn();
    }
    assert_eq!(sent, WINDOW + 1_000);
    assert_eq!(scene.client.write(b"more").unwrap(), 0);
    let mut read = Vec::new();
    scene.turns_until(|| {
        read.extend(scene.socket.read_all());
        read.len() == sent
    });
    assert!(read == pattern(0, sent));
    scene.finish();
}

#[test]
fn a_dropped_socket_has_patience_with_a_stalling_peer_and_then_none() {
    let Scene { network, event_loop, server, socket, client, .. } = Scene::new(2);
    socket.write(&pattern(0, 200_000));
    drop(socket);
    let begun = network.elapsed();
    assert_eq!(event_loop.finish(Duration::from_secs(3_600)).unwrap(), 0);
    let took = network.elapsed().saturating_sub(begun);
    assert!(took >= Duration::from_secs(30) && took <= Duration::from_secs(61), "{took:?}");
    assert_eq!(server.statistics().open, 0);
    let came = client.read().unwrap().len();
    assert!(came <= WINDOW && client.read().is_err(), "a reset, for it did not get everything");
    drop(client);
    assert_eq!(network.open_connections(), 0);
}

#[test]
fn a_peer_that_is_too_slow_is_ended_by_the_time_out_it_exceeds() {
    let scene = Scene::new(3);
    scene.socket.set_timeouts(Timeouts::new().idle(Duration::from_secs(5)));
    scene.socket.write(&pattern(0, 200_000));
    scene.turns_until(|| scene.is_over());
    assert_eq!(scene.socket.end_reason(), Some(EndReason::Idle));
    let log = scene.log.take();
    assert_eq!((times(&log, "SocketTimeout"), times(&log, "gone")), (1, 1), "{log}");
    let elapsed = scene.network.elapsed();
    assert!(elapsed >= Duration::from_secs(5) && elapsed <= Duration::from_secs(11), "{elapsed:?}");
    scene.finish();
}

#[test]
fn peers_that_reset_or_leave_while_they_wait_are_let_in_and_end() {
    let scene = Scene::new(4);
    for _ in 0..3 {
        scene.network.connect(PORT).unwrap().reset();
        drop(scene.network.connect(PORT).unwrap());
    }
    for _ in 0..4 {
        scene.turn();
    }
    let mut number = 0;
    while let Some(socket) = scene.server.next_pending_connection() {
        let log = super::Log::default();
        log.follow(&socket);
        scene.turns_until(|| socket.state() == SocketState::Unconnected);
        let log = log.take();
        assert_eq!((times(&log, "RemoteHostClosed"), times(&log, "gone")), (1, 1), "{log}");
        number += 1;
    }
    assert_eq!(number, 6);
    scene.finish();
}

#[test]
fn a_reset_destroys_nothing_that_was_read_and_is_told_once() {
    for seed in 0..8 {
        let Scene { network, event_loop, server, socket, client, log } = Scene::new(seed);
        client.write(b"before").unwrap();
        for _ in 0..8 {
            event_loop.process_events(NOW).unwrap();
        }
        socket.write(b"answer");
        client.reset();
        for _ in 0..8 {
            event_loop.process_events(NOW).unwrap();
        }
        let told = log.take();
        assert_eq!((times(&told, "RemoteHostClosed"), times(&told, "gone")), (1, 1), "{told}");
        assert_eq!(socket.read_all(), b"before");
        assert_eq!(socket.end_reason(), Some(EndReason::Broken));
        drop(socket);
        assert_eq!((server.statistics().open, network.open_connections()), (0, 0));
    }
}

/// A client that is refused with this last word, and what it gets.
fn refused_with(word: &str, seed: u64, longest_send: Option<usize>) -> Vec<u8> {
    let Scene { network, event_loop, server, .. } = Scene::new(seed);
    network.set_longest_send(longest_send);
    let refusal = OverLimit::Refuse(Refusal::last_word(word).unwrap());
    server.set_limits(Limits::new().max_connections(0).over_limit(refusal));
    let refused = network.connect(PORT).unwrap();
    refused.write(b"a request").unwrap();
    let mut got = Vec::new();
    for _ in 0..20 {
        event_loop.process_events(NOW).unwrap();
        got.extend(refused.read().unwrap());
    }
    assert!(refused.has_ended());
    got
}

#[test]
fn a_last_word_arrives_whole_for_every_seed() {
    for seed in 0..50 {
        assert_eq!(refused_with("421 too many\r\n", seed, None), b"421 too many\r\n", "seed {seed}");
    }
}

#[test]
fn a_last_word_arrives_whole_when_sends_are_short() {
    assert_eq!(refused_with("421 too many\r\n", 1, Some(5)), b"421 too many\r\n");
}
