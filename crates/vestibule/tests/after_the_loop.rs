//! What goes on when the loop or its handles are gone, when descriptors are shared, and when limits are extreme.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::{Arrived, LIMIT, Log, World, until};
use vestibule::{EventLoop, TcpServer, TcpSocket};

/// More than the network takes while nobody reads.
fn too_many(world: &World) -> Vec<u8> {
    vec![3; if matches!(world, World::Os) { 16 << 20 } else { 200_000 }]
}

/// A loop that finds something in every turn does not wait, and burns a core. A busy machine only waits longer.
fn assert_rests(event_loop: &EventLoop) {
    for _ in 0..5 {
        event_loop.process_events(Some(Duration::from_millis(2))).unwrap(); // what is really to be done
    }
    let begun = Instant::now();
    for _ in 0..5 {
        event_loop.process_events(Some(Duration::from_millis(20))).unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(80), "five turns took {:?}", begun.elapsed());
}

/// A server that has adopted the listener, and takes part in the loop.
fn adopt(event_loop: &EventLoop, listener: OwnedFd) -> TcpServer {
    let server = TcpServer::new(event_loop);
    server.set_socket_descriptor(listener).unwrap();
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    server
}

on_both! {
    /// 1. The loop and the server are gone.
    /// 2. A wait of the socket runs a slot, which writes and drops the owner.
    fn what_a_slot_of_a_wait_wrote_leaves_though_nobody_takes_turns_any_more(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        drop(server);
        drop(event_loop);
        let owner: Rc<RefCell<Option<TcpSocket>>> = Rc::default();
        let weak_owner = Rc::downgrade(&owner);
        socket.ready_read().connect(move |socket| {
            socket.read_all();
            assert_eq!(socket.write(b"goodbye"), 7);
            let owner = weak_owner.upgrade().unwrap().take();
            drop(owner);
        });
        let weak = socket.downgrade();
        *owner.borrow_mut() = Some(socket);
        assert_eq!(client.try_send(b"hi").unwrap(), 2);
        let _ = weak.with(|socket| socket.wait_for_ready_read(Some(LIMIT)));
        assert!(owner.borrow().is_none(), "the slot has run");
        assert_eq!(client.receive_to_end(&world.event_loop()), b"goodbye");
    }

    /// 1. A socket has more to send than the network takes, and is dropped.
    /// 2. The peer reads what is under way, so that there is room again.
    /// 3. The last handle of the loop is dropped before any turn was told of the room.
    fn dropping_the_loop_sends_what_now_fits(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let all = too_many(world);
        socket.write(&all);
        socket.flush();
        let under_way = all.len() - socket.bytes_to_write();
        assert!(under_way < all.len());
        drop(socket);
        let (mut received, begun) = (0, Instant::now());
        while received < under_way {
            match client.look() {
                Arrived::Bytes(bytes) => received += bytes.len(),
                Arrived::Nothing => std::thread::yield_now(),
                other => panic!("{other:?} after {received} bytes"),
            }
            assert!(begun.elapsed() < LIMIT, "only {received} of {under_way} bytes came");
        }
        assert_eq!(client.look(), Arrived::Nothing);
        drop(event_loop);
        let (more, _) = client.receive_all(&world.event_loop());
        assert!(!more.is_empty());
    }

    fn a_dropped_socket_with_unsent_bytes_counts_once(world: &World) {
        let (event_loop, _server, pairs) = world.pairs(2);
        let mut clients = Vec::new();
        for (number, (socket, client)) in (1..).zip(pairs) {
            socket.write(&too_many(world));
            drop(socket);
            assert_eq!(event_loop.finish(Duration::ZERO).unwrap(), number);
            clients.push(client);
        }
    }

    fn delays_and_limits_without_bound_are_accepted(world: &World) {
        let (event_loop, server, mut pairs) = world.pairs(3);
        let once = event_loop.single_shot(Duration::MAX, |_| panic!("at the end of time"));
        let every = event_loop.start_timer(Duration::MAX, |_| panic!("at the end of time"));
        event_loop.set_send_patience(Duration::MAX);
        event_loop.set_linger_limits(Duration::MAX, u32::MAX);

        let (dropped, far_of_dropped) = pairs.remove(0);
        dropped.write(&too_many(world));
        drop(dropped);
        event_loop.process_events(Some(Duration::ZERO)).unwrap();

        let (lingering, mut far) = pairs.remove(0);
        far.send(&event_loop, b"unread");
        lingering.write(&vec![1; 20_000]); // too much for closing at once
        lingering.disconnect_from_host();
        assert_eq!(far.receive_to_end(&event_loop), vec![1; 20_000]);
        drop((far, far_of_dropped));
        assert_eq!(event_loop.finish(Duration::MAX).unwrap(), 0);

        let (socket, mut far) = pairs.remove(0);
        socket.write(b"x");
        assert!(socket.wait_for_bytes_written(Some(Duration::MAX)).unwrap());
        assert_eq!(far.receive(&event_loop, 1), b"x");
        far.send(&event_loop, b"y");
        assert!(socket.wait_for_ready_read(Some(Duration::MAX)).unwrap());
        far.shut_down();
        assert!(socket.wait_for_disconnected(Some(Duration::MAX)).unwrap());
        let _waiting = world.connect(server.server_port());
        assert!(server.wait_for_new_connection(Some(Duration::MAX)).unwrap());

        let ran = Rc::new(Cell::new(false));
        let seen = Rc::clone(&ran);
        event_loop.single_shot(Duration::from_millis(1), move |_| seen.set(true));
        for _ in 0..100 {
            if !ran.get() {
                event_loop.process_events(Some(Duration::MAX)).unwrap();
            }
        }
        assert!(ran.get());
        assert!(event_loop.kill_timer(once) && event_loop.kill_timer(every));
    }
}

/// 1. A server adopts a listener of which somebody holds another descriptor.
/// 2. It closes.
/// 3. A client connects to what still listens: that is nobody's business here.
#[test]
fn a_closed_listener_that_lives_elsewhere_does_not_wake_the_loop() {
    let event_loop = EventLoop::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = listener.try_clone().unwrap();
    let server = adopt(&event_loop, listener.into());
    server.close();
    let _client = TcpStream::connect(elsewhere.local_addr().unwrap()).unwrap();
    assert_rests(&event_loop);
}

/// As above, with 1. a copy of the server's own descriptor, and that descriptor itself.
#[test]
fn a_closed_listener_whose_descriptor_was_taken_does_not_wake_the_loop() {
    for copied in [true, false] {
        let (event_loop, server) = World::Os.server();
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        let own = server.socket_descriptor().unwrap();
        let copy = copied.then(|| own.try_clone().unwrap());
        let own = (!copied).then_some(own);
        let port = server.server_port();
        server.close();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_rests(&event_loop);
        drop((own, copy));
    }
}

/// 1. A server adopts a listener of which somebody holds another descriptor.
/// 2. It closes.
/// 3. It adopts a copy, which gets the number of the first one.
/// 4. A client connects.
#[test]
fn a_listener_that_was_closed_can_be_adopted_again() {
    let event_loop = EventLoop::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = listener.try_clone().unwrap();
    let server = adopt(&event_loop, listener.into());
    let log = Log::default();
    let words = log.clone();
    server.accept_error().connect(move |_, error| words.add(format!("{error:?}")));
    for _ in 0..3 {
        server.close();
        server.set_socket_descriptor(elsewhere.try_clone().unwrap().into()).unwrap();
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        let _client = TcpStream::connect(elsewhere.local_addr().unwrap()).unwrap();
        until(&event_loop, || server.has_pending_connections());
        drop(server.next_pending_connection());
    }
    assert_eq!(log.take(), "");
}

/// 1. The peer of a half-open socket ends.
/// 2. Somebody who shares the descriptor ends the other direction, and the peer closes: from now on the
///    kernel tells that the connection is hung up.
#[test]
fn a_half_open_socket_that_is_hung_up_does_not_wake_the_loop() {
    let event_loop = EventLoop::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (connection, _) = listener.accept().unwrap();
    let shared = connection.try_clone().unwrap();
    let socket = TcpSocket::from_descriptor(&event_loop, connection.into()).unwrap();
    socket.set_half_open(true);
    let finished = Rc::new(Cell::new(false));
    let told = Rc::clone(&finished);
    socket.read_channel_finished().connect(move |_| told.set(true));
    client.shutdown(Shutdown::Write).unwrap();
    until(&event_loop, || finished.get());
    shared.shutdown(Shutdown::Write).unwrap();
    drop(client);
    assert_rests(&event_loop);
}

#[test]
fn a_loop_that_is_gone_does_not_come_back() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    drop(event_loop);
    let late = server.event_loop();
    assert!(late.handle().post(|_| ()).is_err());
    let sender = late.channel(|_: u8| ());
    assert_eq!(sender.send(7).unwrap_err().into_inner(), 7);
    drop((sender, late));
    server.listen(vestibule::HostAddress::LOCALHOST, 0).unwrap();
    let _client = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap(), "waiting needs no loop");
}
