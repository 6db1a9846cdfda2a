//! Options: set before a connection, while it is made and when it stands, told as they are, and effective in the system.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use rustix::net::sockopt;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::time::Duration;
use support::{LIMIT, World, next, until};
use vestibule::{EventLoop, HostAddress, KeepAlive, SocketError, SocketState, TcpServer, TcpSocket};

const BRISK: KeepAlive =
    KeepAlive { idle: Some(Duration::from_secs(61)), interval: Some(Duration::from_secs(7)), count: Some(4) };
const PATIENCE: Duration = Duration::from_millis(12_345);

fn set_all(socket: &TcpSocket) {
    socket.set_no_delay(false).unwrap();
    socket.set_keep_alive(Some(BRISK)).unwrap();
    socket.set_send_buffer_size(20_000).unwrap();
    socket.set_receive_buffer_size(30_000).unwrap();
    socket.set_type_of_service(32).unwrap();
    socket.set_user_timeout(Some(PATIENCE)).unwrap();
}

/// What the socket tells; Linux tells twice the sizes of a connection.
fn assert_told(socket: &TcpSocket, factor: usize) {
    assert_eq!((socket.no_delay().unwrap(), socket.keep_alive().unwrap()), (false, Some(BRISK)));
    assert_eq!(socket.send_buffer_size().unwrap(), factor * 20_000);
    assert_eq!(socket.receive_buffer_size().unwrap(), factor * 30_000);
    assert_eq!((socket.type_of_service().unwrap(), socket.user_timeout().unwrap()), (32, Some(PATIENCE)));
}

/// What the system says.
fn assert_effective(stream: &TcpStream) {
    assert!(!sockopt::tcp_nodelay(stream).unwrap());
    assert!(sockopt::socket_keepalive(stream).unwrap());
    assert_eq!(sockopt::tcp_keepidle(stream).unwrap(), BRISK.idle.unwrap());
    assert_eq!(sockopt::tcp_keepintvl(stream).unwrap(), BRISK.interval.unwrap());
    assert_eq!(sockopt::tcp_keepcnt(stream).unwrap(), BRISK.count.unwrap());
    assert_eq!(sockopt::socket_send_buffer_size(stream).unwrap(), 40_000);
    assert_eq!(sockopt::socket_recv_buffer_size(stream).unwrap(), 60_000);
    assert_eq!(sockopt::tcp_user_timeout(stream).unwrap(), 12_345);
    if stream.local_addr().unwrap().is_ipv4() {
        assert_eq!(sockopt::ip_tos(stream).unwrap(), 32);
    } else {
        assert_eq!(sockopt::ipv6_tclass(stream).unwrap(), 32);
    }
}

/// A loop, and a server, for each family that the system has.
fn families() -> Vec<(EventLoop, TcpServer, &'static str)> {
    let mut hosts = vec!["127.0.0.1"];
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        hosts.push("::1");
    }
    hosts
        .into_iter()
        .map(|host| {
            let event_loop = EventLoop::new().unwrap();
            let server = TcpServer::new(&event_loop);
            server.listen(host.parse::<HostAddress>().unwrap(), 0).unwrap();
            (event_loop, server, host)
        })
        .collect()
}

fn connect(socket: &TcpSocket, host: &str, server: &TcpServer) {
    socket.connect_to_host(host, server.server_port()).unwrap();
    assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
}

#[test]
fn what_is_set_before_connecting_is_told_and_effective_then() {
    for (event_loop, server, host) in families() {
        for binds in [false, true] {
            let socket = TcpSocket::new(&event_loop);
            set_all(&socket);
            assert_told(&socket, 1);
            if binds {
                socket.bind((host.parse::<HostAddress>().unwrap(), 0)).unwrap();
                assert_told(&socket, 1);
            }
            connect(&socket, host, &server);
            assert_told(&socket, 2);
            assert_effective(&socket.into_std().unwrap());
        }
    }
}

#[test]
fn what_is_set_on_a_bound_socket_is_effective() {
    for (event_loop, server, host) in families() {
        let socket = TcpSocket::new(&event_loop);
        socket.bind((host.parse::<HostAddress>().unwrap(), 0)).unwrap();
        set_all(&socket);
        connect(&socket, host, &server);
        assert_effective(&socket.into_std().unwrap());
    }
}

#[test]
fn what_is_set_while_connecting_is_effective() {
    for (event_loop, server, host) in families() {
        let socket = TcpSocket::new(&event_loop);
        socket.connect_to_host(host, server.server_port()).unwrap();
        set_all(&socket);
        until(&event_loop, || socket.state() == SocketState::Connected);
        assert_effective(&socket.into_std().unwrap());
    }
}

#[test]
fn what_is_set_while_a_name_is_looked_up_is_effective() {
    let (event_loop, server, socket, _log) = World::Os.outgoing();
    socket.connect_to_host("localhost", server.server_port()).unwrap();
    assert_eq!(socket.state(), SocketState::HostLookup);
    set_all(&socket);
    until(&event_loop, || socket.state() == SocketState::Connected);
    assert_effective(&socket.into_std().unwrap());
}

#[test]
fn what_is_set_on_a_connection_is_told_and_effective() {
    for (event_loop, server, host) in families() {
        let socket = TcpSocket::new(&event_loop);
        connect(&socket, host, &server);
        set_all(&socket);
        assert_told(&socket, 2);
        let accepted = next(&event_loop, &server);
        set_all(&accepted);
        assert_told(&accepted, 2);
        assert_effective(&socket.into_std().unwrap());
        assert_effective(&accepted.into_std().unwrap());
    }
}

#[test]
fn everything_can_be_taken_back() {
    for (event_loop, server, host) in families() {
        for connected in [false, true] {
            let socket = TcpSocket::new(&event_loop);
            if connected {
                connect(&socket, host, &server);
            }
            set_all(&socket);
            socket.set_no_delay(true).unwrap();
            socket.set_keep_alive(None).unwrap();
            socket.set_type_of_service(0).unwrap();
            socket.set_user_timeout(None).unwrap();
            assert_eq!((socket.no_delay().unwrap(), socket.keep_alive().unwrap()), (true, None));
            assert_eq!((socket.type_of_service().unwrap(), socket.user_timeout().unwrap()), (0, None));
            if !connected {
                connect(&socket, host, &server);
            }
            let stream = socket.into_std().unwrap();
            assert!(sockopt::tcp_nodelay(&stream).unwrap() && !sockopt::socket_keepalive(&stream).unwrap());
            assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 0);
        }
    }
}

#[test]
fn no_delay_alone_is_on_by_default() {
    let (event_loop, server, socket, _log) = World::Os.outgoing();
    assert!(socket.no_delay().unwrap());
    let unset = [
        socket.keep_alive().map(|_| ()),
        socket.send_buffer_size().map(|_| ()),
        socket.receive_buffer_size().map(|_| ()),
        socket.type_of_service().map(|_| ()),
        socket.user_timeout().map(|_| ()),
    ];
    for result in unset {
        assert_eq!(result.unwrap_err().kind(), SocketError::Operation);
    }
    connect(&socket, "127.0.0.1", &server);
    assert_eq!((socket.no_delay().unwrap(), socket.keep_alive().unwrap()), (true, None));
    assert_eq!((socket.type_of_service().unwrap(), socket.user_timeout().unwrap()), (0, None));
    assert!(socket.send_buffer_size().unwrap() > 0 && socket.receive_buffer_size().unwrap() > 0);
    drop(event_loop);
    assert!(sockopt::tcp_nodelay(socket.into_std().unwrap()).unwrap());
}

#[test]
fn what_is_remembered_holds_for_every_connection_and_what_a_connection_got_for_that_one() {
    let (_event_loop, server, socket, _log) = World::Os.outgoing();
    socket.set_type_of_service(32).unwrap();
    for _ in 0..2 {
        connect(&socket, "127.0.0.1", &server);
        assert_eq!((socket.type_of_service().unwrap(), socket.keep_alive().unwrap()), (32, None));
        socket.set_keep_alive(Some(BRISK)).unwrap();
        assert_eq!(socket.keep_alive().unwrap(), Some(BRISK));
        socket.abort();
        assert_eq!(socket.type_of_service().unwrap(), 32);
        assert!(socket.keep_alive().is_err());
    }
}

#[test]
fn parts_of_keep_alive_are_the_systems_where_they_are_not_given() {
    let (_event_loop, server, socket, _log) = World::Os.outgoing();
    let idle = Some(Duration::from_secs(60));
    socket.set_keep_alive(Some(KeepAlive { idle, ..KeepAlive::default() })).unwrap();
    connect(&socket, "127.0.0.1", &server);
    let told = socket.keep_alive().unwrap().unwrap();
    assert_eq!(told.idle, idle);
    assert!(told.interval.is_some() && told.count.is_some());
    socket.set_keep_alive(Some(KeepAlive { idle: Some(Duration::from_millis(10)), ..told })).unwrap();
    assert_eq!(socket.keep_alive().unwrap().unwrap().idle, Some(Duration::from_secs(1)), "at least a second");
    socket.set_user_timeout(Some(Duration::from_micros(1))).unwrap();
    assert_eq!(socket.user_timeout().unwrap(), Some(Duration::from_millis(1)), "at least a millisecond");
}

#[test]
fn what_the_system_refuses_fails() {
    let (event_loop, server, socket, log) = World::Os.outgoing();
    connect(&socket, "127.0.0.1", &server);
    log.take();
    let absurd = KeepAlive { count: Some(1_000_000), ..KeepAlive::default() };
    assert!(socket.set_keep_alive(Some(absurd)).is_err());
    assert_eq!((socket.state(), log.take().as_str()), (SocketState::Connected, ""));
    let late = TcpSocket::new(&event_loop);
    log.follow_from_the_start(&late);
    late.set_keep_alive(Some(absurd)).unwrap();
    late.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    until(&event_loop, || late.state() == SocketState::Unconnected);
    assert!(log.take().starts_with("looking up the host connecting found unconnected "));
    late.set_keep_alive(None).unwrap();
    connect(&late, "127.0.0.1", &server);
}

/// Its packets are those of IPv4, though its descriptor is of IPv6.
#[test]
fn the_type_of_service_of_an_ipv4_client_of_a_server_of_both_families_is_that_of_ipv4() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    server.listen(HostAddress::ANY, 0).unwrap();
    let _client = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    let socket = next(&event_loop, &server);
    for value in [32, 16, 0] {
        socket.set_type_of_service(value).unwrap();
        assert_eq!(socket.type_of_service().unwrap(), value);
        assert_eq!(sockopt::ip_tos(socket.socket_descriptor().unwrap()).unwrap(), value);
    }
}

#[test]
fn an_option_that_the_system_refuses_fails_the_attempt_as_unsupported() {
    let (_event_loop, server, socket, log) = World::Os.outgoing();
    socket.set_keep_alive(Some(KeepAlive { count: Some(1000), ..KeepAlive::default() })).unwrap();
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    let error = socket.wait_for_connected(Some(LIMIT)).unwrap_err();
    assert_eq!(error.kind(), SocketError::UnsupportedSocketOperation, "{error}");
    assert!(log.take().ends_with(" unconnected UnsupportedSocketOperation"));
    assert_eq!(socket.state(), SocketState::Unconnected);
}

on_both! {
    fn an_accepted_connection_sends_small_packets_at_once(world: &World) {
        let (_event_loop, _server, socket, _client) = world.pair();
        assert!(socket.no_delay().unwrap());
    }

    fn options_are_kept_and_told(world: &World) {
        let (event_loop, server, socket, _log) = world.outgoing();
        set_all(&socket);
        assert_told(&socket, 1);
        socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
        until(&event_loop, || socket.state() == SocketState::Connected);
        assert_told(&socket, if matches!(world, World::Os) { 2 } else { 1 });
        socket.abort();
        assert_told(&socket, 1);
    }
}
