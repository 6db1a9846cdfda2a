//! Sockets as plain streams that wait: ends, breaks, time-outs and big writes, on the system alone.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::Cell;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};
use support::{BlackHole, LIMIT, Refusing, World, far_end, until};
use vestibule::{EventLoop, SocketState, TcpServer, TcpSocket};

const PATIENT: Option<Duration> = Some(LIMIT);
const SHORT: Option<Duration> = Some(Duration::from_millis(30));

/// A socket that is being connected, and the listener.
fn begun() -> (TcpSocket, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpSocket::standalone();
    socket.connect_to_host("localhost", listener.local_addr().unwrap().port()).unwrap();
    (socket, listener)
}

fn connected() -> (TcpSocket, TcpStream) {
    let (socket, listener) = begun();
    assert!(socket.wait_for_connected(PATIENT).unwrap());
    (socket, listener.accept().unwrap().0)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|number| (number.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

#[test]
fn reading_to_the_end_gets_everything() {
    let (socket, mut far) = connected();
    let sender = thread::spawn(move || far.write_all(&pattern(3 << 20)).unwrap());
    let mut all = Vec::new();
    socket.blocking(PATIENT).read_to_end(&mut all).unwrap();
    sender.join().unwrap();
    assert!(all == pattern(3 << 20), "{} bytes", all.len());
    assert_eq!(socket.blocking(PATIENT).read(&mut [0; 4]).unwrap(), 0, "the end stays the end");
}

#[test]
fn reading_and_writing_connect_first() {
    let (socket, listener) = begun();
    socket.blocking(PATIENT).write_all(b"question").unwrap();
    assert_eq!(socket.state(), SocketState::Connected);
    socket.blocking(PATIENT).flush().unwrap();
    let mut far = listener.accept().unwrap().0;
    let mut question = [0; 8];
    far.read_exact(&mut question).unwrap();
    let (socket, listener) = begun();
    let answer = thread::spawn(move || listener.accept().unwrap().0.write_all(b"answer").unwrap());
    let mut text = String::new();
    socket.blocking(PATIENT).read_to_string(&mut text).unwrap();
    answer.join().unwrap();
    assert_eq!((&question, text.as_str()), (b"question", "answer"));
}

#[test]
fn a_time_out_of_reading_loses_nothing() {
    let (socket, mut far) = connected();
    let mut buffer = [0; 16];
    for part in [&b"abc"[..], b"def"] {
        assert_eq!(socket.blocking(SHORT).read(&mut buffer).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(socket.state(), SocketState::Connected);
        far.write_all(part).unwrap();
        assert_eq!(socket.blocking(PATIENT).read(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], part);
    }
}

/// 1. So much is written that the peer, which reads nothing, stops it.
/// 2. The peer reads. It gets what `write` said it took, and no byte more.
#[test]
fn a_time_out_of_writing_takes_nothing_of_what_was_given() {
    let (socket, mut far) = connected();
    let (all, mut taken) = (pattern(64 << 20), 0);
    let mut stream = socket.blocking(SHORT);
    loop {
        match stream.write(&all[taken..]) {
            Ok(0) => panic!("nothing taken, and no error"),
            Ok(length) => taken += length,
            Err(error) => assert_eq!(error.kind(), ErrorKind::TimedOut),
        }
        // What the peer's window still takes may come late.
        if let Err(error) = stream.flush() {
            break assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
    }
    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        far.read_to_end(&mut received).unwrap();
        received
    });
    socket.blocking(PATIENT).flush().unwrap();
    drop(socket);
    assert!(reader.join().unwrap() == all[..taken]);
}

#[test]
fn several_mebibytes_reach_a_slow_reader() {
    let (socket, mut far) = connected();
    let reader = thread::spawn(move || {
        let (mut received, mut buffer) = (Vec::new(), vec![0; 200_000]);
        loop {
            match far.read(&mut buffer).unwrap() {
                0 => return received,
                length => received.extend_from_slice(&buffer[..length]),
            }
            thread::sleep(Duration::from_micros(300));
        }
    });
    let all = pattern(8 << 20);
    socket.blocking(PATIENT).write_all(&all).unwrap();
    socket.blocking(PATIENT).flush().unwrap();
    assert_eq!(socket.bytes_to_write(), 0);
    socket.disconnect_from_host();
    assert!(reader.join().unwrap() == all);
}

#[test]
fn what_was_written_before_its_drop_arrives() {
    let (socket, mut far) = connected();
    socket.blocking(PATIENT).write_all(b"the last words").unwrap();
    drop(socket);
    let mut text = String::new();
    far.read_to_string(&mut text).unwrap();
    assert_eq!(text, "the last words");
}

/// The peer gets what the system took, and then no end that it could take for the end of all.
#[test]
fn dropping_with_too_much_unsent_resets() {
    let (socket, mut far) = connected();
    far.set_read_timeout(PATIENT).unwrap();
    assert_eq!(socket.write(&vec![7; 32 << 20]), 32 << 20);
    drop(socket);
    let mut all = Vec::new();
    assert_eq!(far.read_to_end(&mut all).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(all.len() < 32 << 20);
}

/// No more is taken at once than may wait to be sent.
#[test]
fn more_than_the_write_buffer_limit_is_written_in_parts() {
    let (socket, mut far) = connected();
    socket.set_write_buffer_limit(1000);
    socket.blocking(PATIENT).write_all(&pattern(5000)).unwrap();
    drop(socket);
    let mut all = Vec::new();
    far.read_to_end(&mut all).unwrap();
    assert!(all == pattern(5000), "{} bytes", all.len());
}

/// A loop, a server that lives, and a socket with much unsent whose peer has ended and then reset.
fn cut_short(half_open: bool) -> (EventLoop, TcpServer, TcpSocket) {
    let (event_loop, server, socket, client) = World::Os.pair();
    socket.set_half_open(half_open);
    let finished = Rc::new(Cell::new(false));
    let mark = Rc::clone(&finished);
    socket.read_channel_finished().connect(move |_| mark.set(true));
    socket.write(&vec![7; 16 << 20]);
    client.shut_down();
    until(&event_loop, || finished.get());
    assert!(socket.bytes_to_write() > 1 << 20);
    client.reset();
    (event_loop, server, socket)
}

#[test]
fn flushing_fails_when_unsent_bytes_are_lost() {
    for half_open in [false, true] {
        let (_event_loop, _server, socket) = cut_short(half_open);
        for _ in 0..2 {
            let error = socket.blocking(PATIENT).flush().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "half open: {half_open}");
        }
        assert_eq!(socket.state(), SocketState::Unconnected);
    }
}

/// Later is too late, so it is not told to try again.
#[test]
fn flushing_without_waiting_fails_when_unsent_bytes_are_lost() {
    for half_open in [false, true] {
        let (event_loop, _server, socket) = cut_short(half_open);
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        let error = Write::flush(&mut &socket).unwrap_err();
        assert_ne!(error.kind(), ErrorKind::WouldBlock, "half open: {half_open}");
    }
}

/// Each call waits at most so long, also when a little goes all the time.
#[test]
fn flushing_to_a_reader_that_drips_ends_with_the_time() {
    let (socket, mut far) = connected();
    socket.write(&vec![1; 48 << 20]);
    let (stop, stopped) = channel::<()>();
    let reader = thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        while stopped.recv_timeout(Duration::from_millis(20)).is_err() && far.read(&mut buffer).unwrap() > 0 {
        }
    });
    let begun = Instant::now();
    let result = socket.blocking(Some(Duration::from_millis(300))).flush();
    let took = begun.elapsed();
    stop.send(()).unwrap();
    reader.join().unwrap();
    assert!(took < Duration::from_millis(1500), "{took:?}, {result:?}");
}

#[test]
fn a_reset_is_an_error_and_not_an_end() {
    let (socket, mut far) = connected();
    far.write_all(b"abc").unwrap();
    let mut buffer = [0; 3];
    socket.blocking(PATIENT).read_exact(&mut buffer).unwrap();
    far_end::reset(far);
    for _ in 0..2 {
        assert_eq!(
            socket.blocking(PATIENT).read(&mut buffer).unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
    }
    assert_eq!(socket.blocking(PATIENT).write(b"x").unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut all = Vec::new();
    assert!(socket.blocking(PATIENT).read_to_end(&mut all).is_err());
}

#[test]
fn what_came_before_a_reset_is_read_before_it_is_told() {
    let (socket, mut far) = connected();
    far.write_all(b"abc").unwrap();
    assert!(socket.wait_for_ready_read(PATIENT).unwrap());
    far_end::reset(far);
    assert!(socket.wait_for_disconnected(PATIENT).unwrap());
    let mut all = Vec::new();
    assert_eq!(
        socket.blocking(PATIENT).read_to_end(&mut all).unwrap_err().kind(),
        ErrorKind::ConnectionReset
    );
    assert_eq!(all, b"abc");
}

#[test]
fn a_failed_attempt_is_an_error_and_not_an_end() {
    let refusing = Refusing::new();
    let socket = TcpSocket::standalone();
    for host in ["127.0.0.1", "localhost"] {
        socket.connect_to_host(host, refusing.port).unwrap();
        let error = socket.blocking(PATIENT).read(&mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
        assert!(socket.blocking(PATIENT).write(b"x").is_err());
        assert!(
            socket.blocking(PATIENT).read(&mut [0; 4]).is_err(),
            "there was no connection that could end"
        );
    }
}

#[test]
fn a_socket_that_was_never_connected_cannot_be_read() {
    let socket = TcpSocket::standalone();
    assert!(socket.blocking(PATIENT).write(b"x").is_err());
    let read = socket.blocking(PATIENT).read(&mut [0; 4]);
    assert!(read.is_err(), "{read:?} is the end of what?");
}

#[test]
fn a_time_out_while_connecting_is_one() {
    let hole = BlackHole::new();
    let socket = TcpSocket::standalone();
    let calls: [fn(&TcpSocket) -> std::io::Result<usize>; 3] = [
        |socket| socket.blocking(SHORT).read(&mut [0; 4]),
        |socket| socket.blocking(SHORT).write(b"x"),
        |socket| socket.blocking(SHORT).flush().map(|()| 0),
    ];
    for call in calls {
        socket.connect_to_host("127.0.0.1", hole.port).unwrap();
        assert_eq!(call(&socket).unwrap_err().kind(), ErrorKind::TimedOut);
        socket.abort();
    }
}

/// 1. A read is over before the connection stands.
/// 2. Then the peer answers, and gets what was written before.
#[test]
fn a_time_out_of_reading_while_connecting_loses_neither_the_attempt_nor_what_was_written() {
    let mut hole = BlackHole::new();
    let socket = TcpSocket::standalone();
    socket.connect_to_host("127.0.0.1", hole.port).unwrap();
    socket.write(b"request");
    let error = socket.blocking(SHORT).read(&mut [0; 9]).unwrap_err();
    assert_eq!(
        (error.kind(), socket.bytes_to_write(), socket.state()),
        (ErrorKind::TimedOut, 7, SocketState::Connecting)
    );
    hole.open();
    socket.blocking(PATIENT).flush().unwrap();
    let mut request = [0; 7];
    hole.accept().read_exact(&mut request).unwrap();
    assert_eq!(&request, b"request");
}

#[test]
fn lines_come_through_a_buffered_reader() {
    let (socket, mut far) = connected();
    let peer = thread::spawn(move || {
        for part in ["one\ntw", "o\n\nlast", " without an end"] {
            far.write_all(part.as_bytes()).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
    });
    let lines: Vec<_> = BufReader::new(socket.blocking(PATIENT)).lines().map(Result::unwrap).collect();
    peer.join().unwrap();
    assert_eq!(lines, ["one", "two", "", "last without an end"]);
}

#[test]
fn an_empty_buffer_waits_for_nothing() {
    let (socket, _far) = connected();
    let begun = Instant::now();
    assert_eq!(socket.blocking(PATIENT).read(&mut []).unwrap(), 0);
    assert_eq!(socket.blocking(PATIENT).write(&[]).unwrap(), 0);
    assert!(begun.elapsed() < LIMIT / 2);
}

#[test]
fn slots_of_the_socket_run_in_the_waits_and_may_read() {
    let (socket, mut far) = connected();
    let seen = Rc::new(Cell::new(0));
    let count = Rc::clone(&seen);
    socket.ready_read().connect(move |socket| count.set(count.get() + socket.bytes_available()));
    far.write_all(b"abc").unwrap();
    let mut buffer = [0; 3];
    socket.blocking(PATIENT).read_exact(&mut buffer).unwrap();
    assert_eq!((seen.get(), &buffer), (3, b"abc"));
    socket.ready_read().connect(|socket| drop(socket.read_all()));
    far.write_all(b"def").unwrap();
    drop(far);
    assert_eq!(socket.blocking(PATIENT).read(&mut buffer).unwrap(), 0, "the slot took it");
}

#[test]
fn writing_after_the_peers_end_is_an_error_at_last() {
    let (socket, far) = connected();
    drop(far);
    assert_eq!(socket.blocking(PATIENT).read(&mut [0; 4]).unwrap(), 0);
    assert!(socket.wait_for_disconnected(PATIENT).is_ok());
    assert_eq!(socket.blocking(PATIENT).write(b"x").unwrap_err().kind(), ErrorKind::NotConnected);
}
