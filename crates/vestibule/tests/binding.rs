//! Binding before connecting: addresses, ports, who may have them and when they are free again.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use rustix::net::{AddressFamily, SocketType};
use std::cell::Cell;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use support::{BlackHole, LIMIT, Log, Refusing, World, all_of, next, settle, until};
use vestibule::{EventLoop, HostAddress, SocketError, SocketState, TcpServer, TcpSocket};

const BEGUN: &str = "looking up the host connecting found";

fn outgoing() -> (EventLoop, TcpServer, TcpSocket, Log) {
    World::Os.outgoing()
}

/// Whether a socket that shares with nobody gets the port.
fn is_free(port: u16) -> bool {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], port))).is_ok()
}

#[test]
fn a_bound_socket_has_its_address_and_connects_from_it() {
    for host in ["127.0.0.1", "localhost"] {
        let (event_loop, server, socket, log) = outgoing();
        socket.bind("127.0.0.1:0").unwrap();
        assert_eq!((log.take().as_str(), socket.state()), ("bound", SocketState::Bound));
        let port = socket.local_port();
        assert_eq!((socket.local_address(), socket.peer_addr()), (HostAddress::LOCALHOST, None));
        assert!(port != 0 && !is_free(port));
        assert_eq!((socket.write(b"x"), socket.bytes_to_write()), (0, 0));
        socket.connect_to_host(host, server.server_port()).unwrap();
        until(&event_loop, || socket.state() == SocketState::Connected);
        assert_eq!(log.take(), format!("{BEGUN} connected stands"));
        assert_eq!(next(&event_loop, &server).peer_port(), port);
        assert_eq!(socket.local_port(), port);
    }
}

#[test]
fn the_chosen_address_is_known_while_connecting() {
    let (_event_loop, server, socket, _log) = outgoing();
    socket.bind("127.0.0.1:0").unwrap();
    let port = socket.local_port();
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    assert_eq!((socket.state(), socket.local_port()), (SocketState::Connecting, port));
    assert_eq!(socket.local_address(), HostAddress::LOCALHOST);
}

#[test]
fn every_form_of_an_endpoint_is_taken() {
    let (_event_loop, _server, socket, _log) = outgoing();
    socket.bind((HostAddress::ANY_IPV4, 0)).unwrap();
    assert_eq!(socket.local_address(), HostAddress::ANY_IPV4);
    socket.abort();
    socket.bind((HostAddress::LOCALHOST, 0)).unwrap();
    socket.abort();
    assert!(socket.bind("no endpoint").is_err());
    assert_eq!(socket.state(), SocketState::Unconnected);
}

#[test]
fn ipv6_is_bound_too() {
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return; // a system without IPv6
    }
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::bind(&event_loop, "[::1]:0").unwrap();
    for address in [HostAddress::ANY_IPV6, HostAddress::LOCALHOST_IPV6] {
        let socket = TcpSocket::new(&event_loop);
        socket.bind((address, 0)).unwrap();
        assert_eq!(socket.local_address(), address);
        let port = socket.local_port();
        socket.connect_to_host("::1", server.server_port()).unwrap();
        until(&event_loop, || socket.state() == SocketState::Connected);
        assert_eq!((socket.local_address(), socket.local_port()), (HostAddress::LOCALHOST_IPV6, port));
    }
}

#[test]
fn what_cannot_be_bound_is_refused_and_changes_nothing() {
    let (event_loop, server, socket, log) = outgoing();
    let refused = |address, port, kind| {
        let error = socket.bind((address, port)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(
            (socket.state(), socket.local_addr(), log.take().as_str()),
            (SocketState::Unconnected, None, "")
        );
    };
    refused("203.0.113.5".parse().unwrap(), 0, SocketError::SocketAddressNotAvailable);
    refused(HostAddress::LOCALHOST, server.server_port(), SocketError::AddressInUse);
    refused(HostAddress::ANY, 0, SocketError::UnsupportedSocketOperation);
    refused(HostAddress::NULL, 0, SocketError::UnsupportedSocketOperation);
    let error = socket.bind((HostAddress::LOCALHOST, server.server_port())).unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{}", server.server_port())), "{error}");
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    until(&event_loop, || socket.state() == SocketState::Connected);
}

#[test]
fn binding_in_any_other_state_is_an_error_and_changes_nothing() {
    let (event_loop, server, socket, log) = outgoing();
    let busy = |socket: &TcpSocket| {
        let before = (socket.state(), socket.local_addr(), socket.error());
        log.take();
        let error = socket.bind("127.0.0.1:0").unwrap_err();
        assert_eq!((error.kind(), log.take().as_str()), (SocketError::Operation, ""));
        assert_eq!((socket.state(), socket.local_addr(), socket.error()), before);
    };
    socket.bind("127.0.0.1:0").unwrap();
    let port = socket.local_port();
    busy(&socket);
    socket.connect_to_host("localhost", server.server_port()).unwrap();
    busy(&socket);
    until(&event_loop, || socket.state() == SocketState::Connected);
    busy(&socket);
    assert_eq!(socket.local_port(), port);
    socket.abort();
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    busy(&socket);
    until(&event_loop, || socket.state() == SocketState::Connected);
    socket.write(b"x");
    socket.disconnect_from_host();
    busy(&socket);
}

#[test]
fn ending_a_bound_socket_tells_the_state_only_and_gives_the_port_back() {
    for end in [TcpSocket::abort, TcpSocket::close, TcpSocket::disconnect_from_host] {
        let (event_loop, _server, socket, log) = outgoing();
        socket.bind("127.0.0.1:0").unwrap();
        let port = socket.local_port();
        log.take();
        end(&socket);
        settle(&event_loop);
        assert_eq!((log.take().as_str(), socket.local_addr()), ("unconnected", None));
        assert!(is_free(port));
        socket.bind((HostAddress::LOCALHOST, port)).unwrap();
        drop(socket);
        settle(&event_loop);
        assert!(is_free(port));
        assert_eq!(log.take(), "bound");
    }
}

#[test]
fn an_attempt_that_fails_or_ends_gives_the_port_back() {
    let (event_loop, server, socket, log) = outgoing();
    let refusing = Refusing::new();
    for (host, error) in [("127.0.0.1", "ConnectionRefused"), ("two..dots", "HostNotFound")] {
        socket.bind("127.0.0.1:0").unwrap();
        let port = socket.local_port();
        socket.connect_to_host(host, refusing.port).unwrap();
        until(&event_loop, || socket.state() == SocketState::Unconnected);
        assert!(log.take().ends_with(&format!("unconnected {error}")));
        assert_eq!(socket.local_addr(), None);
        assert!(is_free(port));
    }
    for host in ["127.0.0.1", "localhost"] {
        let hole = BlackHole::new();
        socket.bind("127.0.0.1:0").unwrap();
        let port = socket.local_port();
        socket.connect_to_host(host, hole.port).unwrap();
        log.take();
        socket.abort();
        assert_eq!((log.take().as_str(), socket.local_addr()), ("unconnected finished", None));
        assert!(is_free(port));
    }
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    until(&event_loop, || socket.state() == SocketState::Connected);
}

#[test]
fn a_port_that_another_socket_has_cannot_be_bound() {
    let (event_loop, _server, socket, _log) = outgoing();
    socket.bind("127.0.0.1:0").unwrap();
    let port = socket.local_port();
    let second = TcpSocket::new(&event_loop);
    let kind = second.bind((HostAddress::LOCALHOST, port)).map_err(|error| error.kind());
    assert_eq!((kind, second.state()), (Err(SocketError::AddressInUse), SocketState::Unconnected));
    assert!(TcpListener::bind(("127.0.0.1", port)).is_err(), "nor listened on");
}

#[test]
fn ending_a_bound_socket_while_a_name_is_looked_up_is_remembered() {
    for end in [TcpSocket::disconnect_from_host, TcpSocket::close] {
        let (event_loop, server, socket, log) = outgoing();
        socket.bind("127.0.0.1:0").unwrap();
        let port = socket.local_port();
        socket.connect_to_host("localhost", server.server_port()).unwrap();
        socket.write(b"data");
        end(&socket);
        assert_eq!(
            (log.take().as_str(), socket.state()),
            ("bound looking up the host", SocketState::HostLookup)
        );
        let far = next(&event_loop, &server);
        assert_eq!((far.peer_port(), all_of(&event_loop, &far)), (port, b"data".to_vec()));
    }
}

/// A connection attempt that was aborted does not come back.
#[test]
fn aborting_a_bound_socket_while_a_name_is_looked_up_ends_the_attempt() {
    let (event_loop, server, socket, log) = outgoing();
    socket.bind("127.0.0.1:0").unwrap();
    socket.connect_to_host("localhost", server.server_port()).unwrap();
    log.take();
    socket.abort();
    assert_eq!((log.take().as_str(), socket.write(b"x")), ("unconnected finished", 0));
    settle(&event_loop);
    assert_eq!((log.take().as_str(), socket.state()), ("", SocketState::Unconnected));
    assert!(!server.has_pending_connections());
}

#[test]
fn an_address_of_the_other_family_fails_and_tells_it_later() {
    let (event_loop, _server, socket, log) = outgoing();
    socket.bind("127.0.0.1:0").unwrap();
    log.take();
    socket.connect_to_host("::1", 80).unwrap();
    assert_ne!(socket.state(), SocketState::Unconnected);
    until(&event_loop, || socket.state() == SocketState::Unconnected);
    settle(&event_loop);
    assert!(log.take().starts_with(&format!("{BEGUN} unconnected ")));
    assert_eq!(socket.local_addr(), None);
}

#[test]
fn waits_of_a_bound_socket_end_at_once_and_leave_it_bound() {
    let (_event_loop, _server, socket, log) = outgoing();
    socket.bind("127.0.0.1:0").unwrap();
    log.take();
    let limit = Some(Duration::from_secs(5));
    let begun = Instant::now();
    assert!(socket.wait_for_connected(limit).is_err());
    assert!(socket.wait_for_ready_read(limit).is_err());
    assert!(!socket.wait_for_bytes_written(limit).unwrap());
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!((log.take().as_str(), socket.state()), ("", SocketState::Bound));
}

#[test]
fn a_bound_socket_has_no_connection_whose_end_could_be_waited_for() {
    let (_event_loop, _server, socket, log) = outgoing();
    socket.bind("127.0.0.1:0").unwrap();
    log.take();
    assert!(!socket.wait_for_disconnected(Some(Duration::from_millis(50))).unwrap());
    assert_eq!(socket.state(), SocketState::Bound);
}

/// In a slot of the socket itself nothing is told until that returns; then it is told in the order in which it happened.
#[test]
fn a_socket_is_bound_and_connected_in_a_slot_of_its_own() {
    let (_event_loop, server, socket, log) = outgoing();
    let (port, once) = (server.server_port(), Cell::new(true));
    socket.disconnected().connect(move |socket| {
        if once.replace(false) {
            socket.bind("127.0.0.1:0").unwrap();
            socket.connect_to_host("127.0.0.1", port).unwrap();
        }
    });
    socket.connect_to_host("127.0.0.1", port).unwrap();
    assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
    log.take();
    socket.abort();
    assert_eq!(log.take(), format!("unconnected finished gone bound {BEGUN}"));
    assert_eq!(socket.state(), SocketState::Connecting);
    assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
}

/// 1. In the slot of `Bound` the socket is aborted.
/// 2. In the same slot it is connected.
#[test]
fn a_bound_socket_is_aborted_and_connected_in_a_slot_of_its_own() {
    let (event_loop, server, socket, log) = outgoing();
    let port = server.server_port();
    socket.state_changed().connect(move |socket, state| {
        if state == SocketState::Bound {
            socket.abort();
            socket.connect_to_host("127.0.0.1", port).unwrap();
        }
    });
    socket.bind("127.0.0.1:0").unwrap();
    assert_eq!((log.take(), socket.state()), (format!("bound unconnected {BEGUN}"), SocketState::Connecting));
    until(&event_loop, || socket.state() == SocketState::Connected);
}

#[test]
fn a_connection_that_ended_can_be_followed_by_one_from_a_chosen_port() {
    let (event_loop, server, socket, log) = outgoing();
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    drop(next(&event_loop, &server));
    until(&event_loop, || socket.state() == SocketState::Unconnected);
    log.take();
    socket.bind("127.0.0.1:0").unwrap();
    assert_eq!((log.take().as_str(), socket.state()), ("bound", SocketState::Bound));
    let port = socket.local_port();
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    assert_eq!(next(&event_loop, &server).peer_port(), port);
}

#[test]
fn a_standalone_socket_can_be_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = TcpSocket::standalone();
    socket.bind("127.0.0.1:0").unwrap();
    let port = socket.local_port();
    socket.connect_to_host("localhost", listener.local_addr().unwrap().port()).unwrap();
    assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
    assert_eq!(listener.accept().unwrap().1.port(), port);
}

fn simulated() -> (EventLoop, TcpServer, TcpSocket, Log) {
    World::simulation(1).outgoing()
}

#[test]
fn the_simulated_network_picks_ports_and_connects_from_them() {
    let (event_loop, server, socket, log) = simulated();
    let second = TcpSocket::new(&event_loop);
    let (mut ports, mut fars) = (Vec::new(), Vec::new());
    for socket in [&socket, &second] {
        socket.bind("127.0.0.1:0").unwrap();
        ports.push(socket.local_port());
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        let far = next(&event_loop, &server);
        assert_eq!(far.peer_port(), socket.local_port());
        fars.push(far);
    }
    assert!(!ports.contains(&0) && ports[0] != ports[1]);
    assert_eq!([socket.local_port(), second.local_port()][..], ports);
    assert!(log.take().starts_with(&format!("bound {BEGUN}")));
}

#[test]
fn a_simulated_connection_comes_from_the_port_that_was_chosen() {
    let (event_loop, server, socket, _log) = simulated();
    socket.bind("127.0.0.1:5000").unwrap();
    assert_eq!((socket.local_address(), socket.local_port()), (HostAddress::LOCALHOST, 5000));
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    assert_eq!(next(&event_loop, &server).peer_port(), 5000);
}

#[test]
fn a_simulated_port_that_is_taken_is_refused() {
    let (event_loop, server, socket, _log) = simulated();
    socket.bind("127.0.0.1:5000").unwrap();
    let second = TcpSocket::new(&event_loop);
    for port in [5000, server.server_port()] {
        let error = second.bind((HostAddress::LOCALHOST, port)).unwrap_err();
        assert_eq!((error.kind(), second.state()), (SocketError::AddressInUse, SocketState::Unconnected));
    }
    socket.abort();
    second.bind("127.0.0.1:5000").unwrap();
}
