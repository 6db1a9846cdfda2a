//! Waits while a connection is being made: what they return and tell, and that they leave everything else alone.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{BlackHole, LIMIT, Log, Refusing, World, all_of, next, settle, until};
use vestibule::{SocketError, SocketState, TcpSocket};

const BEGUN: &str = "looking up the host connecting found";
const SHORT: Option<Duration> = Some(Duration::from_millis(100));

fn connected_to(socket: &TcpSocket, host: &str, port: u16) {
    socket.connect_to_host(host, port).unwrap();
    assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
}

on_both! {
    fn the_connection_is_told_in_the_wait(world: &World) {
        for host in ["127.0.0.1", "localhost"] {
            let (event_loop, server, socket, log) = world.outgoing();
            connected_to(&socket, host, server.server_port());
            assert_eq!((log.take(), socket.state()), (format!("{BEGUN} connected stands"), SocketState::Connected));
            assert!(socket.wait_for_connected(Some(Duration::ZERO)).unwrap(), "it stands already");
            assert!(socket.wait_for_connected(None).unwrap());
            settle(&event_loop);
            assert_eq!(log.take(), "");
            assert_eq!(socket.peer_port(), server.server_port());
        }
    }

    fn a_failure_is_told_in_the_wait_and_returned(world: &World) {
        let cases = [("127.0.0.1", SocketError::ConnectionRefused), ("localhost", SocketError::ConnectionRefused),
            ("two..dots", SocketError::HostNotFound)];
        for (host, kind) in cases {
            let (event_loop, _server, socket, log) = world.outgoing();
            let refusing = world.refusing();
            socket.connect_to_host(host, refusing.port).unwrap();
            socket.write(b"lost");
            let error = socket.wait_for_connected(Some(LIMIT)).unwrap_err();
            assert_eq!((error.kind(), socket.error(), socket.state()), (kind, kind, SocketState::Unconnected));
            let words = format!("cannot connect to {host}:{}: ", refusing.port);
            assert!(error.to_string().starts_with(&words), "{error}");
            settle(&event_loop);
            assert!(log.take().ends_with(&format!(" unconnected {kind:?}")));
            assert_eq!(socket.bytes_to_write(), 0);
        }
    }

    fn without_an_attempt_it_is_an_error(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        assert!(socket.wait_for_connected(None).is_err());
        assert!(socket.wait_for_ready_read(None).is_err());
        assert!(!socket.wait_for_bytes_written(None).unwrap());
        assert!(!socket.wait_for_disconnected(None).unwrap());
        assert_eq!((log.take().as_str(), socket.error()), ("", SocketError::Unknown));
        connected_to(&socket, "127.0.0.1", server.server_port());
        drop(next(&event_loop, &server));
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert!(socket.wait_for_connected(None).is_err(), "the connection is over");
    }

    fn waiting_for_bytes_connects_first(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        socket.connect_to_host("localhost", server.server_port()).unwrap();
        socket.write(b"x");
        assert!(socket.wait_for_bytes_written(Some(LIMIT)).unwrap());
        assert_eq!(log.take(), format!("{BEGUN} connected stands bytes"));
        let far = next(&event_loop, &server);
        far.write(b"answer");
        until(&event_loop, || far.bytes_to_write() == 0);
        socket.abort();
        socket.connect_to_host("localhost", server.server_port()).unwrap();
        assert!(!socket.wait_for_bytes_written(Some(LIMIT)).unwrap(), "nothing was written");
        assert!(matches!(socket.state(), SocketState::HostLookup | SocketState::Connecting), "and nothing waited for");
    }

    fn waiting_for_the_end_does_what_was_asked_for_before(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        for _ in 0..3 {
            socket.connect_to_host("localhost", server.server_port()).unwrap();
            socket.write(b"x");
            socket.disconnect_from_host();
            let begun = Instant::now();
            assert!(socket.wait_for_disconnected(Some(LIMIT)).unwrap());
            assert!(begun.elapsed() < LIMIT / 2, "it slept on after the end");
            assert_eq!(log.take(), format!("{BEGUN} connected stands closing bytes unconnected finished gone"));
            assert_eq!(all_of(&event_loop, &next(&event_loop, &server)), b"x");
        }
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        socket.disconnect_from_host();
        assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
        assert_eq!(log.take(), format!("{BEGUN} connected stands closing unconnected finished gone"));
    }

    /// What is unsent leaves as the wait begins, and with that the connection is over.
    fn waiting_for_the_end_is_over_with_the_connection(world: &World) {
        let (_event_loop, server, socket, _log) = world.outgoing();
        connected_to(&socket, "127.0.0.1", server.server_port());
        socket.write(b"x");
        socket.disconnect_from_host();
        assert_eq!(socket.state(), SocketState::Closing);
        let begun = Instant::now();
        assert!(socket.wait_for_disconnected(Some(LIMIT)).unwrap());
        assert!(begun.elapsed() < LIMIT / 2, "it slept on after the end");
    }

    /// 1. The peer resets.
    /// 2. Something is written, which a wait sends as it begins: that fails.
    fn a_wait_whose_first_send_fails_is_over_at_once(world: &World) {
        for wait in [TcpSocket::wait_for_ready_read, TcpSocket::wait_for_bytes_written, TcpSocket::wait_for_disconnected] {
            let (_event_loop, _server, socket, far) = world.pair();
            far.reset();
            socket.write(b"x");
            let begun = Instant::now();
            let _ = wait(&socket, Some(LIMIT));
            assert!(begun.elapsed() < LIMIT / 2, "it slept on after the end");
            assert_eq!(socket.state(), SocketState::Unconnected);
        }
    }

    fn other_waits_while_connecting_tell_a_refusal(world: &World) {
        for wait in [TcpSocket::wait_for_ready_read, TcpSocket::wait_for_bytes_written, TcpSocket::wait_for_disconnected] {
            let (_event_loop, _server, socket, log) = world.outgoing();
            socket.connect_to_host("127.0.0.1", world.refusing().port).unwrap();
            socket.write(b"x");
            assert!(!wait(&socket, Some(LIMIT)).unwrap_or(false));
            assert_eq!(log.take(), format!("{BEGUN} unconnected ConnectionRefused"));
        }
    }

    fn a_wait_goes_on_with_the_attempt_that_a_slot_makes_after_a_failure(world: &World) {
        let (_event_loop, server, socket, log) = world.outgoing();
        let (port, once) = (server.server_port(), Cell::new(true));
        socket.error_occurred().connect(move |socket, _| {
            if once.replace(false) {
                socket.connect_to_host("127.0.0.1", port).unwrap();
            }
        });
        connected_to(&socket, "127.0.0.1", world.refusing().port);
        assert_eq!(log.take(), format!("{BEGUN} unconnected ConnectionRefused {BEGUN} connected stands"));
    }

    fn no_slot_of_another_runs_in_a_wait_and_all_run_afterwards(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let other = TcpSocket::new(&event_loop);
        log.follow_from_the_start(&other);
        log.take();
        let words = log.clone();
        server.new_connection().connect(move |_| words.add("server"));
        let words = log.clone();
        event_loop.single_shot(Duration::ZERO, move |_| words.add("timer"));
        let words = log.clone();
        let sender = event_loop.channel(move |word: &'static str| words.add(word));
        sender.send("channel").unwrap();
        let posted = Arc::new(AtomicBool::new(false));
        let ran = Arc::clone(&posted);
        event_loop.handle().post(move |_| ran.store(true, Ordering::Relaxed)).unwrap();
        other.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        assert_eq!(log.take(), BEGUN);
        connected_to(&socket, "localhost", server.server_port());
        assert_eq!(log.take(), format!("{BEGUN} connected stands"));
        assert!(!posted.load(Ordering::Relaxed));
        until(&event_loop, || posted.load(Ordering::Relaxed));
        settle(&event_loop);
        let told = log.take();
        for word in ["timer", "channel", "connected stands", "server"] {
            assert!(told.contains(word), "{told} has no {word}");
        }
    }

    fn timers_keep_their_time_after_a_wait(world: &World) {
        let (event_loop, server, socket, _log) = world.outgoing();
        let ticks = Rc::new(Cell::new(0));
        let count = Rc::clone(&ticks);
        event_loop.start_timer(Duration::from_millis(2), move |_| count.set(count.get() + 1));
        for _ in 0..10 {
            connected_to(&socket, "localhost", server.server_port());
            socket.abort();
        }
        assert_eq!(ticks.get(), 0);
        until(&event_loop, || ticks.get() == 5);
    }

    fn a_wait_in_a_slot_of_another_object_works(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let (port, inner) = (server.server_port(), TcpSocket::new(&event_loop));
        let words = log.clone();
        socket.connected().connect(move |_| {
            connected_to(&inner, "localhost", port);
            words.add(inner.state().to_string());
            inner.abort();
        });
        connected_to(&socket, "127.0.0.1", port);
        assert!(log.take().ends_with("connected stands connected"));
    }

    fn a_wait_in_a_slot_of_the_socket_itself_tells_when_the_slot_returns(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        connected_to(&socket, "127.0.0.1", server.server_port());
        let (port, once, words) = (server.server_port(), Cell::new(true), log.clone());
        socket.disconnected().connect(move |socket| {
            if once.replace(false) {
                connected_to(socket, "localhost", port);
                words.add("waited");
            }
        });
        log.take();
        socket.disconnect_from_host();
        assert_eq!(log.take(), format!("closing unconnected finished gone waited {BEGUN} connected stands"));
        settle(&event_loop);
        assert_eq!(socket.state(), SocketState::Connected);
    }

    fn a_socket_that_was_connecting_when_the_loop_went_can_still_be_waited_for(world: &World) {
        for host in ["127.0.0.1", "localhost"] {
            let (event_loop, server, socket, _log) = world.outgoing();
            socket.connect_to_host(host, server.server_port()).unwrap();
            drop(event_loop);
            let begun = Instant::now();
            let waited = socket.wait_for_connected(Some(Duration::from_secs(2)));
            assert!(begun.elapsed() < LIMIT);
            let stands = socket.state() == SocketState::Connected;
            assert_eq!(waited.is_ok_and(|connected| connected), stands, "{host}");
        }
    }
}

#[test]
fn the_time_out_of_every_wait_ends_the_attempt_and_is_told() {
    let waits = [
        TcpSocket::wait_for_connected,
        TcpSocket::wait_for_ready_read,
        TcpSocket::wait_for_bytes_written,
        TcpSocket::wait_for_disconnected,
    ];
    let (hole, (event_loop, server, socket, log)) = (BlackHole::new(), World::Os.outgoing());
    for wait in waits {
        for timeout in [SHORT, Some(Duration::ZERO)] {
            socket.connect_to_host("127.0.0.1", hole.port).unwrap();
            socket.write(b"lost");
            let begun = Instant::now();
            assert!(!wait(&socket, timeout).unwrap());
            assert!(begun.elapsed() >= timeout.unwrap());
            assert_eq!(log.take(), format!("{BEGUN} unconnected SocketTimeout"));
            assert_eq!((socket.error(), socket.bytes_to_write()), (SocketError::SocketTimeout, 0));
            settle(&event_loop);
            assert_eq!(log.take(), "");
        }
    }
    connected_to(&socket, "127.0.0.1", server.server_port());
    assert_eq!(socket.error(), SocketError::Unknown);
}

#[test]
fn the_limit_of_the_attempt_ends_a_wait_without_one() {
    let (hole, (_event_loop, _server, socket, log)) = (BlackHole::new(), World::Os.outgoing());
    socket.set_connect_timeout(SHORT);
    socket.connect_to_host("127.0.0.1", hole.port).unwrap();
    let error = socket.wait_for_connected(None).unwrap_err();
    assert_eq!(
        (error.kind(), log.take()),
        (SocketError::SocketTimeout, format!("{BEGUN} unconnected SocketTimeout"))
    );
}

#[test]
fn a_standalone_socket_needs_no_loop() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for round in 0..60 {
        let (socket, log) = (TcpSocket::standalone(), Log::default());
        log.follow_from_the_start(&socket);
        connected_to(&socket, if round % 2 == 0 { "127.0.0.1" } else { "localhost" }, port);
        let (mut far, _) = listener.accept().unwrap();
        socket.write(b"question");
        assert!(socket.wait_for_bytes_written(Some(LIMIT)).unwrap());
        let mut question = [0; 8];
        far.read_exact(&mut question).unwrap();
        far.write_all(b"answer").unwrap();
        while socket.bytes_available() < 6 {
            assert!(socket.wait_for_ready_read(Some(LIMIT)).unwrap());
        }
        drop(far);
        assert!(socket.wait_for_disconnected(Some(LIMIT)).unwrap());
        assert!(log.take().ends_with("finished RemoteHostClosed closing unconnected gone"));
        assert_eq!((&question, socket.read_all()), (b"question", b"answer".to_vec()));
    }
}

/// The answer comes before the wait begins, or while it begins.
#[test]
fn a_name_that_was_looked_up_before_the_wait_is_found_in_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for pause in [0, 50, 200, 1_000, 20_000] {
        let socket = TcpSocket::standalone();
        socket.connect_to_host("localhost", listener.local_addr().unwrap().port()).unwrap();
        std::thread::sleep(Duration::from_micros(pause));
        assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
    }
}

#[test]
fn what_a_standalone_socket_wrote_arrives_when_it_is_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpSocket::standalone();
    connected_to(&socket, "127.0.0.1", listener.local_addr().unwrap().port());
    socket.write(b"last words");
    drop(socket);
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "last words");
}

#[test]
fn a_standalone_socket_is_refused_and_connected_again() {
    let (refusing, listener) = (Refusing::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    let socket = TcpSocket::standalone();
    for host in ["127.0.0.1", "localhost"] {
        socket.connect_to_host(host, refusing.port).unwrap();
        assert_eq!(socket.wait_for_connected(None).unwrap_err().kind(), SocketError::ConnectionRefused);
        connected_to(&socket, host, listener.local_addr().unwrap().port());
        socket.abort();
    }
}
