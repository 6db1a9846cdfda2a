//! Clients come to a server that listens through a SOCKS5 proxy, one after the other or together.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;
use support::socks5::{OnBind, Proxy};
use support::socks5_server::{behind, check_echo, client, clients, echo, follow, listening, options};
use support::{LIMIT, World, assert_sleeps, until};
use vestibule::{HostAddress, ListenOptions, NetworkProxy, ProxyType, SocketError, TcpServer};

#[test]
fn in_the_loop_client_after_client_comes_to_the_same_port() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 1);
    let log = follow(&server);
    echo(&server);
    let port = server.server_port();
    assert_eq!(server.local_addr(), Some(([127, 0, 0, 1], port).into()));
    for _ in 0..10 {
        check_echo(&event_loop, client(&event_loop, &server));
        assert_eq!((server.server_address(), server.server_port()), (HostAddress::LOCALHOST, port));
    }
    until(&event_loop, || proxy.idle() == 1);
    assert_sleeps(&event_loop);
    let mut wanted = vec!["bind 0.0.0.0:0".to_owned()];
    wanted.extend(vec![format!("bind 0.0.0.0:{port}"); 10]);
    assert_eq!((proxy.take_requests(), log.len(), proxy.opened()), (wanted, 0, 11));
    assert_eq!((server.statistics().accepted, server.statistics().errors.unknown), (10, 0));
}

#[test]
fn in_waits_client_after_client_comes_without_a_loop() {
    let proxy = Proxy::new();
    proxy.require("ali", "sesame");
    let server = TcpServer::standalone().unwrap();
    server.set_proxy(proxy.as_proxy().with_credentials("ali", "sesame"));
    server.listen_with(options()).unwrap();
    let visit = || {
        let mut stream = TcpStream::connect(proxy.claim()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut [0; 5]).unwrap();
        stream.local_addr().unwrap()
    };
    for _ in 0..10 {
        let visited = thread::scope(|scope| {
            let visitor = scope.spawn(visit);
            assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
            let socket = server.next_pending_connection().unwrap();
            let mut bytes = [0; 5];
            socket.blocking(Some(LIMIT)).read_exact(&mut bytes).unwrap();
            socket.blocking(Some(LIMIT)).write_all(&bytes).unwrap();
            (visitor.join().unwrap(), socket.peer_addr().unwrap(), socket.local_addr())
        });
        assert_eq!((visited.0, visited.2), (visited.1, server.local_addr()));
    }
    assert!(!server.wait_for_new_connection(Some(Duration::ZERO)).unwrap());
    assert_eq!(server.server_error(), SocketError::SocketTimeout);
}

#[test]
fn several_clients_come_at_once_to_several_binds() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 5);
    echo(&server);
    let log = follow(&server);
    for _ in 0..3 {
        let bound = server.bound_addresses();
        assert_eq!((bound[0].address, bound[0].port), (server.server_address(), server.server_port()));
        for client in clients(&server).0 {
            check_echo(&event_loop, client);
        }
        until(&event_loop, || server.bound_addresses().len() == 5);
        assert_eq!(server.bound_addresses(), bound, "each at its own port again");
    }
    assert_eq!((server.statistics().accepted, log.len()), (15, 0));
    let first = format!("bind 0.0.0.0:{}", server.server_port());
    assert_eq!(proxy.take_requests()[1..5], vec![first; 4], "all are asked for at the same port");
}

#[test]
fn a_change_of_the_address_is_told_when_it_is_the_servers() {
    let proxy = Proxy::new();
    proxy.on_bind(|_| OnBind::Elsewhere);
    let (event_loop, server) = listening(&proxy, 2);
    echo(&server);
    let log = follow(&server);
    for lane in [0, 1, 0, 1, 0] {
        let before = server.bound_addresses();
        check_echo(&event_loop, World::Os.connect(before[lane].port));
        until(&event_loop, || server.bound_addresses().len() == 2);
        let after = server.bound_addresses();
        let moved = [0, 1].map(|lane| before[lane] != after[lane]);
        assert_eq!(moved, [lane == 0, lane == 1]);
        let told = if lane == 0 { "moved" } else { "" };
        assert_eq!((log.take().as_str(), server.server_port()), (told, after[0].port));
    }
}

#[test]
fn clients_that_leave_at_once_do_no_harm() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 2);
    let log = follow(&server);
    for round in 1..=10 {
        let (mut far, _) = clients(&server);
        far.remove(0).reset();
        drop(far);
        until(&event_loop, || {
            server.statistics().accepted == 2 * round && server.bound_addresses().len() == 2
        });
        while server.next_pending_connection().is_some() {}
    }
    assert_eq!((log.len(), server.statistics().errors.unknown), (0, 0));
    echo(&server);
    check_echo(&event_loop, client(&event_loop, &server));
}

/// The name has an address of IPv6 too, where nobody listens.
#[test]
fn a_proxy_with_a_name_is_looked_up_again_after_it_was_lost() {
    let mut proxy = Proxy::new();
    let (event_loop, server) = behind(NetworkProxy::new(ProxyType::Socks5, "localhost", proxy.port));
    server.listen_with(options().proxy_binds(2)).unwrap();
    for _ in 0..3 {
        let far = thread::scope(|scope| {
            let visitor = scope.spawn(|| TcpStream::connect(proxy.claim()).unwrap());
            assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
            visitor.join().unwrap()
        });
        let socket = server.next_pending_connection().unwrap();
        assert_eq!(socket.peer_addr(), Some(far.local_addr().unwrap()));
    }
    proxy.kill();
    until(&event_loop, || !server.is_listening());
    proxy.start();
    echo(&server);
    for _ in 0..3 {
        check_echo(&event_loop, client(&event_loop, &server));
    }
}

#[test]
fn the_proxy_is_asked_for_the_address_that_the_program_wants() {
    let proxy = Proxy::new();
    for (address, port, asked) in [
        (HostAddress::ANY, 0, Some("bind 0.0.0.0:0")),
        (HostAddress::ANY_IPV4, 80, Some("bind 0.0.0.0:80")),
        (HostAddress::ANY_IPV6, 65535, Some("bind [::]:65535")),
        ("192.0.2.7".parse().unwrap(), 1, Some("bind 192.0.2.7:1")),
        ("2001:db8::7".parse().unwrap(), 256, Some("bind [2001:db8::7]:256")),
        (HostAddress::LOCALHOST, 0, None),
        ("127.1.2.3".parse().unwrap(), 0, None),
    ] {
        let (_event_loop, server) = behind(proxy.as_proxy());
        proxy.on_bind(|_| OnBind::Elsewhere);
        server.listen_with(ListenOptions::new((address, port)).proxy_binds(0)).unwrap();
        assert!(server.is_listening());
        assert_eq!(proxy.take_requests(), asked.into_iter().collect::<Vec<_>>());
    }
}
