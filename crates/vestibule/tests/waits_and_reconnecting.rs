//! Waits during which slots connect again, and waits in slots: each ends in time, and with an answer that is true.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::{BlackHole, LIMIT, World, all_of, next, settle, until};
use vestibule::{EventLoop, SocketState, TcpServer, TcpSocket};

const PATIENT: Option<Duration> = Some(LIMIT);
/// How long a name may have been found before somebody waits for it.
const PAUSES: [u64; 4] = [0, 300, 3_000, 30_000];

/// A loop, a server, and both ends of a connection; the near one connects again whenever it has ended.
fn faithful(world: &World) -> (EventLoop, TcpServer, TcpSocket, TcpSocket) {
    let (event_loop, server, socket, _log) = world.outgoing();
    let port = server.server_port();
    socket.connect_to_host("127.0.0.1", port).unwrap();
    let far = next(&event_loop, &server);
    until(&event_loop, || socket.state() == SocketState::Connected);
    socket.disconnected().connect(move |socket| {
        socket.connect_to_host("127.0.0.1", port).unwrap();
        socket.write(b"again");
    });
    (event_loop, server, socket, far)
}

/// What came of something that took no time to speak of.
fn at_once<R>(act: impl FnOnce() -> R) -> R {
    let begun = Instant::now();
    let result = act();
    assert!(begun.elapsed() < LIMIT / 2, "it took {:?}", begun.elapsed());
    result
}

on_both! {
    /// Each attempt is refused, and each time a slot begins another one, for much longer than the wait may take.
    fn waiting_for_the_connection_keeps_its_time_though_a_slot_always_connects_again(world: &World) {
        let (_event_loop, _server, socket, _log) = world.outgoing();
        let (refusing, begun) = (world.refusing(), Instant::now());
        let port = refusing.port;
        socket.error_occurred().connect(move |socket, _| {
            if begun.elapsed() < LIMIT / 2 {
                socket.connect_to_host("127.0.0.1", port).unwrap();
            }
        });
        socket.connect_to_host("127.0.0.1", port).unwrap();
        let timeout = Duration::from_millis(if matches!(world, World::Os) { 100 } else { 2 });
        assert!(!at_once(|| socket.wait_for_connected(Some(timeout))).unwrap());
    }

    fn waiting_for_the_end_is_over_though_a_slot_has_begun_another_connection(world: &World) {
        let (event_loop, server, socket, far) = faithful(world);
        far.abort();
        assert!(at_once(|| socket.wait_for_disconnected(PATIENT)).unwrap());
        assert_eq!(socket.state(), SocketState::Connecting);
        let far = next(&event_loop, &server);
        until(&event_loop, || far.bytes_available() == 5);
    }

    fn waiting_for_something_to_read_fails_though_a_slot_has_begun_another_connection(world: &World) {
        let (event_loop, server, socket, far) = faithful(world);
        far.abort();
        let error = at_once(|| socket.wait_for_ready_read(PATIENT)).unwrap_err();
        assert!(error.to_string().ends_with("the connection has ended"), "{error}");
        next(&event_loop, &server).write(b"x");
        assert!(socket.wait_for_ready_read(PATIENT).unwrap(), "that is for the next connection");
    }

    /// 1. A connection ends with much unsent, and a slot begins another one and writes a little.
    /// 2. A wait that tells of bytes that were sent tells of some; each of them ends.
    fn waiting_for_bytes_written_ends_though_a_slot_has_begun_another_connection(world: &World) {
        let (event_loop, server, socket, far) = faithful(world);
        socket.write(&vec![7; 16 << 20]);
        let told = Rc::new(Cell::new(0));
        let count = Rc::clone(&told);
        socket.bytes_written().connect(move |_, _| count.set(count.get() + 1));
        far.abort();
        for _ in 0..100 {
            let before = told.replace(0) + usize::from(socket.bytes_to_write() == 0);
            if socket.bytes_to_write() == 0 {
                break;
            }
            let sent = at_once(|| socket.wait_for_bytes_written(PATIENT)).unwrap();
            assert!(!sent || told.get() > 0, "after {before}");
        }
        assert_eq!(socket.bytes_to_write(), 0);
        let far = next(&event_loop, &server);
        until(&event_loop, || far.bytes_available() == 5);
    }

    /// 1. In the slot that tells the end the socket is connected again, and the good-bye is said.
    /// 2. In the same slot both are waited for.
    fn a_good_bye_is_waited_for_in_a_slot_of_the_socket_itself(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let (port, once, words) = (server.server_port(), Cell::new(true), log.clone());
        socket.disconnected().connect(move |socket| {
            if once.replace(false) {
                socket.connect_to_host("127.0.0.1", port).unwrap();
                socket.write(b"bye");
                socket.disconnect_from_host();
                assert!(at_once(|| socket.wait_for_connected(PATIENT)).unwrap());
                assert!(at_once(|| socket.wait_for_disconnected(PATIENT)).unwrap());
                words.add("waited");
            }
        });
        socket.connect_to_host("127.0.0.1", port).unwrap();
        let _first = next(&event_loop, &server);
        until(&event_loop, || socket.state() == SocketState::Connected);
        socket.disconnect_from_host();
        let told = log.take();
        assert!(told.contains("gone waited") && told.ends_with("unconnected finished gone"), "{told}");
        assert_eq!(all_of(&event_loop, &next(&event_loop, &server)), b"bye");
    }

    /// The connection that is being made is the one whose end is waited for, and it does not end.
    fn waiting_for_the_end_in_a_slot_that_has_just_begun_to_connect_waits(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let (port, once, words) = (server.server_port(), Cell::new(true), log.clone());
        socket.disconnected().connect(move |socket| {
            if once.replace(false) {
                socket.connect_to_host("127.0.0.1", port).unwrap();
                assert!(!socket.wait_for_disconnected(Some(Duration::from_millis(50))).unwrap());
                words.add("waited");
            }
        });
        socket.connect_to_host("127.0.0.1", port).unwrap();
        until(&event_loop, || socket.state() == SocketState::Connected);
        socket.disconnect_from_host();
        settle(&event_loop);
        let told = log.take();
        let rest = told.split_once("waited ").unwrap().1;
        assert_eq!(rest, "looking up the host connecting found connected stands SocketTimeout");
        assert_eq!(socket.state(), SocketState::Connected);
    }
}

/// 1. A value is sent to the loop, and a name looked up; the answer comes behind the value.
/// 2. The slot of the value waits for the connection.
#[test]
fn a_wait_in_the_slot_of_a_channel_finds_the_name_that_was_found_before() {
    for pause in PAUSES {
        let (event_loop, server, socket, _log) = World::Os.outgoing();
        let (weak, waited) = (socket.downgrade(), Rc::new(Cell::new(None)));
        let result = Rc::clone(&waited);
        let sender = event_loop.channel(move |()| {
            weak.with(|socket| result.set(Some(at_once(|| socket.wait_for_connected(PATIENT)).unwrap())));
        });
        sender.send(()).unwrap();
        socket.connect_to_host("localhost", server.server_port()).unwrap();
        std::thread::sleep(Duration::from_micros(pause));
        until(&event_loop, || waited.get().is_some());
        assert_eq!(waited.get(), Some(true));
    }
}

/// 1. A socket looks a name up; the answer comes.
/// 2. Another one waits for its own connection. In its slot the first is waited for.
#[test]
fn a_wait_in_a_slot_of_another_wait_finds_the_name_that_was_found_before() {
    for pause in PAUSES {
        let (event_loop, server, socket, _log) = World::Os.outgoing();
        let (outer, waited) = (TcpSocket::new(&event_loop), Rc::new(Cell::new(false)));
        socket.connect_to_host("localhost", server.server_port()).unwrap();
        std::thread::sleep(Duration::from_micros(pause));
        let (weak, result) = (socket.downgrade(), Rc::clone(&waited));
        outer.connected().connect(move |_| {
            weak.with(|socket| result.set(at_once(|| socket.wait_for_connected(PATIENT)).unwrap()));
        });
        outer.connect_to_host("localhost", server.server_port()).unwrap();
        assert!(at_once(|| outer.wait_for_connected(PATIENT)).unwrap());
        assert!(waited.get());
    }
}

#[test]
fn waiting_for_bytes_with_nothing_written_leaves_the_attempt_alone() {
    let (hole, (event_loop, _server, socket, log)) = (BlackHole::new(), World::Os.outgoing());
    for timeout in [None, PATIENT, Some(Duration::ZERO)] {
        socket.connect_to_host("127.0.0.1", hole.port).unwrap();
        log.take();
        assert!(!at_once(|| socket.wait_for_bytes_written(timeout)).unwrap());
        settle(&event_loop);
        assert_eq!((log.take().as_str(), socket.state()), ("", SocketState::Connecting));
        socket.abort();
    }
}
