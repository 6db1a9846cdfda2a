//! What holds on the operating system alone: descriptors, flags, threads, and adoption.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_getfd};
use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use support::{World, settle, until};
use vestibule::{
    EventLoop, HostAddress, IncomingConnection, ListenOptions, SocketError, TcpServer, TcpSocket,
};

#[test]
fn accepted_descriptors_are_close_on_exec_and_blocking_only_for_a_hook() {
    let (event_loop, server) = World::Os.server();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    server.set_incoming_connection(move |_, connection| {
        let blocking = !fcntl_getfl(&connection).unwrap().contains(OFlags::NONBLOCK);
        let closes = fcntl_getfd(&connection).unwrap().contains(FdFlags::CLOEXEC);
        log.borrow_mut().push((blocking, closes));
    });
    let _client = World::Os.connect(server.server_port());
    until(&event_loop, || seen.borrow().len() == 1);
    assert_eq!(*seen.borrow(), [(true, true)]);
    let listener = server.socket_descriptor().unwrap();
    assert!(fcntl_getfd(&listener).unwrap().contains(FdFlags::CLOEXEC));
}

#[test]
fn an_incoming_connection_knows_both_ends() {
    for address in [HostAddress::LOCALHOST, HostAddress::ANY] {
        let event_loop = EventLoop::new().unwrap();
        let server = TcpServer::new(&event_loop);
        server.listen(address, 0).unwrap();
        let seen = Rc::new(Cell::new(None));
        let log = Rc::clone(&seen);
        server.set_incoming_connection(move |_, connection| {
            log.set(Some((connection.peer_addr(), connection.local_addr())));
        });
        let client = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
        until(&event_loop, || seen.get().is_some());
        let (peer, local) = seen.get().unwrap();
        assert_eq!(HostAddress::from(peer).to_canonical(), HostAddress::LOCALHOST);
        assert_eq!(peer.port(), client.local_addr().unwrap().port());
        assert_eq!(local.unwrap().port(), server.server_port());
        assert_eq!(HostAddress::from(local.unwrap()).to_canonical(), HostAddress::LOCALHOST);
    }
}

#[test]
fn connections_are_served_in_other_threads_by_sockets_made_there() {
    let (event_loop, server) = World::Os.server();
    let (to_worker, from_main) = mpsc::channel();
    let worker = thread::spawn(move || {
        let event_loop = EventLoop::new().unwrap();
        let (in_slot, sockets) = (event_loop.clone(), Rc::new(RefCell::new(Vec::new())));
        let here = Rc::clone(&sockets);
        let sender = event_loop.channel(move |connection: IncomingConnection| {
            let socket = TcpSocket::from_incoming(&in_slot, connection);
            socket.write(format!("thread {:?}\n", thread::current().id()).as_bytes());
            socket.ready_read().connect(|socket| {
                socket.read_with(|bytes| socket.write(bytes));
            });
            here.borrow_mut().push(socket);
        });
        to_worker.send((sender, event_loop.handle(), thread::current().id())).unwrap();
        event_loop.run().unwrap();
        sockets.take().len()
    });
    let (sender, handle, id) = from_main.recv().unwrap();
    server.set_incoming_connection(move |_, connection| sender.send(connection).unwrap());
    for _ in 0..20 {
        let mut client = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
        client.set_read_timeout(Some(support::LIMIT)).unwrap();
        let expected = format!("thread {id:?}\nping");
        client.write_all(b"ping").unwrap();
        settle(&event_loop);
        let mut text = vec![0; expected.len()];
        client.read_exact(&mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
    handle.quit();
    assert_eq!(worker.join().unwrap(), 20);
}

#[test]
fn a_connection_becomes_a_blocking_stream_of_std() {
    let (event_loop, server) = World::Os.server();
    let (send, receive) = mpsc::channel::<IncomingConnection>();
    server.set_incoming_connection(move |_, connection| send.send(connection).unwrap());
    let echo = thread::spawn(move || {
        let mut stream = TcpStream::from(receive.recv().unwrap());
        let mut four = [0; 4];
        stream.read_exact(&mut four).unwrap();
        stream.write_all(&four).unwrap();
    });
    let mut client = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    settle(&event_loop);
    client.write_all(b"ping").unwrap();
    let mut four = [0; 4];
    client.read_exact(&mut four).unwrap();
    echo.join().unwrap();
    assert_eq!(&four, b"ping");
}

#[test]
fn a_listening_descriptor_is_adopted_and_others_come_back() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    server.set_socket_descriptor(listener.into()).unwrap();
    assert_eq!((server.server_port(), server.server_address()), (port, HostAddress::LOCALHOST));
    let _client = World::Os.connect(port);
    until(&event_loop, || server.has_pending_connections());

    let second = TcpListener::bind("[::1]:0").unwrap();
    let error = server.set_socket_descriptor(second.into()).unwrap_err();
    assert!(error.is_already_listening());
    let second = error.into_descriptor().unwrap();
    server.close();
    server.set_socket_descriptor(second).unwrap();
    assert_eq!(server.server_address(), HostAddress::LOCALHOST_IPV6);
    server.close();

    let directory = std::env::temp_dir().join(format!("vestibule-{}", std::process::id()));
    let local = std::os::unix::net::UnixListener::bind(&directory).unwrap();
    std::fs::remove_file(&directory).unwrap();
    let number = local.as_raw_fd();
    let error = server.set_socket_descriptor(local.into()).unwrap_err();
    assert_eq!(error.kind(), SocketError::UnsupportedSocketOperation);
    assert_eq!(error.into_descriptor().unwrap().as_raw_fd(), number);
    assert!(!server.is_listening());
}

#[test]
fn a_connected_descriptor_is_adopted_and_others_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, peer) = listener.accept().unwrap();
    let event_loop = EventLoop::new().unwrap();
    let error = TcpSocket::from_descriptor(&event_loop, listener.into()).unwrap_err();
    assert_eq!(error.kind(), SocketError::UnsupportedSocketOperation);
    assert!(error.into_descriptor().is_some());
    let socket = TcpSocket::from_descriptor(&event_loop, stream.into()).unwrap();
    assert_eq!(socket.peer_addr(), Some(peer));
    socket.write(b"adopted");
    socket.disconnect_from_host();
    settle(&event_loop);
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "adopted");
}

/// 1. The program keeps a duplicate of a connection's descriptor.
/// 2. The socket closes: the duplicate keeps the kernel's socket open, so that closing does not end its
///    registration.
/// 3. The peer sends: nothing may spin.
#[test]
fn a_duplicated_descriptor_does_not_make_the_loop_spin() {
    let (event_loop, server) = World::Os.server();
    let copies: Rc<RefCell<Vec<OwnedFd>>> = Rc::default();
    let (kept, on_loop) = (Rc::clone(&copies), event_loop.clone());
    let sockets = Rc::new(RefCell::new(Vec::new()));
    let made = Rc::clone(&sockets);
    server.set_incoming_connection(move |_, connection| {
        kept.borrow_mut().push(connection.as_fd().try_clone_to_owned().unwrap());
        made.borrow_mut().push(TcpSocket::from_incoming(&on_loop, connection));
    });
    let mut client = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    until(&event_loop, || !sockets.borrow().is_empty());
    settle(&event_loop);
    let socket = sockets.borrow_mut().pop().unwrap();
    socket.abort();
    drop(socket);
    client.write_all(b"to nobody").unwrap();
    let begun = std::time::Instant::now();
    event_loop.process_events(Some(Duration::from_millis(60))).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(60), "a stale event woke the loop");
}

#[test]
fn a_standalone_server_works_without_a_loop() {
    let server = TcpServer::standalone().unwrap();
    server.listen(HostAddress::ANY, 0).unwrap();
    let port = server.server_port();
    let clients = thread::spawn(move || {
        (0..30)
            .map(|_| {
                let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
                client.write_all(b"hello, nobody reads this").unwrap();
                let mut text = String::new();
                client.read_to_string(&mut text).unwrap();
                text
            })
            .collect::<Vec<_>>()
    });
    let mut served = 0;
    while served < 30 {
        assert!(server.wait_for_new_connection(Some(support::LIMIT)).unwrap());
        while let Some(socket) = server.next_pending_connection() {
            socket.write(b"hungry again\n");
            served += 1;
        }
    }
    // The last ones may still linger: the wait sees to them.
    assert!(!server.wait_for_new_connection(Some(Duration::from_millis(20))).unwrap());
    assert!(clients.join().unwrap().iter().all(|text| text == "hungry again\n"));
}

#[test]
fn a_port_in_use_is_refused_and_one_in_time_wait_is_not() {
    let (event_loop, server) = World::Os.server();
    let port = server.server_port();
    let other = TcpServer::new(&event_loop);
    let error = other.listen(HostAddress::LOCALHOST, port).unwrap_err();
    assert_eq!(error.kind(), SocketError::AddressInUse);
    assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{port}: address already in use"));
    assert!(other.socket_descriptor().is_none() && !other.is_listening());
    // This side ends first, so this side's port waits.
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    until(&event_loop, || server.has_pending_connections());
    drop(server.next_pending_connection());
    client.read_to_end(&mut Vec::new()).unwrap();
    drop((client, server));
    other.listen(HostAddress::LOCALHOST, port).unwrap();
}

#[test]
fn ports_are_shared_only_when_asked() {
    let event_loop = EventLoop::new().unwrap();
    let (first, second) = (TcpServer::new(&event_loop), TcpServer::new(&event_loop));
    first.listen_with(ListenOptions::new((HostAddress::LOCALHOST, 0)).reuse_port(true)).unwrap();
    let there = (HostAddress::LOCALHOST, first.server_port());
    second.listen(there.0, there.1).unwrap_err();
    second.listen_with(ListenOptions::new(there).reuse_port(true)).unwrap();
}

#[test]
fn no_delay_is_inherited_from_the_listener() {
    for no_delay in [true, false] {
        let event_loop = EventLoop::new().unwrap();
        let server = TcpServer::new(&event_loop);
        server.listen_with(ListenOptions::new((HostAddress::LOCALHOST, 0)).no_delay(no_delay)).unwrap();
        let seen = Rc::new(Cell::new(None));
        let log = Rc::clone(&seen);
        server.set_incoming_connection(move |_, connection| {
            log.set(rustix::net::sockopt::tcp_nodelay(&connection).ok());
        });
        let _client = World::Os.connect(server.server_port());
        until(&event_loop, || seen.get().is_some());
        assert_eq!(seen.get(), Some(no_delay));
    }
}

/// The runtime of Rust ignores SIGPIPE, so a handler notes it instead.
#[test]
fn writing_to_a_dead_peer_raises_no_signal() {
    let raised = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGPIPE, Arc::clone(&raised)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let same = stream.try_clone().unwrap();
    same.shutdown(Shutdown::Write).unwrap(); // sending fails with EPIPE from now on
    let event_loop = EventLoop::new().unwrap();
    let socket = TcpSocket::from_descriptor(&event_loop, stream.into()).unwrap();
    assert_eq!(socket.write(b"gathered"), 8);
    settle(&event_loop);
    assert_eq!(socket.error(), SocketError::RemoteHostClosed);
    assert!(!raised.load(Ordering::SeqCst));
    // The control: without the library's care the signal does come. (std takes the same care.)
    let _ = rustix::io::write(&same, b"plain");
    assert!(raised.load(Ordering::SeqCst));
}
