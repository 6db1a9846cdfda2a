//! How many connections one source has open: whoever is over the limit is refused, and nobody waits.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{connect_from, limited, refusals, take_all};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::thread;
use support::{Client, World, settle, until};
use vestibule::{
    EventLoop, HostAddress, Limits, RefusalReason, RefusedClient, SharedLimit, TcpServer, TcpSocket,
};

const ONE: &str = "127.0.0.2";
const OTHER: &str = "127.0.0.3";

fn each(number: u32) -> Limits {
    Limits::new().max_connections_per_source(number)
}

/// Connects from an address, and tells whether it is let in: then both ends.
fn comes(world: &World, server: &TcpServer, from: &str) -> Option<(TcpSocket, Client)> {
    let event_loop = server.event_loop();
    let looked_at = || server.statistics().accepted + server.statistics().refused_in_all();
    let before = looked_at();
    let mut client = connect_from(world, from, server.server_port());
    until(&event_loop, || looked_at() == before + 1);
    let socket = server.next_pending_connection();
    if socket.is_none() {
        assert_eq!(client.receive_to_end(&event_loop), b"", "closed by default");
    }
    socket.map(|socket| (socket, client))
}

fn refused(server: &TcpServer) -> u64 {
    let statistics = server.statistics();
    assert_eq!(statistics.refused_in_all(), statistics.refused_for(RefusalReason::TooManyOfSource));
    statistics.refused_in_all()
}

on_both! {
    fn each_address_has_as_many_as_it_may_and_the_rest_is_closed(world: &World) {
        let (event_loop, server) = limited(world, each(2));
        let told = refusals(&server);
        let port = server.server_port();
        let mut far: Vec<_> =
            [ONE, OTHER, ONE, ONE, OTHER, OTHER].map(|from| connect_from(world, from, port)).into();
        until(&event_loop, || server.statistics().accepted == 4 && refused(&server) == 2);
        for at in [3, 5] {
            assert_eq!(far[at].receive_to_end(&event_loop), b"");
        }
        let peers: Vec<_> = told.borrow().iter().map(|client| (client.peer, client.reason)).collect();
        let expected = [3, 5].map(|at| (far[at].local_addr(), RefusalReason::TooManyOfSource));
        assert_eq!(peers, expected);
        let statistics = server.statistics();
        assert_eq!((statistics.open, statistics.most_open, statistics.pending), (4, 4, 4));
    }

    fn the_refused_are_told_with_their_address(world: &World) {
        let (event_loop, server) = limited(world, each(0));
        let told = refusals(&server);
        let client = connect_from(world, ONE, server.server_port());
        let peer = client.local_addr();
        until(&event_loop, || !told.borrow().is_empty());
        let RefusedClient { peer: refused, reason, .. } = told.borrow()[0];
        assert_eq!((refused, reason), (peer, RefusalReason::TooManyOfSource));
        settle(&event_loop);
        assert_eq!(told.borrow().len(), 1);
    }

    fn every_way_in_which_a_connection_ends_gives_the_place_of_its_source_back(world: &World) {
        let (event_loop, server) = limited(world, each(1));
        for way in 0..7 {
            let (socket, client) = comes(world, &server, ONE).unwrap();
            assert!(comes(world, &server, ONE).is_none());
            let _other = comes(world, &server, OTHER).unwrap();
            match way {
                0 => drop(socket),
                1 => socket.abort(),
                2 => socket.disconnect_from_host(),
                3 => drop(socket.into_std().unwrap()),
                4 => {
                    client.reset();
                    until(&event_loop, || socket.state().to_string() == "unconnected");
                }
                5 => {
                    server.add_pending_connection(socket).unwrap();
                    server.close();
                    server.listen(HostAddress::LOCALHOST, 0).unwrap();
                }
                _ => {
                    client.shut_down();
                    until(&event_loop, || socket.state().to_string() == "unconnected");
                }
            }
            let before = refused(&server);
            drop(comes(world, &server, ONE).unwrap());
            assert_eq!((refused(&server), server.statistics().open), (before, 1), "way {way}");
        }
    }

    fn the_exempt_have_no_limit(world: &World) {
        let limits = each(1).exempt("127.0.0.2/32".parse().unwrap()).exempt("192.0.2.0/24".parse().unwrap());
        let (_event_loop, server) = limited(world, limits);
        let _open = [(); 4].map(|()| comes(world, &server, ONE).unwrap());
        let _other = comes(world, &server, OTHER).unwrap();
        assert!(comes(world, &server, OTHER).is_none());
    }

    fn a_limit_of_0_lets_only_the_exempt_in(world: &World) {
        let (_event_loop, server) = limited(world, each(0).exempt("127.0.0.3/32".parse().unwrap()));
        assert!(comes(world, &server, ONE).is_none());
        assert!(comes(world, &server, OTHER).is_some());
    }

    fn a_changed_limit_keeps_its_counts(world: &World) {
        let (_event_loop, server) = limited(world, each(2));
        let mut open = vec![comes(world, &server, ONE).unwrap(), comes(world, &server, ONE).unwrap()];
        server.set_limits(each(3).max_connections(100));
        open.push(comes(world, &server, ONE).unwrap());
        assert!(comes(world, &server, ONE).is_none(), "three are open");
        server.set_limits(each(1).exempt("10.0.0.0/8".parse().unwrap()));
        for _ in 0..3 {
            assert!(comes(world, &server, ONE).is_none(), "lowered");
            open.pop();
        }
        open.push(comes(world, &server, ONE).unwrap());
        assert!(comes(world, &server, ONE).is_none());
    }

    fn who_is_open_before_the_first_limit_is_not_counted(world: &World) {
        let (_event_loop, server) = limited(world, Limits::new());
        let early = comes(world, &server, ONE).unwrap();
        server.set_limits(each(1));
        let _counted = comes(world, &server, ONE).unwrap();
        drop(early);
        assert!(comes(world, &server, ONE).is_none(), "the end of the early one frees nothing");
    }

    fn who_is_refused_costs_no_place_of_the_other_limits(world: &World) {
        let shared = SharedLimit::new(2);
        let (_event_loop, server) = limited(world, each(1).max_connections(2).shared(&shared));
        let _first = comes(world, &server, ONE).unwrap();
        for _ in 0..5 {
            assert!(comes(world, &server, ONE).is_none());
            assert_eq!((server.statistics().open, shared.open()), (1, 1));
        }
        let _second = comes(world, &server, OTHER).unwrap();
        assert_eq!((server.statistics().most_open, shared.open()), (2, 2));
    }

    fn a_crowd_of_one_source_does_not_keep_others_waiting(world: &World) {
        let (event_loop, server) = limited(world, each(1));
        let port = server.server_port();
        let _crowd: Vec<_> = (0..60).map(|_| connect_from(world, ONE, port)).collect();
        let other = connect_from(world, OTHER, port);
        until(&event_loop, || server.statistics().accepted == 2);
        let peers: Vec<_> = take_all(&server).iter().map(|socket| socket.peer_addr().unwrap()).collect();
        assert!(peers.contains(&other.local_addr()));
        assert_eq!((refused(&server), server.statistics().most_open), (59, 2));
    }

    fn a_hook_that_panics_gives_the_place_of_the_source_back(world: &World) {
        let (event_loop, server) = limited(world, each(1));
        server.set_incoming_connection(|_, _| panic!("hook"));
        for _ in 0..3 {
            let _client = connect_from(world, ONE, server.server_port());
            assert!(catch_unwind(AssertUnwindSafe(|| until(&event_loop, || false))).is_err());
        }
        server.reset_incoming_connection();
        assert!(comes(world, &server, ONE).is_some());
        assert_eq!((refused(&server), server.statistics().accepted), (0, 4));
    }

    fn the_limit_holds_in_blocking_waits(world: &World) {
        let (event_loop, server) = limited(world, each(1));
        let port = server.server_port();
        let mut far = [ONE, ONE, OTHER].map(|from| connect_from(world, from, port));
        let mut open = Vec::new();
        while open.len() < 2 {
            assert!(server.wait_for_new_connection(Some(support::LIMIT)).unwrap());
            open.extend(take_all(&server));
        }
        assert_eq!((refused(&server), server.statistics().open), (1, 2));
        assert_eq!(far[1].receive_to_end(&event_loop), b"");
    }

    fn a_slot_that_hears_of_a_refusal_may_change_the_limits(world: &World) {
        let (_event_loop, server) = limited(world, each(1));
        server.refused().connect(|server, _| server.set_limits(Limits::new()));
        let _first = comes(world, &server, ONE).unwrap();
        assert!(comes(world, &server, ONE).is_none());
        let _third = comes(world, &server, ONE).unwrap();
        let _fourth = comes(world, &server, ONE).unwrap();
        assert_eq!(refused(&server), 1);
    }
}

/// How many of these get in, one after the other, all open at once.
fn let_in(limits: Limits, from: &[&str]) -> Vec<bool> {
    let world = World::simulation(3);
    let (_event_loop, server) = limited(&world, limits);
    let all: Vec<_> = from.iter().map(|from| comes(&world, &server, from)).collect();
    all.iter().map(Option::is_some).collect()
}

#[test]
fn an_ipv6_source_is_a_network_of_64_bits() {
    let from = ["2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1", "2001:db8:0:1:8000::1"];
    assert_eq!(let_in(each(1), &from), [true, false, true, false]);
}

#[test]
fn an_ipv4_address_in_ipv6s_clothes_is_that_address() {
    let from = ["::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2", "192.0.2.2", "::ffff:192.0.2.3"];
    assert_eq!(let_in(each(1), &from), [true, false, true, false, true]);
    let exempt = each(0).exempt("192.0.2.0/24".parse().unwrap());
    assert_eq!(let_in(exempt, &["::ffff:192.0.2.1", "::ffff:198.51.100.1"]), [true, false]);
}

#[test]
fn other_prefixes_make_other_sources() {
    let from = ["192.0.2.1", "192.0.2.77", "192.0.3.1", "2001:db8:1::1", "2001:db8:1:7::1", "2001:db8:2::1"];
    let wide = each(1).source_prefixes(24, 48);
    assert_eq!(let_in(wide, &from), [true, false, true, true, false, true]);
    let families = each(1).source_prefixes(0, 0);
    assert_eq!(let_in(families, &from), [true, false, false, true, false, false]);
    let narrow = each(1).source_prefixes(200, 200);
    assert_eq!(let_in(narrow, &["2001:db8::1", "2001:db8::2", "2001:db8::2"]), [true, true, false]);
}

#[test]
fn an_exempt_network_of_ipv6_has_no_limit() {
    let limits = each(0).exempt("2001:db8::/32".parse().unwrap());
    assert_eq!(let_in(limits, &["2001:db8:1::1", "2001:db9::1"]), [true, false]);
}

#[test]
fn a_dual_stack_listener_counts_ipv4_clients_by_their_address() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    server.listen(HostAddress::ANY, 0).unwrap();
    server.set_limits(each(1).exempt("127.0.0.4/32".parse().unwrap()));
    let _first = comes(&World::Os, &server, ONE).unwrap();
    let _second = comes(&World::Os, &server, OTHER).unwrap();
    assert!(comes(&World::Os, &server, ONE).is_none());
    let _exempt = [(); 3].map(|()| comes(&World::Os, &server, "127.0.0.4").unwrap());
}

#[test]
fn a_place_given_back_in_another_thread_is_the_sources_again() {
    let (event_loop, server) = limited(&World::Os, each(1));
    let parts = Rc::new(RefCell::new(Vec::new()));
    let keep = Rc::clone(&parts);
    server.set_incoming_connection(move |_, connection| keep.borrow_mut().push(connection.into_parts()));
    for round in 0..20 {
        let _far = [(); 2].map(|()| connect_from(&World::Os, ONE, server.server_port()));
        until(&event_loop, || refused(&server) == round + 1);
        let part = parts.borrow_mut().pop().unwrap();
        thread::spawn(move || drop(part)).join().unwrap();
    }
    assert_eq!((server.statistics().accepted, server.statistics().most_open), (20, 1));
}
