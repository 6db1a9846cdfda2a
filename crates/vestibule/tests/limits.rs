//! How many connections a server has open at once: as many as it may, and each free place is given away.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, limited, take_all};
use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use support::{Client, Log, World, next, settle, until};
use vestibule::{HostAddress, IncomingConnection, Limits, SocketError, TcpServer, TcpSocket};

fn at_most(number: usize) -> Limits {
    Limits::new().max_connections(number)
}

/// How many are open, and how many ever were at once.
fn open(server: &TcpServer) -> (u64, u64) {
    let statistics = server.statistics();
    (statistics.open, statistics.most_open)
}

fn lets_in(world: &World, server: &TcpServer) -> (TcpSocket, Client) {
    let client = world.connect(server.server_port());
    (next(&server.event_loop(), server), client)
}

/// Nobody is let in though somebody waits; then one is, because this was done.
fn lets_in_after(world: &World, server: &TcpServer, act: impl FnOnce()) -> (TcpSocket, Client) {
    let event_loop = server.event_loop();
    let client = world.connect(server.server_port());
    settle(&event_loop);
    assert!(!server.has_pending_connections(), "one too many");
    act();
    (next(&event_loop, server), client)
}

on_both! {
    fn there_is_never_one_more_than_the_limit(world: &World) {
        let (event_loop, server) = limited(world, at_most(3));
        let mut far = clients(world, &server, 20);
        for served in 0..20 {
            let expected = (20 - served).min(3);
            until(&event_loop, || open(&server).0 == expected);
            settle(&event_loop);
            assert_eq!((open(&server), server.statistics().pending), ((expected, 3), expected));
            let socket = server.next_pending_connection().unwrap();
            socket.write(b"served");
            drop(socket);
        }
        for client in &mut far {
            assert_eq!(client.receive_to_end(&event_loop), b"served");
        }
        assert_eq!((open(&server), server.statistics().accepted), ((0, 3), 20));
    }

    fn every_way_in_which_a_connection_ends_frees_its_place(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        let (mut socket, mut client) = lets_in(world, &server);
        let mut held = Vec::new();
        let mut others = Vec::new();
        for way in 0..8 {
            let (gone, far) = (socket, client);
            (socket, client) = lets_in_after(world, &server, || match way {
                0 => drop(gone),
                1 => gone.abort(),
                2 => gone.disconnect_from_host(),
                3 => gone.close(),
                4 => {
                    far.shut_down();
                    others.push(far);
                    held.push(gone);
                }
                5 => {
                    far.reset();
                    held.push(gone);
                }
                6 => {
                    drop(far);
                    held.push(gone);
                }
                _ => drop(gone.into_std().unwrap()),
            });
            assert_eq!(open(&server), (1, 1), "way {way}");
        }
        drop((event_loop, socket, client));
    }

    fn a_connection_that_became_a_stream_of_std_counts_no_more(world: &World) {
        let (_event_loop, server) = limited(world, at_most(1));
        let (socket, _far) = lets_in(world, &server);
        let stream = RefCell::new(None);
        let _pair = lets_in_after(world, &server, || {
            stream.replace(Some(socket.into_std().unwrap()));
        });
        assert_eq!(open(&server), (1, 1));
    }

    fn a_lingering_connection_counts_until_it_is_closed(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        let (socket, mut client) = lets_in(world, &server);
        client.send(&event_loop, b"nobody reads this");
        drop(socket);
        let (_second, _far) = lets_in_after(world, &server, || {
            assert_eq!(open(&server), (1, 1), "it lingers for its peer");
            client.shut_down();
        });
        assert_eq!(open(&server), (1, 1));
    }

    fn a_lingering_connection_gives_its_place_back_when_its_time_is_over(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        event_loop.set_linger_limits(Duration::from_millis(120), 1 << 20);
        let (socket, mut client) = lets_in(world, &server);
        client.send(&event_loop, b"nobody reads this");
        drop(socket);
        let _second = lets_in_after(world, &server, || ());
        assert_eq!(open(&server), (1, 1));
    }

    fn a_dropped_connection_with_unsent_bytes_counts_until_it_is_closed(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        let (socket, client) = lets_in(world, &server);
        socket.write(&vec![1; 20 << 20]);
        drop(socket);
        let _second = lets_in_after(world, &server, || {
            assert_eq!(open(&server), (1, 1));
            client.reset();
        });
        assert_eq!(open(&server), (1, 1));
        drop(event_loop);
    }

    fn a_limit_of_0_lets_nobody_in_until_it_is_raised(world: &World) {
        let (event_loop, server) = limited(world, at_most(0));
        let _far = clients(world, &server, 3);
        settle(&event_loop);
        assert!(!server.wait_for_new_connection(Some(Duration::from_millis(5))).unwrap());
        assert_eq!((open(&server), server.server_error()), ((0, 0), SocketError::SocketTimeout));
        assert!(server.is_listening() && server.is_accepting());
        server.set_limits(at_most(1));
        until(&event_loop, || open(&server).0 == 1);
        server.set_limits(at_most(2));
        until(&event_loop, || open(&server).0 == 2);
        settle(&event_loop);
        assert_eq!(open(&server), (2, 2));
        server.set_limits(Limits::new());
        until(&event_loop, || open(&server).0 == 3);
    }

    fn a_lowered_limit_ends_nothing_and_waits_until_enough_have_ended(world: &World) {
        let (event_loop, server) = limited(world, at_most(3));
        let _far = clients(world, &server, 5);
        until(&event_loop, || server.statistics().pending == 3);
        let mut sockets = take_all(&server);
        server.set_limits(at_most(1));
        for left in [3, 2, 1] {
            settle(&event_loop);
            assert_eq!((open(&server).0, server.has_pending_connections()), (left, false));
            sockets.pop();
        }
        until(&event_loop, || server.has_pending_connections());
        settle(&event_loop);
        assert_eq!((open(&server), server.statistics().accepted), ((1, 3), 4));
    }

    fn who_is_open_before_the_limit_counts_in_it(world: &World) {
        let (_event_loop, server, socket, _client) = world.pair();
        server.set_limits(at_most(1));
        let _second = lets_in_after(world, &server, || drop(socket));
    }

    fn closing_and_listening_again_keeps_counting(world: &World) {
        let (event_loop, server) = limited(world, at_most(2));
        let mut far = clients(world, &server, 2);
        until(&event_loop, || server.statistics().pending == 2);
        let taken = server.next_pending_connection().unwrap();
        server.close();
        assert_eq!(far.remove(1).receive_to_end(&event_loop), b"");
        assert_eq!(open(&server), (1, 2), "who was pending has ended, who was taken has not");
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        let _more = clients(world, &server, 2);
        until(&event_loop, || server.has_pending_connections());
        settle(&event_loop);
        assert_eq!((open(&server), server.statistics().pending), ((2, 2), 1));
        drop(taken);
        until(&event_loop, || server.statistics().pending == 2);
        assert_eq!(open(&server), (2, 2));
    }

    fn what_a_hook_keeps_counts_and_what_it_drops_does_not(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        let kept: Rc<RefCell<Vec<IncomingConnection>>> = Rc::default();
        let (keep, count) = (Rc::clone(&kept), Rc::new(Cell::new(0)));
        let seen = Rc::clone(&count);
        server.set_incoming_connection(move |server, connection| {
            assert_eq!(open(server), (1, 1));
            seen.set(seen.get() + 1);
            if seen.get() > 5 {
                keep.borrow_mut().push(connection);
            }
        });
        let _far = clients(world, &server, 8);
        until(&event_loop, || count.get() == 6);
        settle(&event_loop);
        assert_eq!(count.get(), 6, "five were dropped, and the sixth is kept");
        drop(kept.take());
        until(&event_loop, || count.get() == 7);
        assert_eq!(open(&server), (1, 1));
    }

    fn a_permit_is_the_place_and_a_bare_stream_is_none(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        let (permits, streams) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
        let (keep, bare) = (Rc::clone(&permits), Rc::clone(&streams));
        server.set_incoming_connection(move |_, connection| {
            if bare.borrow().len() < 3 {
                bare.borrow_mut().push(TcpStream::from(connection));
            } else {
                let (stream, permit) = connection.into_parts();
                drop(stream);
                keep.borrow_mut().push(permit);
            }
        });
        let _far = clients(world, &server, 6);
        until(&event_loop, || permits.borrow().len() == 1);
        settle(&event_loop);
        assert_eq!((streams.borrow().len(), permits.borrow().len(), open(&server)), (3, 1, (1, 1)));
        drop(permits.take());
        until(&event_loop, || permits.borrow().len() == 1);
        settle(&event_loop);
        assert_eq!((server.statistics().accepted, open(&server)), (5, (1, 1)));
    }

    fn a_hook_that_panics_gives_the_place_back(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        server.set_incoming_connection(|_, _| panic!("hook"));
        for contained in [false, true] {
            event_loop.contain_panics(contained);
            let mut client = world.connect(server.server_port());
            if contained {
                assert_eq!(client.receive_to_end(&event_loop), b"");
            } else {
                assert!(catch_unwind(AssertUnwindSafe(|| until(&event_loop, || false))).is_err());
            }
            assert_eq!(open(&server), (0, 1));
        }
        server.reset_incoming_connection();
        let _far = world.connect(server.server_port());
        until(&event_loop, || server.has_pending_connections());
        assert_eq!(open(&server), (1, 1));
    }

    fn a_socket_given_back_to_the_server_is_counted_once(world: &World) {
        let (_event_loop, server) = limited(world, at_most(1));
        let (socket, _far) = lets_in(world, &server);
        server.add_pending_connection(socket).unwrap();
        assert_eq!(open(&server), (1, 1));
        let socket = server.next_pending_connection().unwrap();
        let _second = lets_in_after(world, &server, || drop(socket));
    }

    fn slots_may_set_limits(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        let log = Log::default();
        let words = log.clone();
        server.new_connection().connect(move |server| {
            let number = server.limits().connections().unwrap();
            assert!(open(server).0 <= number as u64);
            words.add(number.to_string());
            server.set_limits(at_most((number + 1) % 5));
        });
        let _far = clients(world, &server, 8);
        settle(&event_loop);
        assert_eq!(log.take(), "1 2 3 4", "then 0");
    }

    fn each_server_has_its_own_limit(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        let other = TcpServer::new(&event_loop);
        other.set_limits(at_most(2)); // before it listens
        other.listen(HostAddress::LOCALHOST, 0).unwrap();
        let _far = (clients(world, &server, 4), clients(world, &other, 4));
        until(&event_loop, || open(&server).0 + open(&other).0 == 3);
        settle(&event_loop);
        assert_eq!((open(&server), open(&other)), ((1, 1), (2, 2)));
        drop(take_all(&other));
        until(&event_loop, || other.statistics().accepted == 4);
        assert_eq!(server.statistics().accepted, 1);
    }
}

#[test]
fn limits_tell_what_they_are() {
    let server = TcpServer::standalone().unwrap();
    assert_eq!((server.limits().connections(), server.limits().connections_per_source()), (None, None));
    server.set_limits(at_most(7).max_connections_per_source(3));
    assert_eq!((server.limits().connections(), server.limits().connections_per_source()), (Some(7), Some(3)));
}
