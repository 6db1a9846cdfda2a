//! Clients that are accepted to be refused: what they get, what is told, and what it costs.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, limited, refusals, take_all};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use support::{Arrived, Client, Log, World, next, settle, turns_until_answered, until};
use vestibule::{
    EventLoop, HostAddress, Limits, OverLimit, Refusal, RefusalReason, SharedLimit, SocketError, TcpServer,
};

/// As many may be open, and the others are refused so.
fn refusing(number: usize, refusal: Refusal) -> Limits {
    Limits::new().max_connections(number).over_limit(OverLimit::Refuse(refusal))
}

fn word(word: &str) -> Refusal {
    Refusal::last_word(word).unwrap()
}

fn refused(server: &TcpServer) -> u64 {
    server.statistics().refused_in_all()
}

/// Connects, and is looked at by the server.
fn comes(world: &World, event_loop: &EventLoop, server: &TcpServer) -> Client {
    let before = (server.statistics().accepted, refused(server));
    let client = world.connect(server.server_port());
    until(event_loop, || (server.statistics().accepted, refused(server)) != before);
    client
}

on_both! {
    fn over_the_limit_each_refusal_is_what_it_says(world: &World) {
        for (refusal, expected) in [
            (Refusal::Close, (&b""[..], Arrived::End)),
            (Refusal::Reset, (&b""[..], Arrived::Reset)),
            (word("full"), (&b"full"[..], Arrived::End)),
            (word(""), (&b""[..], Arrived::End)),
        ] {
            let (event_loop, server) = limited(world, refusing(1, refusal.clone()));
            let log = Log::default();
            let words = log.clone();
            server.new_connection().connect(move |_| words.add("new"));
            let words = log.clone();
            server.pending_connection_available().connect(move |_| words.add("pending"));
            let _first = comes(world, &event_loop, &server);
            for number in 1..=3 {
                let mut client = comes(world, &event_loop, &server);
                let (all, last) = client.receive_all(&event_loop);
                if matches!(refusal, Refusal::LastWord(_)) && matches!(world, World::Simulation(_)) {
                    // Whether it is whole, another test says: the_last_word_is_whole_whatever_one_send_takes.
                    assert_eq!(last, expected.1, "{refusal:?}");
                } else {
                    assert_eq!((&all[..], last), expected, "{refusal:?}");
                }
                assert_eq!(server.statistics().refused_for(RefusalReason::TooManyConnections), number);
            }
            assert_eq!(log.take(), "pending new", "nobody sees the refused");
            let statistics = server.statistics();
            assert_eq!((statistics.accepted, statistics.open, statistics.most_open), (1, 1, 1));
            drop(take_all(&server));
            let _next = comes(world, &event_loop, &server);
            assert_eq!((server.statistics().accepted, refused(&server)), (2, 3), "a place is free");
        }
    }

    fn the_signal_tells_peer_and_reason(world: &World) {
        let (event_loop, server) = limited(world, refusing(0, Refusal::Close));
        let told = refusals(&server);
        let far = clients(world, &server, 3);
        until(&event_loop, || told.borrow().len() == 3);
        for client in &far {
            let is_told = told.borrow().iter().any(|refused| refused.peer == client.local_addr());
            assert!(is_told);
        }
        let reasons: Vec<_> = told.borrow().iter().map(|refused| refused.reason).collect();
        assert_eq!(reasons, [RefusalReason::TooManyConnections; 3]);
    }

    fn a_full_shared_limit_refuses_too_and_says_which_it_was(world: &World) {
        let shared = SharedLimit::new(1);
        let limits = Limits::new().shared(&shared).over_limit(OverLimit::Refuse(Refusal::Close));
        let (event_loop, server) = limited(world, limits);
        let _first = comes(world, &event_loop, &server);
        let mut second = comes(world, &event_loop, &server);
        assert_eq!(second.receive_to_end(&event_loop), b"");
        assert_eq!(server.statistics().refused_for(RefusalReason::SharedLimit), 1);
        shared.set_limit(2);
        let _third = comes(world, &event_loop, &server);
        assert_eq!((server.statistics().open, shared.open()), (2, 2));
    }

    fn refusals_for_all_and_for_a_source_are_two(world: &World) {
        let limits = refusing(2, Refusal::Close).max_connections_per_source(1).refusal(Refusal::Reset);
        let (event_loop, server) = limited(world, limits);
        let _first = comes(world, &event_loop, &server);
        let mut second = comes(world, &event_loop, &server);
        assert_eq!(second.receive_all(&event_loop), (vec![], Arrived::Reset));
        server.set_limits(refusing(1, Refusal::Close).max_connections_per_source(1).refusal(Refusal::Reset));
        let mut third = comes(world, &event_loop, &server);
        assert_eq!(third.receive_all(&event_loop), (vec![], Arrived::End));
        let statistics = server.statistics();
        assert_eq!(statistics.refused_for(RefusalReason::TooManyOfSource), 1);
        assert_eq!(statistics.refused_for(RefusalReason::TooManyConnections), 1);
    }

    fn a_limit_that_is_lowered_refuses_and_one_that_is_raised_lets_in(world: &World) {
        let (event_loop, server) = limited(world, refusing(2, Refusal::Close));
        let _open = [(); 2].map(|()| comes(world, &event_loop, &server));
        server.set_limits(refusing(1, Refusal::Close));
        drop(server.next_pending_connection());
        let _refused = comes(world, &event_loop, &server);
        assert_eq!((refused(&server), server.statistics().open), (1, 1));
        server.set_limits(refusing(2, Refusal::Close));
        let _let_in = comes(world, &event_loop, &server);
        assert_eq!((refused(&server), server.statistics().open), (1, 2));
    }

    fn a_pause_refuses_nobody(world: &World) {
        let (event_loop, server) = limited(world, refusing(0, Refusal::Close));
        server.pause_accepting();
        let _far = clients(world, &server, 2);
        settle(&event_loop);
        assert_eq!(refused(&server), 0);
        server.resume_accepting();
        until(&event_loop, || refused(&server) == 2);
    }

    fn a_flood_that_is_refused_does_not_starve_a_socket(world: &World) {
        let (event_loop, server) = limited(world, refusing(1, Refusal::Close));
        let mut client = comes(world, &event_loop, &server);
        let socket = server.next_pending_connection().unwrap();
        socket.ready_read().connect(|socket| { socket.read_with(|bytes| socket.write(bytes)); });
        let _flood = clients(world, &server, 200);
        client.send(&event_loop, b"x");
        let turns = turns_until_answered(&event_loop, &mut client);
        assert!(turns <= 3, "{turns} turns, while 200 clients were refused");
        until(&event_loop, || refused(&server) == 200);
    }

    fn a_blocking_wait_refuses_and_goes_on_waiting(world: &World) {
        let (event_loop, server) = limited(world, refusing(1, word("!")));
        let mut first = comes(world, &event_loop, &server);
        let socket = server.next_pending_connection().unwrap();
        let mut second = world.connect(server.server_port());
        assert!(!server.wait_for_new_connection(Some(Duration::from_millis(20))).unwrap());
        assert_eq!((server.server_error(), refused(&server)), (SocketError::SocketTimeout, 1));
        assert_eq!(second.receive_to_end(&event_loop), b"!");
        drop(socket);
        assert_eq!(first.receive_to_end(&event_loop), b"");
        let _third = world.connect(server.server_port());
        assert!(server.wait_for_new_connection(Some(support::LIMIT)).unwrap());
    }

    fn a_slot_may_close_the_server_and_listen_again(world: &World) {
        let (event_loop, server) = limited(world, refusing(0, word("!")));
        server.refused().connect(|server, _| {
            server.close();
            server.listen(HostAddress::LOCALHOST, 0).unwrap();
        });
        let mut first = world.connect(server.server_port());
        let _second = world.connect(server.server_port());
        until(&event_loop, || refused(&server) == 1);
        assert_eq!(first.receive_to_end(&event_loop), b"!");
        let mut third = comes(world, &event_loop, &server);
        assert_eq!(third.receive_to_end(&event_loop), b"!");
    }

    fn a_slot_that_panics_leaves_the_server_usable(world: &World) {
        let (event_loop, server) = limited(world, refusing(1, word("!")));
        server.refused().connect(|_, _| panic!("refused"));
        let _first = comes(world, &event_loop, &server);
        for number in 1..=3 {
            let mut client = world.connect(server.server_port());
            assert!(catch_unwind(AssertUnwindSafe(|| until(&event_loop, || false))).is_err());
            assert_eq!((client.receive_to_end(&event_loop), refused(&server)), (b"!".to_vec(), number));
        }
        drop(take_all(&server));
        let _next = world.connect(server.server_port());
        drop(next(&event_loop, &server));
    }
}

#[test]
fn over_the_limit_clients_are_refused_whoever_is_pending() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server) = limited(&world, refusing(2, Refusal::Close));
        server.set_max_pending_connections(2);
        let mut far = clients(&world, &server, 3);
        until(&event_loop, || server.statistics().open == 2);
        settle(&event_loop);
        assert_eq!((refused(&server), far[2].look()), (1, Arrived::End));
    }
}

#[test]
fn who_is_closed_and_has_sent_something_sees_an_end_or_a_reset() {
    for world in [World::Os, World::simulation(1)] {
        let (event_loop, server) = limited(&world, refusing(0, Refusal::Close));
        server.pause_accepting();
        let mut client = world.connect(server.server_port());
        client.send(&event_loop, b"GET / HTTP/1.1\r\n\r\n");
        server.resume_accepting();
        until(&event_loop, || refused(&server) == 1);
        let (bytes, last) = client.receive_all(&event_loop);
        assert!(bytes.is_empty() && [Arrived::End, Arrived::Reset].contains(&last), "{last:?}");
    }
}

#[test]
fn reasons_have_names_and_words() {
    let mut names: Vec<_> = RefusalReason::ALL.iter().map(|reason| reason.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), RefusalReason::ALL.len());
    for reason in RefusalReason::ALL {
        assert!(!reason.name().contains(' ') && reason.to_string().contains(' '), "{reason}");
    }
}
