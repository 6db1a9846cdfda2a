//! One object is connected again and again: in the slots that tell an end, with what was left of the last time.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use support::{LIMIT, Log, World, all_of, next, settle, until};
use vestibule::{SocketError, SocketState, TcpSocket};

const BEGUN: &str = "looking up the host connecting found";

fn is_connected(socket: &TcpSocket) -> bool {
    socket.state() == SocketState::Connected
}

/// Does something the first time only.
fn first_time(slot: impl Fn(&TcpSocket) + 'static) -> impl Fn(&TcpSocket) + 'static {
    let once = Cell::new(true);
    move |socket| {
        if once.replace(false) {
            slot(socket);
        }
    }
}

/// A slot that connects again, the first time.
fn reconnects(port: u16) -> impl Fn(&TcpSocket) + 'static {
    first_time(move |socket| socket.connect_to_host("127.0.0.1", port).unwrap())
}

on_both! {
    fn in_disconnected_after_the_peers_end_and_after_every_end_of_ones_own(world: &World) {
        for end in 0..4 {
            let (event_loop, server, socket, log) = world.outgoing();
            socket.disconnected().connect(reconnects(server.server_port()));
            socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
            let far = next(&event_loop, &server);
            until(&event_loop, || is_connected(&socket));
            assert_eq!(log.take(), format!("{BEGUN} connected stands"));
            let told = match end {
                0 => {
                    far.disconnect_from_host();
                    until(&event_loop, || !is_connected(&socket));
                    "finished RemoteHostClosed closing unconnected gone"
                }
                1 => {
                    socket.disconnect_from_host();
                    "closing unconnected finished gone"
                }
                2 => {
                    socket.close();
                    "closing unconnected finished gone"
                }
                _ => {
                    socket.abort();
                    "unconnected finished gone"
                }
            };
            assert_eq!((log.take(), socket.state()), (format!("{told} {BEGUN}"), SocketState::Connecting));
            until(&event_loop, || is_connected(&socket));
            let far = next(&event_loop, &server);
            socket.write(b"again");
            until(&event_loop, || far.bytes_available() == 5);
            assert_eq!((far.read_all(), socket.error()), (b"again".to_vec(), SocketError::Unknown));
        }
    }

    fn in_error_occurred_after_a_failed_attempt(world: &World) {
        for host in ["127.0.0.1", "localhost", "two..dots"] {
            let (event_loop, server, socket, log) = world.outgoing();
            let again = reconnects(server.server_port());
            socket.error_occurred().connect(move |socket, _| again(socket));
            socket.connect_to_host(host, world.refusing().port).unwrap();
            socket.write(b"lost");
            until(&event_loop, || is_connected(&socket));
            settle(&event_loop);
            let told = log.take();
            assert!(told.ends_with(&format!("{BEGUN} connected stands")), "{told}");
            assert_eq!((told.matches("unconnected").count(), socket.error()), (1, SocketError::Unknown));
            let far = next(&event_loop, &server);
            socket.disconnect_from_host();
            assert_eq!(all_of(&event_loop, &far), b"");
        }
    }

    /// What remains to be told of the attempt that failed comes before anything of the next one.
    fn in_the_state_unconnected_after_a_failed_attempt(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let again = reconnects(server.server_port());
        socket.state_changed().connect(move |socket, state| {
            if state == SocketState::Unconnected {
                again(socket);
            }
        });
        socket.connect_to_host("127.0.0.1", world.refusing().port).unwrap();
        until(&event_loop, || is_connected(&socket));
        settle(&event_loop);
        assert_eq!(log.take(), format!("{BEGUN} unconnected ConnectionRefused {BEGUN} connected stands"));
        assert!(is_connected(&socket));
    }

    fn in_the_state_unconnected_after_a_connection(world: &World) {
        for aborts in [true, false] {
            let (event_loop, server, socket, log) = world.outgoing();
            socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
            let far = next(&event_loop, &server);
            until(&event_loop, || is_connected(&socket));
            log.take();
            let again = reconnects(server.server_port());
            socket.state_changed().connect(move |socket, state| {
                if state == SocketState::Unconnected {
                    again(socket);
                }
            });
            if aborts { socket.abort() } else { far.abort() }
            until(&event_loop, || server.has_pending_connections() && is_connected(&socket));
            settle(&event_loop);
            let told = log.take();
            assert!(told.ends_with("connected stands"), "{told}");
            assert_eq!((told.matches("gone").count(), told.matches("finished").count()), (1, 1), "{told}");
            assert_eq!((socket.peer_port(), socket.error()), (server.server_port(), SocketError::Unknown));
        }
    }

    fn in_the_state_unconnected_after_abort_while_connecting(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let again = reconnects(server.server_port());
        socket.state_changed().connect(move |socket, state| {
            if state == SocketState::Unconnected {
                again(socket);
            }
        });
        socket.connect_to_host("127.0.0.1", world.refusing().port).unwrap();
        socket.abort();
        until(&event_loop, || is_connected(&socket));
        settle(&event_loop);
        assert!(is_connected(&socket), "{}", log.take());
    }

    fn in_read_channel_finished_after_abort(world: &World) {
        let (event_loop, server, socket, _log) = world.outgoing();
        socket.read_channel_finished().connect(reconnects(server.server_port()));
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        until(&event_loop, || is_connected(&socket));
        socket.abort();
        until(&event_loop, || is_connected(&socket));
        settle(&event_loop);
        assert!(is_connected(&socket));
    }

    fn not_in_the_slot_of_the_peers_end_because_the_connection_still_stands(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let port = server.server_port();
        socket.error_occurred().connect(move |socket, _| {
            let error = socket.connect_to_host("127.0.0.1", port).unwrap_err();
            assert_eq!(error.kind(), SocketError::Operation);
        });
        socket.connect_to_host("127.0.0.1", port).unwrap();
        drop(next(&event_loop, &server));
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert!(log.take().ends_with("finished RemoteHostClosed closing unconnected gone"));
        assert_eq!(socket.error(), SocketError::RemoteHostClosed);
    }

    /// 1. In `connected` the connection is aborted and another one begun.
    /// 2. Everything of the first is told before anything of the second.
    fn in_connected_after_abort(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let port = server.server_port();
        socket.connected().connect(first_time(move |socket| {
            socket.abort();
            socket.connect_to_host("127.0.0.1", port).unwrap();
        }));
        socket.connect_to_host("127.0.0.1", port).unwrap();
        until(&event_loop, || log.len() >= 13);
        settle(&event_loop);
        assert_eq!(log.take(), format!("{BEGUN} connected stands unconnected finished gone {BEGUN} connected stands"));
    }

    /// 1. In `connected` a wait of the socket itself tries a port that refuses.
    /// 2. In the same slot it is connected to a port that answers.
    fn after_a_wait_that_failed_in_a_slot_of_the_socket_itself(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let (port, refusing) = (server.server_port(), world.refusing());
        let other = refusing.port;
        socket.connected().connect(first_time(move |socket| {
            socket.abort();
            socket.connect_to_host("127.0.0.1", other).unwrap();
            assert!(socket.wait_for_connected(Some(LIMIT)).is_err());
            socket.connect_to_host("127.0.0.1", port).unwrap();
            assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
        }));
        socket.connect_to_host("127.0.0.1", port).unwrap();
        drop(next(&event_loop, &server));
        let far = next(&event_loop, &server);
        settle(&event_loop);
        assert!(is_connected(&socket), "{}", log.take());
        socket.write(b"here");
        until(&event_loop, || far.bytes_available() == 4);
    }

    /// 1. In a slot of the socket the connection breaks, which is not told yet.
    /// 2. In the same slot it is connected again.
    fn in_a_slot_in_which_the_connection_broke(world: &World) {
        let (event_loop, server, socket, client) = world.pair();
        let (log, port, client) = (Log::default(), server.server_port(), RefCell::new(Some(client)));
        socket.bytes_written().connect(move |socket, _| {
            if let Some(client) = client.take() {
                client.reset();
                socket.write(b"y");
                socket.flush();
                let _ = socket.connect_to_host("127.0.0.1", port);
            }
        });
        log.follow_from_the_start(&socket);
        socket.write(b"x");
        until(&event_loop, || log.len() >= 6);
        let told = log.take();
        assert!(told.contains("RemoteHostClosed closing unconnected"), "{told}");
    }

    fn what_was_left_unread_is_dropped(world: &World) {
        let (event_loop, server, socket, _log) = world.outgoing();
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        let far = next(&event_loop, &server);
        far.write(b"old");
        far.disconnect_from_host();
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert_eq!(socket.bytes_available(), 3);
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        assert_eq!(socket.bytes_available(), 0);
        let far = next(&event_loop, &server);
        far.write(b"new");
        until(&event_loop, || socket.bytes_available() > 0);
        assert_eq!(&socket.read_all()[..1], b"n");
    }

    /// The end of the last connection is not that of the next.
    fn everything_works_in_each_of_many_rounds(world: &World) {
        let (event_loop, server, socket, log) = world.outgoing();
        let refusing = world.refusing();
        for round in 0..60 {
            match round % 4 {
                0 => {
                    socket.connect_to_host("127.0.0.1", refusing.port).unwrap();
                    until(&event_loop, || socket.state() == SocketState::Unconnected);
                    assert_eq!(log.take(), format!("{BEGUN} unconnected ConnectionRefused"));
                }
                1 => {
                    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
                    socket.abort();
                    assert_eq!(log.take(), format!("{BEGUN} unconnected finished"));
                }
                part => {
                    let host = if part == 2 { "127.0.0.1" } else { "localhost" };
                    socket.connect_to_host(host, server.server_port()).unwrap();
                    socket.write(&[part; 5]);
                    until(&event_loop, || is_connected(&socket) && server.has_pending_connections());
                    let far = loop {
                        let far = next(&event_loop, &server);
                        if far.peer_addr() == socket.local_addr() {
                            break far; // those before were aborted
                        }
                    };
                    until(&event_loop, || far.bytes_available() == 5);
                    far.read_with(|bytes| far.write(bytes));
                    far.disconnect_from_host();
                    assert_eq!(all_of(&event_loop, &socket), [part; 5]);
                    let told = log.take();
                    assert!(told.starts_with(&format!("{BEGUN} connected stands bytes ")), "{told}");
                    assert!(told.ends_with("finished RemoteHostClosed closing unconnected gone"), "{told}");
                }
            }
        }
    }

    fn other_objects_are_not_disturbed(world: &World) {
        let (event_loop, server, socket, _log) = world.outgoing();
        let ticks = Rc::new(Cell::new(0));
        let count = Rc::clone(&ticks);
        event_loop.start_timer(Duration::from_millis(1), move |_| count.set(count.get() + 1));
        let steady = TcpSocket::new(&event_loop);
        steady.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        let far = next(&event_loop, &server);
        until(&event_loop, || is_connected(&steady));
        for _ in 0..20 {
            socket.connect_to_host("localhost", server.server_port()).unwrap();
            until(&event_loop, || is_connected(&socket));
            steady.write(b"x");
            socket.abort();
        }
        until(&event_loop, || far.bytes_available() == 20 && ticks.get() > 2);
    }
}
