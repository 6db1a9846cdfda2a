//! Streams of `std` become sockets and sockets become streams: nothing is lost, told or left behind.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use rustix::fs::{OFlags, fcntl_getfl};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use support::{LIMIT, Log, World, assert_sleeps, next, settle, until};
use vestibule::{EventLoop, SocketError, SocketState, TcpServer, TcpSocket};

/// Two ends of a connection.
fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

/// A loop, a server that lives, both ends of a connection that was made, and what is told of the first.
fn connected() -> (EventLoop, TcpServer, TcpSocket, TcpSocket, Log) {
    let (event_loop, server, socket, log) = World::Os.outgoing();
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    let far = next(&event_loop, &server);
    until(&event_loop, || socket.state() == SocketState::Connected);
    log.take();
    (event_loop, server, socket, far, log)
}

fn is_blocking(stream: &TcpStream) -> bool {
    !fcntl_getfl(stream).unwrap().contains(OFlags::NONBLOCK)
}

#[test]
fn a_stream_becomes_a_socket_blocking_or_not() {
    for blocking in [true, false] {
        let event_loop = EventLoop::new().unwrap();
        let (near, mut far) = streams();
        near.set_nonblocking(!blocking).unwrap();
        let (local, peer) = (near.local_addr().unwrap(), near.peer_addr().unwrap());
        far.write_all(b"was there before").unwrap();
        let (socket, log) = (TcpSocket::from_std(&event_loop, near).unwrap(), Log::default());
        log.follow_from_the_start(&socket);
        assert_eq!(
            (socket.state(), socket.local_addr(), socket.peer_addr()),
            (SocketState::Connected, Some(local), Some(peer))
        );
        until(&event_loop, || socket.bytes_available() == 16);
        socket.write(b"answer");
        let mut answer = [0; 6];
        until(&event_loop, || socket.bytes_to_write() == 0);
        far.read_exact(&mut answer).unwrap();
        drop(far);
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert!(log.take().ends_with("finished RemoteHostClosed closing unconnected gone"));
        assert_eq!((answer, socket.read_all()), (*b"answer", b"was there before".to_vec()));
    }
}

#[test]
fn a_socket_of_a_stream_can_be_connected_again() {
    let (event_loop, server, _unused, _log) = World::Os.outgoing();
    let (near, _far) = streams();
    let socket = TcpSocket::from_std(&event_loop, near).unwrap();
    assert!(socket.connect_to_host("127.0.0.1", server.server_port()).is_err());
    assert!(socket.wait_for_connected(Some(LIMIT)).unwrap(), "it stands already");
    socket.abort();
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
    assert_eq!(socket.peer_port(), server.server_port());
}

#[test]
fn a_stream_that_is_not_connected_comes_back() {
    let event_loop = EventLoop::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = listener.as_raw_fd();
    let error = TcpSocket::from_descriptor(&event_loop, OwnedFd::from(listener)).unwrap_err();
    assert_eq!(error.kind(), SocketError::UnsupportedSocketOperation);
    let listener = TcpListener::from(error.into_descriptor().unwrap());
    assert_eq!(listener.as_raw_fd(), number);
    let idle =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    assert!(TcpSocket::from_std(&event_loop, idle.into()).unwrap_err().into_descriptor().is_some());
}

#[test]
fn a_socket_becomes_a_blocking_stream_and_back() {
    let (event_loop, _server, socket, far, log) = connected();
    let addresses = (socket.local_addr(), socket.peer_addr());
    let mut stream = socket.into_std().unwrap();
    assert!(is_blocking(&stream));
    assert_eq!((stream.local_addr().ok(), stream.peer_addr().ok()), addresses);
    stream.write_all(b"as a stream").unwrap();
    until(&event_loop, || far.bytes_available() == 11);
    far.write(b"answer");
    until(&event_loop, || far.bytes_to_write() == 0);
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    assert_eq!(log.take(), "");
    let socket = TcpSocket::from_std(&event_loop, stream).unwrap();
    assert_eq!((socket.local_addr(), socket.peer_addr()), addresses);
    socket.write(b", as a socket");
    until(&event_loop, || far.bytes_available() == 24);
}

#[test]
fn an_accepted_socket_becomes_a_stream_and_its_server_goes_on() {
    let (event_loop, server, socket, far, _log) = connected();
    let mut stream = far.into_std().unwrap();
    assert!(is_blocking(&stream));
    socket.write(b"hello");
    until(&event_loop, || socket.bytes_to_write() == 0);
    let mut text = [0; 5];
    stream.read_exact(&mut text).unwrap();
    drop(stream);
    until(&event_loop, || socket.state() == SocketState::Unconnected);
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    next(&event_loop, &server);
}

#[test]
fn no_slot_runs_afterwards() {
    let (event_loop, _server, socket, far, log) = connected();
    socket.write(b"unsent until now");
    let mut stream = socket.into_std().unwrap();
    until(&event_loop, || far.bytes_available() == 16);
    far.write(b"more");
    far.disconnect_from_host();
    settle(&event_loop);
    assert_eq!(log.take(), "");
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    drop(stream);
    settle(&event_loop);
    assert_eq!((log.take().as_str(), text.as_str()), ("", "more"));
}

/// The loop neither keeps the descriptor nor looks after another one that gets its number.
#[test]
fn the_loop_forgets_the_descriptor() {
    let (event_loop, _server, socket, far, log) = connected();
    let stream = socket.into_std().unwrap();
    let link = std::fs::read_link(Path::new("/proc/self/fd").join(stream.as_raw_fd().to_string())).unwrap();
    let same = |link: &Path| {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
        entries.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|other| other == link)).count()
    };
    assert_eq!(same(&link), 1);
    assert_eq!(event_loop.finish(Duration::ZERO).unwrap(), 0);
    drop(stream);
    assert_eq!(same(&link), 0);
    until(&event_loop, || far.state() == SocketState::Unconnected);
    assert_eq!(log.take(), "");
}

/// What the stream does not read is no business of the loop.
#[test]
fn the_loop_sleeps_though_the_stream_has_unread_bytes() {
    let (event_loop, _server, socket, far, _log) = connected();
    let stream = socket.into_std().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    far.write(b"x");
    until(&event_loop, || far.bytes_to_write() == 0);
    assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
    settle(&event_loop);
    assert_sleeps(&event_loop);
}

#[test]
fn the_stream_outlives_the_loop() {
    let (event_loop, server, socket, far, _log) = connected();
    let (mut near, mut far) = (socket.into_std().unwrap(), far.into_std().unwrap());
    drop((event_loop, server));
    near.write_all(b"hello").unwrap();
    drop(near);
    let mut text = String::new();
    far.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

#[test]
fn with_unread_bytes_the_socket_comes_back_and_goes_on() {
    let (event_loop, _server, socket, far, log) = connected();
    far.write(b"unread");
    until(&event_loop, || socket.bytes_available() == 6);
    assert_eq!(log.take(), "ready");
    let rejected = socket.into_std().unwrap_err();
    assert_eq!(
        (rejected.error.kind(), rejected.error.to_string().contains("6 bytes")),
        (SocketError::Operation, true)
    );
    let socket = rejected.value;
    far.write(b" and more");
    until(&event_loop, || socket.bytes_available() == 15);
    assert_eq!((socket.read_all(), log.take().as_str()), (b"unread and more".to_vec(), "ready"));
    socket.write(b"goes on");
    until(&event_loop, || far.bytes_available() == 7);
    assert!(socket.into_std().is_ok());
}

#[test]
fn with_unsent_bytes_the_socket_comes_back_and_sends_them() {
    let (event_loop, _server, socket, far, log) = connected();
    let length = 16 << 20;
    socket.write(&vec![7; length]);
    let socket = socket.into_std().unwrap_err().value;
    assert_eq!(socket.state(), SocketState::Connected);
    let mut received = 0;
    until(&event_loop, || {
        received += far.read_all().len();
        received == length
    });
    until(&event_loop, || socket.bytes_to_write() == 0);
    settle(&event_loop);
    assert!(log.take().contains("bytes"));
    assert!(socket.into_std().is_ok());
}

#[test]
fn without_a_connection_the_socket_comes_back() {
    let (event_loop, server, socket, _log) = World::Os.outgoing();
    let socket = socket.into_std().unwrap_err().value;
    socket.bind("127.0.0.1:0").unwrap();
    let socket = socket.into_std().unwrap_err().value;
    assert_eq!(socket.state(), SocketState::Bound);
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    let socket = socket.into_std().unwrap_err().value;
    until(&event_loop, || socket.state() == SocketState::Connected);
    let far = next(&event_loop, &server);
    drop(far);
    until(&event_loop, || socket.state() == SocketState::Unconnected);
    assert_eq!(socket.into_std().unwrap_err().error.kind(), SocketError::Operation);
}

#[test]
fn a_standalone_socket_becomes_a_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpSocket::standalone();
    socket.connect_to_host("localhost", listener.local_addr().unwrap().port()).unwrap();
    assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
    let mut stream = socket.into_std().unwrap();
    stream.write_all(b"hello").unwrap();
    drop(stream);
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}
