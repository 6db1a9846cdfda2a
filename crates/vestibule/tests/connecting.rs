//! Connecting out: what is told in which order, what may be done meanwhile, and that no attempt spoils another.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;
use support::{BlackHole, World, all_of, next, settle, until};
use vestibule::{HostAddress, SocketError, SocketState, TcpSocket};

/// What connecting to an address tells at once.
const BEGUN: &str = "looking up the host connecting found";

/// The simulated network takes bytes in several parts.
fn once(words: &str) -> String {
    let mut words: Vec<_> = words.split(' ').collect();
    words.dedup();
    words.join(" ")
}

fn is_connected(socket: &TcpSocket) -> bool {
    socket.state() == SocketState::Connected
}

fn is_over(socket: &TcpSocket) -> bool {
    socket.state() == SocketState::Unconnected
}

on_both! {
    fn a_new_socket_has_nothing_and_ending_it_tells_nothing(world: &World) {
        let (event_loop, _server, socket, log) = world.outgoing();
        assert_eq!((socket.state(), socket.error()), (SocketState::Unconnected, SocketError::Unknown));
        assert_eq!((socket.peer_name().as_str(), socket.peer_addr(), socket.local_addr()), ("", None, None));
        assert_eq!((socket.write(b"x"), socket.read_all(), socket.bytes_to_write()), (0, Vec::new(), 0));
        socket.disconnect_from_host();
        socket.close();
        socket.abort();
        settle(&event_loop);
        assert_eq!(log.take(), "");
    }

    fn an_address_is_found_in_the_call_and_the_connection_is_told_later(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        assert_eq!((log.take().as_str(), socket.state()), (BEGUN, SocketState::Connecting));
        assert_eq!((socket.peer_name().as_str(), socket.peer_addr(), socket.local_addr()), ("127.0.0.1", None, None));
        until(&event_loop, || is_connected(&socket));
        settle(&event_loop);
        assert_eq!(log.take(), "connected stands");
        let far = next(&event_loop, &server);
        assert_eq!(socket.peer_addr(), far.local_addr());
        assert_eq!(socket.local_addr(), far.peer_addr());
        assert_eq!((socket.peer_port(), socket.error()), (server.server_port(), SocketError::Unknown));
        far.write(b"hello");
        until(&event_loop, || socket.bytes_available() == 5);
    }

    fn the_state_and_the_addresses_are_known_in_the_slots(world: &World) {
        let (event_loop, server, socket, _log) = world.outgoing();
        socket.host_found().connect(|socket| assert_eq!(socket.state(), SocketState::Connecting));
        let port = server.server_port();
        socket.state_changed().connect(move |socket, state| {
            let known = state == SocketState::Connected;
            assert_eq!(socket.peer_port(), if known { port } else { 0 });
            assert_eq!(socket.local_port() != 0, known);
        });
        socket.connected().connect(|socket| assert!(is_connected(socket) && socket.peer_port() != 0));
        socket.connect_to_host("127.0.0.1", port).unwrap();
        until(&event_loop, || is_connected(&socket));
    }

    fn a_name_is_looked_up_first(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        socket.connect_to_host("localhost", server.server_port()).unwrap();
        if matches!(world, World::Os) {
            assert_eq!((log.len(), socket.state()), (1, SocketState::HostLookup));
        }
        until(&event_loop, || is_connected(&socket));
        assert_eq!(log.take(), format!("{BEGUN} connected stands"));
        assert_eq!((socket.peer_name().as_str(), socket.peer_address()), ("localhost", HostAddress::LOCALHOST));
    }

    fn whatever_prints_as_a_host_is_one(world: &World) {
        let (event_loop, server, socket, _log) = world.outgoing();
        let connect = |result: vestibule::Result<()>| {
            result.unwrap();
            until(&event_loop, || is_connected(&socket));
            assert_eq!(socket.peer_name(), "127.0.0.1");
            socket.abort();
        };
        connect(socket.connect_to_host(HostAddress::LOCALHOST, server.server_port()));
        connect(socket.connect_to_host(Ipv4Addr::LOCALHOST, server.server_port()));
        connect(socket.connect_to_host(String::from("127.0.0.1"), server.server_port()));
    }

    fn a_refusal_is_told_later_and_once_and_nothing_else_is(world: &World) {
        for host in ["127.0.0.1", "localhost"] {
            let (event_loop, _server, socket, log) = world.outgoing();
            socket.state_changed().connect(|socket, state| {
                let expected = if state == SocketState::Unconnected {
                    SocketError::ConnectionRefused
                } else {
                    SocketError::Unknown
                };
                assert_eq!(socket.error(), expected);
            });
            socket.error_occurred().connect(|socket, _| assert!(is_over(socket)));
            socket.connect_to_host(host, world.refusing().port).unwrap();
            assert!(!is_over(&socket));
            until(&event_loop, || is_over(&socket));
            settle(&event_loop);
            assert_eq!(log.take(), format!("{BEGUN} unconnected ConnectionRefused"));
            assert_eq!((socket.peer_name().as_str(), socket.peer_addr(), socket.local_addr()), (host, None, None));
            assert_eq!(socket.write(b"x"), 0);
        }
    }

    fn a_host_that_does_not_exist_is_told_later(world: &World) {
        for host in [String::new(), "two..dots".to_owned(), "nul\0".to_owned(), HostAddress::NULL.to_string()] {
            let (event_loop, _server, socket, log) = world.outgoing();
            socket.connect_to_host(&host, 80).unwrap();
            assert_eq!((log.take().as_str(), socket.state()), ("looking up the host", SocketState::HostLookup));
            until(&event_loop, || is_over(&socket));
            settle(&event_loop);
            assert_eq!((log.take().as_str(), socket.peer_name()), ("unconnected HostNotFound", host));
        }
    }

    fn what_is_written_before_arrives_in_order(world: &World) {
        for host in ["127.0.0.1", "localhost"] {
            let (event_loop, server, socket, log) = world.outgoing();
            socket.connected().connect(|socket| assert_eq!(socket.write(b" last"), 5));
            socket.connect_to_host(host, server.server_port()).unwrap();
            assert_eq!((socket.write(b"first"), socket.write(b" second")), (5, 7));
            assert_eq!(socket.bytes_to_write(), 12);
            socket.flush();
            assert_eq!((socket.bytes_to_write(), is_connected(&socket)), (12, false), "flush is harmless");
            let far = next(&event_loop, &server);
            until(&event_loop, || far.bytes_available() == 17);
            assert_eq!(far.read_all(), b"first second last");
            assert_eq!(once(&log.take()), format!("{BEGUN} connected stands bytes"));
        }
    }

    fn what_was_written_for_a_failed_attempt_is_lost_and_the_error_told_once(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        for (host, error) in [("127.0.0.1", "ConnectionRefused"), ("two..dots", "HostNotFound")] {
            socket.connect_to_host(host, world.refusing().port).unwrap();
            assert_eq!(socket.write(b"lost"), 4);
            until(&event_loop, || is_over(&socket));
            settle(&event_loop);
            assert!(log.take().ends_with(&format!(" unconnected {error}")));
            assert_eq!(socket.bytes_to_write(), 0);
        }
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        socket.write(b"new");
        socket.disconnect_from_host();
        assert_eq!(all_of(&event_loop, &next(&event_loop, &server)), b"new");
    }

    fn ending_while_connecting_is_remembered(world: &World) {
        for host in ["127.0.0.1", "localhost"] {
            for (bytes, told) in [(&b""[..], ""), (b"data", "bytes ")] {
                for end in [TcpSocket::disconnect_from_host, TcpSocket::close] {
                    let (event_loop, server, socket, log) = world.outgoing();
                    socket.connect_to_host(host, server.server_port()).unwrap();
                    socket.write(bytes);
                    let state = socket.state();
                    end(&socket);
                    socket.disconnect_from_host();
                    assert_eq!((socket.state(), socket.bytes_to_write()), (state, bytes.len()));
                    assert!(!log.take().contains("closing"));
                    let far = next(&event_loop, &server);
                    until(&event_loop, || is_over(&socket));
                    let words = once(&log.take());
                    assert!(words.ends_with(&format!("connected stands closing {told}unconnected finished gone")), "{words}");
                    assert_eq!(all_of(&event_loop, &far), bytes);
                }
            }
        }
    }

    fn nothing_can_be_written_behind_a_remembered_ending(world: &World) {
        for host in ["127.0.0.1", "localhost"] {
            let (event_loop, server, socket, _log) = world.outgoing();
            socket.connect_to_host(host, server.server_port()).unwrap();
            assert_eq!(socket.write(b"before"), 6);
            socket.disconnect_from_host();
            assert_eq!((socket.write(b"behind"), socket.bytes_to_write()), (0, 6));
            assert_eq!(all_of(&event_loop, &next(&event_loop, &server)), b"before");
        }
    }

    fn a_remembered_ending_is_forgotten_with_the_attempt(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        socket.connect_to_host("127.0.0.1", world.refusing().port).unwrap();
        socket.disconnect_from_host();
        until(&event_loop, || is_over(&socket));
        assert!(log.take().ends_with("unconnected ConnectionRefused"));
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        socket.disconnect_from_host();
        socket.abort();
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        until(&event_loop, || is_connected(&socket));
        settle(&event_loop);
        assert!(is_connected(&socket));
    }

    fn abort_while_connecting_tells_the_state_and_the_channels_end_only(world: &World) {
        for host in ["127.0.0.1", "localhost"] {
            let (event_loop, server, socket, log) = world.outgoing();
            socket.connect_to_host(host, server.server_port()).unwrap();
            socket.write(b"never");
            log.take();
            socket.abort();
            assert_eq!((log.take().as_str(), socket.bytes_to_write()), ("unconnected finished", 0));
            assert_eq!((socket.error(), is_over(&socket)), (SocketError::Unknown, true));
            settle(&event_loop);
            assert_eq!(log.take(), "");
            if let Some(far) = server.next_pending_connection() {
                assert_eq!(all_of(&event_loop, &far), b"");
            }
        }
    }

    fn abort_in_host_found_really_cancels(world: &World) {
        for host in ["127.0.0.1", "localhost"] {
            let (event_loop, server, socket, log) = world.outgoing();
            let slot = socket.host_found().connect(TcpSocket::abort);
            socket.connect_to_host(host, server.server_port()).unwrap();
            until(&event_loop, || is_over(&socket));
            settle(&event_loop);
            assert_eq!(log.take(), format!("{BEGUN} unconnected finished"));
            if let Some(far) = server.next_pending_connection() {
                assert_eq!(all_of(&event_loop, &far), b"");
            }
            socket.host_found().disconnect(slot);
            socket.connect_to_host(host, server.server_port()).unwrap();
            until(&event_loop, || is_connected(&socket));
        }
    }

    /// 1. In `host_found` the attempt is aborted, and another begun.
    /// 2. What is told of the first must not undo the second.
    fn abort_and_connecting_again_in_host_found_connects(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let (port, once) = (server.server_port(), Cell::new(true));
        socket.host_found().connect(move |socket| {
            if once.replace(false) {
                socket.abort();
                socket.connect_to_host("127.0.0.1", port).unwrap();
            }
        });
        socket.connect_to_host("127.0.0.1", world.refusing().port).unwrap();
        assert_eq!(socket.state(), SocketState::Connecting, "{}", log.take());
        until(&event_loop, || is_connected(&socket));
        settle(&event_loop);
        assert!(is_connected(&socket));
    }

    fn dropping_gives_the_attempt_up(world: &World) {
        for host in ["127.0.0.1", "localhost"] {
            let (event_loop, server, socket, log) = world.outgoing();
            socket.connect_to_host(host, server.server_port()).unwrap();
            socket.write(b"never");
            log.take();
            drop(socket);
            settle(&event_loop);
            assert_eq!(log.take(), "");
            if let Some(far) = server.next_pending_connection() {
                assert_eq!(all_of(&event_loop, &far), b"");
            }
            assert_eq!(event_loop.finish(support::LIMIT).unwrap(), 0);
        }
    }

    fn the_owner_may_be_dropped_in_every_slot(world: &World) {
        for (word, refused) in [("host_found", false), ("connected", false), ("state", false), ("error", true)] {
            let (event_loop, server, socket, _log) = world.outgoing();
            let owner = Rc::new(RefCell::new(None));
            let held = Rc::clone(&owner);
            let let_go = move || drop(held.borrow_mut().take());
            match word {
                "host_found" => _ = socket.host_found().connect(move |_| let_go()),
                "connected" => _ = socket.connected().connect(move |_| let_go()),
                "state" => _ = socket.state_changed().connect(move |_, _| let_go()),
                _ => _ = socket.error_occurred().connect(move |_, _| let_go()),
            }
            let weak = socket.downgrade();
            *owner.borrow_mut() = Some(socket);
            let port = if refused { world.refusing().port } else { server.server_port() };
            weak.with(|socket| socket.connect_to_host("127.0.0.1", port)).unwrap().unwrap();
            until(&event_loop, || owner.borrow().is_none());
            settle(&event_loop);
            assert!(weak.with(|_| ()).is_none(), "{word}");
        }
    }

    fn connecting_while_busy_is_an_error_and_changes_nothing(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let other = world.refusing().port;
        let busy = |socket: &TcpSocket| {
            let before = (socket.state(), socket.peer_name(), socket.bytes_to_write(), socket.error());
            log.take();
            let error = socket.connect_to_host("localhost.other", other).unwrap_err();
            assert_eq!((error.kind(), log.take().as_str()), (SocketError::Operation, ""));
            assert_eq!((socket.state(), socket.peer_name(), socket.bytes_to_write(), socket.error()), before);
        };
        socket.connect_to_host("localhost", server.server_port()).unwrap();
        socket.write(b"data");
        busy(&socket);
        until(&event_loop, || is_connected(&socket));
        busy(&socket);
        let far = next(&event_loop, &server);
        socket.write(b" and more");
        socket.disconnect_from_host();
        assert_eq!(socket.state(), SocketState::Closing);
        busy(&socket);
        assert_eq!(all_of(&event_loop, &far), b"data and more");
        until(&event_loop, || is_over(&socket));
        assert_eq!(server.next_pending_connection().map(|_| ()), None);
    }

    fn a_socket_of_a_loop_that_is_gone_cannot_be_connected(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let connecting = TcpSocket::new(&event_loop);
        connecting.connect_to_host("localhost", server.server_port()).unwrap();
        drop(event_loop);
        let error = socket.connect_to_host("127.0.0.1", server.server_port()).unwrap_err();
        assert_eq!((error.kind(), log.take().as_str()), (SocketError::Operation, ""));
        assert!(is_over(&socket));
        connecting.write(b"never");
        connecting.abort();
        assert!(is_over(&connecting));
    }
}

/// The address that was asked for is not the one that answers.
#[test]
fn the_peer_of_a_connection_to_any_address_is_who_answered() {
    let (event_loop, server, socket, _log) = World::Os.outgoing();
    socket.connect_to_host("0.0.0.0", server.server_port()).unwrap();
    until(&event_loop, || is_connected(&socket));
    assert_eq!((socket.peer_name().as_str(), socket.peer_address()), ("0.0.0.0", HostAddress::LOCALHOST));
}

#[test]
fn a_network_that_is_unreachable_is_told_later() {
    let (event_loop, _server, socket, log) = World::Os.outgoing();
    socket.connect_to_host(HostAddress::BROADCAST, 80).unwrap();
    assert_eq!(log.take(), BEGUN);
    until(&event_loop, || is_over(&socket));
    assert_eq!((log.take().as_str(), socket.error()), ("unconnected Network", SocketError::Network));
}

#[test]
fn an_attempt_ends_after_its_time() {
    let (hole, (event_loop, server, socket, log)) = (BlackHole::new(), World::Os.outgoing());
    assert_eq!(socket.connect_timeout(), Some(Duration::from_secs(30)));
    for limit in [Duration::from_millis(300), Duration::ZERO] {
        socket.set_connect_timeout(Some(limit));
        socket.connect_to_host("127.0.0.1", hole.port).unwrap();
        socket.write(b"lost");
        assert_eq!(log.take(), BEGUN);
        until(&event_loop, || is_over(&socket));
        settle(&event_loop);
        assert_eq!((log.take().as_str(), socket.bytes_to_write()), ("unconnected SocketTimeout", 0));
    }
    socket.set_connect_timeout(None);
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    until(&event_loop, || is_connected(&socket));
}

#[test]
fn an_attempt_that_takes_long_succeeds_when_the_queue_is_free_again() {
    let (mut hole, (event_loop, _server, socket, log)) = (BlackHole::new(), World::Os.outgoing());
    socket.connect_to_host("127.0.0.1", hole.port).unwrap();
    socket.write(b"x");
    settle(&event_loop);
    assert_eq!(log.take(), BEGUN);
    hole.open();
    until(&event_loop, || socket.bytes_to_write() == 0);
    assert_eq!(log.take(), "connected stands bytes");
    let _far = hole.accept();
}
