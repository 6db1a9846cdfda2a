//! Receives and sends that fail, and sends that are short.

use super::{NOW, PORT, Scene, pattern, times};
use std::time::Duration;
use vestibule::simulation::SimulatedNetwork;
use vestibule::{EndReason, HostAddress, Operation, SocketError, SocketState, TcpServer, TcpSocket};

const EINTR: i32 = 4;
const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const EPIPE: i32 = 32;
const ECONNRESET: i32 = 104;
const ENOBUFS: i32 = 105;
const ETIMEDOUT: i32 = 110;

/// With these a real connection is over.
const FATAL: [i32; 5] = [ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS, EIO];
/// So many first calls are made at least in a transfer.
const FIRST: u64 = 5;

fn kind_of(errno: i32) -> SocketError {
    SocketError::from_io(&std::io::Error::from_raw_os_error(errno), Operation::Receive)
}

/// The client sends in five pieces, and ends.
fn receiving(seed: u64, nth: u64, errno: i32) -> (Scene, Vec<u8>, String) {
    let scene = Scene::new(seed);
    scene.network.fail_receive(scene.network.receives() + nth, errno);
    for piece in 0..5 {
        let _ = scene.client.write(&pattern(piece * 100, 100));
        scene.turn();
        scene.turn();
    }
    scene.client.shut_down();
    scene.turns_until(|| scene.is_over());
    let (read, log) = (scene.socket.read_all(), scene.log.take());
    (scene, read, log)
}

/// Every call of a transfer fails, one in each run, as long as there is such a call.
fn at_every_call(run: impl Fn(u64, i32) -> bool) {
    for errno in FATAL {
        let calls = (1..1_000).take_while(|nth| run(*nth, errno)).count() as u64;
        assert!(calls >= FIRST, "only {calls} calls could fail");
    }
}

#[test]
fn a_receive_that_fails_ends_the_connection_once() {
    at_every_call(|nth, errno| {
        let (scene, read, log) = receiving(nth, nth, errno);
        let failed = scene.network.receives() >= nth;
        let error = format!("{:?}", if failed { kind_of(errno) } else { SocketError::RemoteHostClosed });
        let case = format!("errno {errno} at {nth}: {log}");
        assert_eq!((times(&log, &error), times(&log, "gone")), (1, 1), "{case}");
        assert_eq!((times(&log, "finished"), times(&log, "unconnected")), (1, 1), "{case}");
        assert!(log.ends_with("gone"), "{case}");
        assert!(read == pattern(0, read.len()) && (failed || read.len() == 500), "{case}");
        if failed {
            scene.finish();
        }
        failed
    });
}

fn receiving_goes_on_after(errno: i32) {
    for nth in 1..=FIRST {
        let (scene, read, log) = receiving(nth, nth, errno);
        let case = format!("errno {errno} at {nth}: {log}");
        assert!(read == pattern(0, 500), "{} bytes: {case}", read.len());
        assert_eq!((times(&log, "RemoteHostClosed"), times(&log, "gone")), (1, 1), "{case}");
        assert_eq!(scene.socket.end_reason(), Some(EndReason::Peer), "{case}");
        scene.finish();
    }
}

#[test]
fn a_receive_that_finds_nothing_changes_nothing() {
    receiving_goes_on_after(EAGAIN);
}

#[test]
fn a_receive_that_a_signal_interrupts_is_made_again() {
    receiving_goes_on_after(EINTR);
}

/// The server sends in five pieces, and ends.
fn sending(seed: u64, nth: u64, errno: i32) -> (Scene, Vec<u8>, String) {
    let scene = Scene::new(seed);
    scene.network.fail_send(scene.network.sends() + nth, errno);
    let mut read = Vec::new();
    for piece in 0..5 {
        scene.socket.write(&pattern(piece * 100, 100));
        scene.turn();
        read.extend(scene.client.read().unwrap_or_default());
    }
    scene.socket.disconnect_from_host();
    scene.turns_until(|| {
        read.extend(scene.client.read().unwrap_or_default());
        scene.is_over()
    });
    scene.turn();
    read.extend(scene.client.read().unwrap_or_default());
    let log = scene.log.take();
    (scene, read, log)
}

#[test]
fn a_send_that_fails_ends_the_connection_once() {
    at_every_call(|nth, errno| {
        let (scene, read, log) = sending(nth, nth, errno);
        let failed = scene.network.sends() >= nth;
        let case = format!("errno {errno} at {nth}: {log}");
        assert_eq!((times(&log, "gone"), times(&log, "unconnected")), (1, 1), "{case}");
        assert!(log.ends_with("gone"), "{case}");
        let error = format!("{:?}", kind_of(errno));
        assert_eq!(times(&log, &error), usize::from(failed), "{case}");
        assert!(read == pattern(0, read.len()) && (failed != (read.len() == 500)), "{case}");
        if failed {
            scene.finish();
        }
        failed
    });
}

fn sending_goes_on_after(errno: i32) {
    for nth in 1..=FIRST {
        let (scene, read, log) = sending(nth, nth, errno);
        let case = format!("errno {errno} at {nth}: {log}");
        assert!(read == pattern(0, 500), "{} bytes: {case}", read.len());
        assert_eq!(times(&log, "gone"), 1, "{case}");
        assert_eq!(scene.socket.end_reason(), Some(EndReason::Here), "{case}");
        scene.finish();
    }
}

#[test]
fn a_send_without_room_goes_on_later() {
    sending_goes_on_after(EAGAIN);
}

#[test]
fn a_send_that_a_signal_interrupts_is_made_again() {
    sending_goes_on_after(EINTR);
}

#[test]
fn a_big_write_that_fails_at_once_takes_nothing_and_is_told_by_the_loop() {
    for errno in FATAL {
        let scene = Scene::new(1);
        scene.network.fail_send(1, errno);
        assert_eq!(scene.socket.write(&pattern(0, 20_000)), 0);
        assert_eq!(scene.log.take(), "", "write tells nothing");
        scene.turn();
        let log = scene.log.take();
        assert_eq!((times(&log, &format!("{:?}", kind_of(errno))), times(&log, "gone")), (1, 1), "{log}");
        assert_eq!(scene.client.read().unwrap(), b"");
        scene.finish();
    }
}

#[test]
fn calls_that_fail_in_blocking_waits_are_told_there() {
    for errno in FATAL {
        let scene = Scene::new(1);
        scene.network.fail_send(1, errno);
        scene.socket.write(b"hello");
        assert!(!scene.socket.wait_for_bytes_written(Some(Duration::from_secs(1))).unwrap());
        let log = scene.log.take();
        assert_eq!((times(&log, &format!("{:?}", kind_of(errno))), times(&log, "gone")), (1, 1), "{log}");
        scene.finish();

        let scene = Scene::new(2);
        scene.network.fail_receive(scene.network.receives() + 1, errno);
        scene.client.write(b"hello").unwrap();
        assert!(scene.socket.wait_for_ready_read(Some(Duration::from_secs(1))).is_err());
        let log = scene.log.take();
        assert_eq!((times(&log, &format!("{:?}", kind_of(errno))), times(&log, "gone")), (1, 1), "{log}");
        scene.finish();
    }
}

#[test]
fn connections_that_nobody_holds_any_more_are_closed_when_their_calls_fail() {
    for nth in 1..=4 {
        for errno in FATAL {
            let scene = Scene::new(nth);
            scene.network.fail_send(nth, errno);
            scene.network.fail_receive(scene.network.receives() + nth, errno);
            let Scene { network, event_loop, server, socket, client, .. } = scene;
            socket.write(&pattern(0, 150_000));
            let _ = client.write(b"never read");
            drop(socket);
            let mut came = 0;
            for _ in 0..100 {
                event_loop.process_events(NOW).unwrap();
                came += client.read().map_or(0, |bytes| bytes.len());
            }
            assert!(came <= 150_000);
            assert_eq!(
                (event_loop.finish(Duration::from_secs(60)).unwrap(), server.statistics().open),
                (0, 0)
            );
            drop(client);
            assert_eq!(network.open_connections(), 0);
        }
    }
}

#[test]
fn an_outgoing_connection_breaks_like_one_that_was_accepted() {
    let network = SimulatedNetwork::new(3).unwrap();
    let event_loop = network.event_loop();
    let server = TcpServer::new(&event_loop);
    server.listen(HostAddress::ANY, PORT).unwrap();
    let (socket, log) = (TcpSocket::new(&event_loop), super::Log::default());
    log.follow(&socket);
    socket.connect_to_host(HostAddress::LOCALHOST, PORT).unwrap();
    while !server.has_pending_connections() || socket.state() != SocketState::Connected {
        event_loop.process_events(NOW).unwrap();
    }
    let other = server.next_pending_connection().unwrap();
    network.fail_send(network.sends() + 1, EPIPE);
    socket.write(b"hello");
    while other.state() == SocketState::Connected || socket.state() == SocketState::Connected {
        event_loop.process_events(Some(Duration::from_millis(1))).unwrap();
    }
    let log = log.take();
    assert_eq!((times(&log, "RemoteHostClosed"), times(&log, "gone")), (1, 1), "{log}");
    drop((socket, other));
    assert_eq!((event_loop.finish(Duration::from_secs(60)).unwrap(), network.open_connections()), (0, 0));
}

#[test]
fn byte_by_byte_everything_arrives_in_order() {
    for seed in 0..4 {
        let scene = Scene::new(seed);
        scene.network.set_longest_send(Some(1));
        scene.socket.write(&pattern(0, 3_000));
        scene.socket.disconnect_from_host();
        let (mut read, before) = (Vec::new(), scene.network.sends());
        scene.turns_until(|| {
            let came = scene.client.read().unwrap();
            read.extend(came);
            scene.client.has_ended()
        });
        assert!(read == pattern(0, 3_000));
        assert!(scene.network.sends() - before >= 3_000, "more than one byte at once");
        scene.network.set_longest_send(None);
        scene.finish();
    }
}

#[test]
fn byte_by_byte_a_dropped_socket_still_sends_everything() {
    let Scene { network, event_loop, server, socket, client, .. } = Scene::new(5);
    network.set_longest_send(Some(1));
    socket.write(&pattern(0, 2_000));
    drop(socket);
    assert_eq!(event_loop.finish(Duration::from_secs(3_600)).unwrap(), 0);
    assert!(client.read().unwrap() == pattern(0, 2_000) && client.has_ended());
    assert_eq!(server.statistics().open, 0);
}

#[test]
fn a_send_takes_no_more_than_it_may() {
    for longest in [1, 2, 7, 1_000] {
        let scene = Scene::new(6);
        scene.network.set_longest_send(Some(longest));
        scene.socket.write(&pattern(0, 5_000));
        let (mut sends, mut all) = (scene.network.sends(), 0);
        while all < 5_000 {
            scene.turn();
            let (made, came) = (scene.network.sends() - sends, scene.client.read().unwrap().len());
            assert!(came <= usize::try_from(made).unwrap() * longest, "{came} bytes in {made} sends");
            (sends, all) = (sends + made, all + came);
        }
    }
}
