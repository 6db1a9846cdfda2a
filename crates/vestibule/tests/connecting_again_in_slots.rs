//! One object is connected again in its own slots: what was asked for meanwhile holds, and what is told stays true.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use support::{LIMIT, Log, World, all_of, next, settle, until};
use vestibule::{SocketError, SocketState, TcpSocket};

const BEGUN: &str = "looking up the host connecting found";

on_both! {
    /// 1. In `connected` of the first attempt its connection is aborted, and a second one begun.
    /// 2. In the same slot the good-bye is said, which is that of the second.
    fn a_good_bye_to_the_second_attempt_in_connected_of_the_first_is_remembered(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let (port, once) = (server.server_port(), Cell::new(true));
        socket.connected().connect(move |socket| {
            if once.replace(false) {
                socket.abort();
                socket.connect_to_host("127.0.0.1", port).unwrap();
                socket.write(b"bye");
                socket.disconnect_from_host();
            }
        });
        socket.connect_to_host("127.0.0.1", port).unwrap();
        until(&event_loop, || log.len() > 13 && socket.state() == SocketState::Unconnected);
        let told = log.take();
        assert_eq!(told.matches("stands").count(), 2, "{told}");
        assert!(told.ends_with("unconnected finished gone"), "{told}");
        let arrived: Vec<_> = (0..2).map(|_| all_of(&event_loop, &next(&event_loop, &server))).collect();
        assert!(arrived.contains(&b"bye".to_vec()), "{arrived:?}");
    }

    /// 1. A slot of the state `Connected` panics, before `connected` was told and the good-bye of earlier was heeded.
    /// 2. Both happen in the next turns.
    fn a_panic_in_the_state_connected_loses_neither_connected_nor_the_remembered_end(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        socket.state_changed().connect(|_, state| assert!(state != SocketState::Connected, "slot"));
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        socket.write(b"x");
        socket.disconnect_from_host();
        let panicked = catch_unwind(AssertUnwindSafe(|| until(&event_loop, || false))).unwrap_err();
        assert_eq!(panicked.downcast_ref(), Some(&"slot"));
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert_eq!(log.take(), format!("{BEGUN} connected stands closing bytes unconnected finished gone"));
        assert_eq!(all_of(&event_loop, &next(&event_loop, &server)), b"x");
    }

    /// 1. The connection of a socket that belongs to its server breaks.
    /// 2. While that is told, a slot begins another attempt, and may wait for it. It fails.
    /// 3. That is told too, and then the server lets the socket go.
    fn a_socket_with_a_parent_hears_the_end_of_the_attempt_it_makes(world: &World) {
        for waits in [false, true] {
            let (event_loop, server, socket, client) = world.pair();
            let (refusing, once, log) = (world.refusing(), Cell::new(true), Log::default());
            let port = refusing.port;
            socket.state_changed().connect(move |socket, state| {
                if state == SocketState::Unconnected && once.replace(false) {
                    socket.connect_to_host("127.0.0.1", port).unwrap();
                    assert!(!waits || socket.wait_for_connected(Some(LIMIT)).is_err());
                }
            });
            log.follow_from_the_start(&socket);
            let weak = socket.downgrade();
            socket.set_parent(&server);
            client.reset();
            until(&event_loop, || weak.with(|_| ()).is_none());
            let told = log.take();
            assert!(told.ends_with(&format!("finished gone {BEGUN} unconnected ConnectionRefused")), "{told}");
        }
    }

    /// 1. A connection breaks. In the first slot that hears of it the socket is connected again.
    /// 2. The slots that are told the rest of the end see who the peer was.
    fn the_slots_of_an_end_see_the_old_peer_though_one_has_connected_again(world: &World) {
        let (event_loop, server, socket, client) = world.pair();
        let (port, once) = (server.server_port(), Cell::new(true));
        let old = socket.peer_addr().unwrap();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let see = |word: &'static str| {
            let seen = Rc::clone(&seen);
            move |socket: &TcpSocket| seen.borrow_mut().push((word.to_owned(), socket.peer_addr()))
        };
        socket.error_occurred().connect(move |socket, error| {
            assert_eq!((error, socket.peer_addr()), (SocketError::RemoteHostClosed, Some(old)));
            if once.replace(false) {
                socket.connect_to_host("127.0.0.1", port).unwrap();
                assert_eq!(socket.peer_addr(), Some(old), "its end is being told");
            }
        });
        let states = Rc::clone(&seen);
        socket.state_changed().connect(move |socket, state| {
            states.borrow_mut().push((state.to_string(), socket.peer_addr()));
        });
        socket.read_channel_finished().connect(see("finished"));
        socket.disconnected().connect(see("gone"));
        socket.connected().connect(see("stands"));
        client.reset();
        until(&event_loop, || seen.borrow().last().is_some_and(|(word, _)| word == "stands"));
        settle(&event_loop);
        let new = Some(next(&event_loop, &server).local_addr().unwrap());
        let expected = [
            ("closing", Some(old)), ("unconnected", Some(old)), ("finished", Some(old)), ("gone", Some(old)),
            ("looking up the host", None), ("connecting", None), ("connected", new), ("stands", new),
        ];
        assert_eq!(*seen.borrow(), expected.map(|(word, peer)| (word.to_owned(), peer)));
    }
}
