//! What was written arrives and the end is told, whatever slots do meanwhile and however the peer sends and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;
use support::{Arrived, Client, LIMIT, Log, World, settle, until};
use vestibule::{EventLoop, SocketError, SocketState, TcpSocket};

/// The one owner of a socket, for a slot to drop.
type Owner = Rc<RefCell<Option<TcpSocket>>>;

/// Bytes that the network takes at once, and that are too many for closing at once.
fn at_once(world: &World) -> Vec<u8> {
    vec![7; if matches!(world, World::Os) { 1_000_000 } else { 60_000 }]
}

/// Bytes of which the network takes only a part while nobody reads.
fn too_many(world: &World) -> Vec<u8> {
    vec![1; if matches!(world, World::Os) { 16 << 20 } else { 1 << 20 }]
}

/// Connects a slot of `ready_read` that can drop the socket's owner.
fn with_owner(socket: TcpSocket, slot: impl Fn(&TcpSocket, &Owner) + 'static) -> Owner {
    let owner = Owner::default();
    let weak = Rc::downgrade(&owner);
    socket.ready_read().connect(move |socket| slot(socket, &weak.upgrade().unwrap()));
    *owner.borrow_mut() = Some(socket);
    owner
}

/// Steps 3 to 5 of the first tests.
fn sends_more_and_reads(world: &World, event_loop: &EventLoop, client: &mut Client, expected: &[u8]) {
    client.send(event_loop, b"more");
    if matches!(world, World::Os) {
        client.shut_down(); // so that the lingering need not run out, which takes no time in the simulation
    }
    assert_eq!(event_loop.finish(LIMIT).unwrap(), 0);
    let (all, last) = client.receive_all(event_loop);
    assert_eq!((all.len(), last), (expected.len(), Arrived::End));
    assert!(all == expected);
}

on_both! {
    /// 1. The peer sends something.
    /// 2. In `ready_read` it is read, answered, and the connection ended: it lingers.
    /// 3. The peer sends more.
    /// 4. That is discarded until the lingering is over.
    /// 5. Only then the peer reads.
    fn what_was_written_before_the_end_in_ready_read_arrives_though_the_peer_sends_more(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let answer = at_once(world);
        let bytes = answer.clone();
        socket.ready_read().connect(move |socket| {
            socket.read_all();
            if socket.write(&bytes) > 0 {
                socket.disconnect_from_host();
            }
        });
        client.send(&event_loop, b"0123456789");
        until(&event_loop, || socket.state() != SocketState::Connected);
        sends_more_and_reads(world, &event_loop, &mut client, &answer);
    }

    /// As above, with 2. the owner dropped in `ready_read`.
    fn what_was_written_before_the_drop_in_ready_read_arrives_though_the_peer_sends_more(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let answer = at_once(world);
        let bytes = answer.clone();
        let owner = with_owner(socket, move |socket, owner| {
            socket.read_all();
            socket.write(&bytes);
            drop(owner.take());
        });
        client.send(&event_loop, b"0123456789");
        until(&event_loop, || owner.borrow().is_none());
        sends_more_and_reads(world, &event_loop, &mut client, &answer);
    }

    /// As above, with 2. the connection ended outside of any slot, and what was received read after that.
    fn reading_after_the_end_does_not_stop_the_lingering(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let answer = at_once(world);
        client.send(&event_loop, b"0123456789");
        until(&event_loop, || socket.bytes_available() == 10);
        socket.write(&answer);
        socket.disconnect_from_host();
        assert_eq!(socket.read_all(), b"0123456789");
        sends_more_and_reads(world, &event_loop, &mut client, &answer);
    }

    /// 1. The peer sends and does not read.
    /// 2. A wait finds the socket readable and writable.
    /// 3. It sends first, which `bytes_written` tells, whose slot writes so much that nothing is received for
    ///    now.
    fn a_wait_invents_no_end_when_a_slot_writes_too_much_for_receiving(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let (bytes, once) = (too_many(world), Cell::new(true));
        let expected = bytes.len() + 1;
        socket.bytes_written().connect(move |socket, _| {
            if once.replace(false) {
                socket.write(&bytes);
            }
        });
        client.send(&event_loop, b"hello");
        socket.write(b"x");
        let waited = socket.wait_for_ready_read(Some(Duration::from_millis(50)));
        assert!(waited.is_ok(), "{waited:?}");
        assert_eq!(socket.state(), SocketState::Connected);
        assert_ne!(socket.error(), SocketError::RemoteHostClosed);
        assert_eq!(client.receive(&event_loop, expected).len(), expected);
        until(&event_loop, || socket.bytes_available() == 5);
        assert_eq!(socket.state(), SocketState::Connected);
    }

    /// As above, with 3. a slot that makes the read buffer smaller than what it holds.
    fn a_wait_invents_no_end_when_a_slot_shrinks_the_read_buffer(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        client.send(&event_loop, b"1234");
        until(&event_loop, || socket.bytes_available() == 4);
        socket.bytes_written().connect(|socket, _| socket.set_read_buffer_size(4));
        client.send(&event_loop, b"567");
        socket.write(b"x");
        let _ = socket.wait_for_ready_read(Some(Duration::from_millis(50)));
        assert_eq!(socket.state(), SocketState::Connected);
        assert_ne!(socket.error(), SocketError::RemoteHostClosed);
        socket.set_read_buffer_size(0);
        until(&event_loop, || socket.bytes_available() == 7);
        assert_eq!((socket.read_all(), socket.state()), (b"1234567".to_vec(), SocketState::Connected));
    }

    /// 1. The peer begins to send much.
    /// 2. In `ready_read` so much is written that most of it waits, and the connection is ended.
    /// 3. The peer goes on sending to its end and only then reads: it must not wait for ever.
    fn a_socket_that_is_closing_discards_what_the_peer_sends_until_it_reads(world: &World) {
        for keep in [true, false] {
            let (event_loop, _server, socket, mut client) = world.pair();
            let (bytes, once) = (too_many(world), Cell::new(true));
            let answer = bytes.len();
            let _owner = with_owner(socket, move |socket, owner| {
                if once.replace(false) {
                    socket.write(&bytes);
                    socket.disconnect_from_host();
                    let taken = if keep { None } else { owner.take() };
                    drop(taken);
                }
            });
            let upload = vec![2; answer * 2];
            client.send(&event_loop, &upload);
            let (all, last) = client.receive_all(&event_loop);
            assert_eq!((all.len(), last), (answer, Arrived::End), "kept: {keep}");
        }
    }

    /// 1. The peer ends.
    /// 2. A slot that is told so panics, which comes out.
    /// 3. Later turns tell the rest.
    fn a_panic_in_a_slot_that_is_told_the_end_delays_the_rest_only(world: &World) {
        for in_finished in [true, false] {
            let (event_loop, _server, socket, client) = world.pair();
            let log = Log::default();
            log.follow(&socket);
            if in_finished {
                socket.read_channel_finished().connect(|_| resume_unwind(Box::new("boom")));
            } else {
                socket.error_occurred().connect(|_, _| resume_unwind(Box::new("boom")));
            }
            client.shut_down();
            let turns = || until(&event_loop, || socket.state() == SocketState::Unconnected);
            assert!(catch_unwind(AssertUnwindSafe(turns)).is_err());
            assert_eq!(socket.state(), SocketState::Connected);
            until(&event_loop, || socket.state() == SocketState::Unconnected);
            settle(&event_loop);
            assert_eq!(log.take(), "finished RemoteHostClosed closing unconnected gone", "{in_finished}");
        }
    }

    /// 1. The peer ends.
    /// 2. A slot of `bytes_written` takes turns, in which the end arrives.
    /// 3. It is told when that slot is over: writing is still possible then.
    fn last_words_are_said_also_when_the_end_came_in_a_nested_turn(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        let (lp, once) = (event_loop.clone(), Cell::new(true));
        socket.bytes_written().connect(move |_, _| {
            if once.replace(false) {
                settle(&lp);
            }
        });
        let said = Rc::new(Cell::new(None));
        let number = Rc::clone(&said);
        socket.read_channel_finished().connect(move |socket| number.set(Some(socket.write(b"bye"))));
        socket.write(b"x");
        client.shut_down();
        until(&event_loop, || said.get().is_some());
        assert_eq!(said.get(), Some(3));
        assert_eq!(client.receive_to_end(&event_loop), b"xbye");
    }

    /// 1. A socket with something unsent is appended by hand.
    /// 2. That leaves.
    /// 3. The peer reads it and resets.
    /// 4. More is written, which fails.
    /// 5. The socket is handed out.
    /// 6. Turns tell everything.
    fn of_a_pending_socket_everything_is_told_once_it_is_taken(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        let log = Log::default();
        log.follow(&socket);
        let weak = socket.downgrade();
        socket.write(b"greeting");
        server.add_pending_connection(socket).unwrap();
        assert_eq!(client.receive(&event_loop, 8), b"greeting");
        settle(&event_loop);
        assert_eq!(log.take(), "", "sent");
        weak.with(|socket| socket.write(b"second"));
        client.reset();
        settle(&event_loop);
        weak.with(|socket| socket.write(b"third"));
        settle(&event_loop);
        assert_eq!(log.take(), "", "reset");
        let socket = server.next_pending_connection().unwrap();
        assert_eq!((log.take().as_str(), socket.state()), ("", SocketState::Connected));
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        settle(&event_loop);
        let told = log.take();
        assert!(told.starts_with("bytes "), "{told}");
        assert!(told.ends_with("RemoteHostClosed closing unconnected finished gone"), "{told}");
    }
}
