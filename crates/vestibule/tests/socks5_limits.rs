//! Limits, pauses, drains and closing of a server that listens through a SOCKS5 proxy: as of any other.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::thread;
use std::time::Duration;
use support::socks5::Proxy;
use support::socks5_script::{Script, Step};
use support::socks5_server::{
    behind, check_echo, client, clients, echo, follow, listening, options, peers, take_sorted,
};
use support::socks5_wire::reply;
use support::{Arrived, LIMIT, World, assert_sleeps, settle, until};
use vestibule::{
    DrainReport, HostAddress, Limits, ListenOptions, OverLimit, Refusal, RefusalReason, ServerState,
    SocketError, TcpServer, TcpSocket,
};

#[test]
fn as_many_are_pending_as_may_be_and_the_others_follow() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 3);
    server.set_max_pending_connections(1);
    server.pause_accepting();
    let (_far, addresses) = clients(&server);
    until(&event_loop, || server.bound_addresses().is_empty());
    server.resume_accepting();
    let mut sockets = Vec::new();
    for taken in 1..=3 {
        // Who waits keeps the place.
        until(&event_loop, || server.has_pending_connections() && server.bound_addresses().len() == taken);
        settle(&event_loop);
        assert_eq!((server.statistics().pending, server.statistics().accepted), (1, taken as u64));
        assert_eq!(server.bound_addresses().len(), taken);
        sockets.push(server.next_pending_connection().unwrap());
    }
    assert_eq!(peers(&sockets), addresses);
}

#[test]
fn who_comes_in_a_pause_waits_for_its_end() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 3);
    server.pause_accepting();
    let (_far, addresses) = clients(&server);
    until(&event_loop, || server.bound_addresses().is_empty());
    assert_sleeps(&event_loop);
    assert!(!server.wait_for_new_connection(Some(Duration::from_millis(5))).unwrap());
    assert_eq!((server.statistics().accepted, server.state()), (0, ServerState::Paused));
    assert!(server.is_listening() && !server.is_accepting());
    server.resume_accepting();
    until(&event_loop, || server.statistics().pending == 3);
    let sockets: Vec<_> = std::iter::from_fn(|| server.next_pending_connection()).collect();
    assert_eq!(peers(&sockets), addresses);
    until(&event_loop, || server.bound_addresses().len() == 3);
}

#[test]
fn a_limit_of_connections_is_exact() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 3);
    server.set_limits(Limits::new().max_connections(1));
    let (_far, addresses) = clients(&server);
    let mut seen = Vec::new();
    for accepted in 1..=3 {
        until(&event_loop, || server.has_pending_connections());
        settle(&event_loop);
        let statistics = server.statistics();
        assert_eq!((statistics.open, statistics.most_open, statistics.accepted), (1, 1, accepted));
        seen.push(server.next_pending_connection().unwrap().peer_addr().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, addresses);
}

/// One is served, one waits in a pause, and one BIND has nobody.
#[test]
fn a_drain_serves_who_has_come_and_leaves_no_bind() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 2);
    echo(&server);
    let mut served = World::Os.connect(server.server_port());
    until(&event_loop, || server.statistics().accepted == 1 && server.bound_addresses().len() == 2);
    server.pause_accepting();
    let mut waiting = World::Os.connect(server.server_port());
    until(&event_loop, || server.bound_addresses().len() == 1);
    let reports: Rc<RefCell<Vec<DrainReport>>> = Rc::default();
    let list = Rc::clone(&reports);
    server.drained().connect(move |_, report| list.borrow_mut().push(report));
    server.drain(LIMIT);
    assert_eq!(server.state(), ServerState::Draining);
    until(&event_loop, || !reports.borrow().is_empty());
    settle(&event_loop);
    let reports = reports.take();
    assert_eq!((reports.len(), reports[0].let_in, reports[0].cut, reports[0].left_in_queue), (1, 1, 0, 0));
    assert_eq!((served.receive_to_end(&event_loop), waiting.receive_to_end(&event_loop)), (vec![], vec![]));
    assert_eq!((server.state(), server.server_port()), (ServerState::Closed, 0));
    drop((served, waiting));
    until(&event_loop, || proxy.standing() == 0);
    server.listen_with(options()).unwrap();
    check_echo(&event_loop, client(&event_loop, &server));
}

#[test]
fn a_server_that_was_closed_listens_again_at_once() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 3);
    for paused in [false, true, false] {
        let (mut far, _) = if paused { clients(&server) } else { (vec![], vec![]) };
        until(&event_loop, || !paused || server.bound_addresses().is_empty());
        server.close();
        assert_eq!((server.is_listening(), server.server_port()), (false, 0));
        assert_eq!((server.bound_addresses(), server.local_addr()), (vec![], None));
        for client in &mut far {
            assert_eq!(client.receive_to_end(&event_loop), b"");
        }
        drop(far);
        if paused {
            server.resume_accepting();
        } else {
            server.pause_accepting();
        }
        server.listen_with(options().proxy_binds(3)).unwrap();
        until(&event_loop, || server.bound_addresses().len() == 3 && proxy.standing() == 3);
    }
    server.resume_accepting();
    echo(&server);
    for client in clients(&server).0 {
        check_echo(&event_loop, client);
    }
}

#[test]
fn listening_twice_is_refused_and_disturbs_nothing() {
    let again = |server: &TcpServer, state| {
        for options in
            [options(), options().in_background(true), ListenOptions::new((HostAddress::LOCALHOST, 0))]
        {
            assert!(server.listen_with(options).unwrap_err().is_already_listening());
        }
        assert_eq!((server.state(), server.server_error()), (state, SocketError::Unknown));
    };
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 1);
    again(&server, ServerState::Listening);
    echo(&server);
    check_echo(&event_loop, client(&event_loop, &server));
    let silent = Script::new([vec![]]);
    let starting = TcpServer::new(&event_loop);
    starting.set_proxy(silent.as_proxy());
    let log = follow(&starting);
    starting.listen_with(options().in_background(true)).unwrap();
    again(&starting, ServerState::Starting);
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    again(&starting, ServerState::Starting);
    starting.close();
    assert_eq!(starting.state(), ServerState::Closed);
    settle(&event_loop);
    assert_eq!(take_sorted(&log), ["closed", "starting"], "nobody is told of what was given up");
}

/// The BIND that nobody has come to is closed with the drain's beginning, while who has come is still served.
#[test]
fn a_drain_has_no_place_to_come_to() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 2);
    server.pause_accepting();
    let _waiting = client(&event_loop, &server);
    until(&event_loop, || server.bound_addresses().len() == 1);
    server.drain(LIMIT);
    assert_eq!(server.bound_addresses(), vec![]);
}

#[test]
fn who_is_over_the_limit_is_refused_by_the_address_that_the_proxy_tells() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 3);
    let refusal = Refusal::last_word(b"full").unwrap();
    server.set_limits(Limits::new().max_connections(1).over_limit(OverLimit::Refuse(refusal)));
    let seen: Rc<RefCell<Vec<_>>> = Rc::default();
    let list = Rc::clone(&seen);
    server.refused().connect(move |_, client| list.borrow_mut().push(client.peer));
    let (far, addresses) = clients(&server);
    until(&event_loop, || server.statistics().refused_in_all() == 2 && server.bound_addresses().len() == 3);
    let mut let_in = server.next_pending_connection().into_iter().collect::<Vec<TcpSocket>>();
    seen.borrow_mut().extend(peers(&let_in));
    seen.borrow_mut().sort_unstable();
    assert_eq!(*seen.borrow(), addresses);
    let let_in = let_in.remove(0);
    for mut client in far {
        if Some(client.local_addr()) == let_in.peer_addr() {
            assert_eq!(client.look(), Arrived::Nothing);
        } else {
            assert_eq!(client.receive_to_end(&event_loop), b"full");
        }
    }
}

/// A limit for each source is about the clients, and not about the proxy that all come from.
#[test]
fn sources_are_the_clients_and_not_the_proxy() {
    let client = |last: u8| {
        let bound = reply(0, ([192, 0, 2, 1], 4000).into());
        let came = reply(0, ([198, 51, 100, last], 1).into());
        vec![Step::Send([&[5, 0][..], &bound, &came].concat()), Step::Leave]
    };
    let script = Script::new([client(1), client(2), client(1), client(3)]);
    let (event_loop, server) = behind(script.as_proxy());
    let refusal = OverLimit::Refuse(Refusal::Close);
    server.set_limits(Limits::new().max_connections_per_source(1).over_limit(refusal));
    server.listen_with(options().in_background(true)).unwrap();
    until(&event_loop, || server.statistics().pending == 3);
    let sockets: Vec<_> = std::iter::from_fn(|| server.next_pending_connection()).collect();
    let wanted = [1, 2, 3].map(|last| ([198, 51, 100, last], 1).into());
    assert_eq!(peers(&sockets), wanted);
    assert_eq!(server.statistics().refused_for(RefusalReason::TooManyOfSource), 1);
}

/// The permits are dropped by threads, while the loop sleeps, or a wait.
#[test]
fn a_place_that_a_thread_gives_back_is_the_next_clients() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 3);
    server.set_limits(Limits::new().max_connections(1));
    server.set_incoming_connection(|server, connection| {
        assert_eq!(server.statistics().open, 1);
        let (mut stream, permit) = connection.into_parts();
        thread::spawn(move || {
            stream.write_all(b"x").unwrap();
            drop((stream, permit));
        });
    });
    let (far, _) = clients(&server);
    while server.statistics().accepted < 3 {
        assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap()); // one at least
    }
    for mut client in far {
        assert_eq!(client.receive_to_end(&event_loop), b"x");
    }
    until(&event_loop, || server.bound_addresses().len() == 3 && server.statistics().open == 0);
    let (far, _) = clients(&server);
    until(&event_loop, || server.statistics().accepted == 6);
    for mut client in far {
        assert_eq!(client.receive_to_end(&event_loop), b"x");
    }
    assert_eq!(server.statistics().most_open, 1);
}
