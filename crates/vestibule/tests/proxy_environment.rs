//! Proxies that the environment names: in use only if the program says so. The environment is that of a process of its own, which
//! is this one once more.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::Instant;
use support::LIMIT;
use vestibule::{
    EventLoop, HostAddress, NetworkProxy, NetworkProxyFactory as Factory, NetworkProxyQuery, ProxyType,
    SocketError, TcpServer, TcpSocket,
};

/// Where the child finds the proxy's port; without it this is the parent.
const CHILD: &str = "VESTIBULE_TEST_PROXY_PORT";

/// Runs one of the tests in a process whose environment names a proxy.
fn child(test: &str, port: u16, no_proxy: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(CHILD, port.to_string())
        .env("all_proxy", format!("socks5://127.0.0.1:{port}"))
        .env("no_proxy", no_proxy)
        .env_remove("http_proxy")
        .output()
        .unwrap()
}

fn port_of_the_child() -> Option<u16> {
    std::env::var(CHILD).ok()?.parse().ok()
}

fn reads(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, expected);
}

fn accepts(proxy: &TcpListener) -> TcpStream {
    proxy.set_nonblocking(true).unwrap();
    let begun = Instant::now();
    loop {
        if let Ok((stream, _)) = proxy.accept() {
            stream.set_nonblocking(false).unwrap();
            return stream;
        }
        assert!(begun.elapsed() < LIMIT, "nobody asks the proxy");
        thread::yield_now();
    }
}

/// A proxy that is asked for one BIND at any address, and for one connection to port 80 of `there.test`, and refuses both.
fn refuses_a_bind_and_a_connection(proxy: &TcpListener) {
    let mut bind = accepts(proxy);
    reads(&mut bind, &[5, 1, 0]);
    bind.write_all(&[5, 0]).unwrap();
    reads(&mut bind, &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
    bind.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    let mut connect = accepts(proxy);
    reads(&mut connect, &[5, 1, 0]);
    connect.write_all(&[5, 0]).unwrap();
    reads(&mut connect, b"\x05\x01\0\x03\x0athere.test\0\x50");
    connect.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
}

/// What is not to be done through a proxy is done without one.
fn listens_directly(server: &TcpServer, address: HostAddress) {
    server.listen(address, 0).unwrap();
    assert!(server.socket_descriptor().is_some());
    server.close();
}

/// Server and socket go through the proxy, which refuses.
fn both_are_refused(server: &TcpServer, proxy: &NetworkProxy) {
    let error = server.listen(HostAddress::ANY_IPV4, 0).unwrap_err();
    assert_eq!(error.kind(), SocketError::SocketAccess, "{error}");
    assert!(
        error.to_string().ends_with(&format!(" through {proxy}: the proxy does not allow it")),
        "{error}"
    );
    let socket = TcpSocket::standalone();
    socket.connect_to_host("there.test", 80).unwrap();
    let error = socket.wait_for_connected(Some(LIMIT)).unwrap_err();
    assert_eq!(error.kind(), SocketError::SocketAccess, "{error}");
}

fn run_in_the_child(port: u16) {
    let (query, socks5) =
        (NetworkProxyQuery::for_server(0), NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", port));
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    assert!(!Factory::uses_system_configuration());
    assert_eq!(Factory::proxy_for_query(&query), [NetworkProxy::NONE]);
    assert_eq!(Factory::system_proxy_for_query(&query), std::slice::from_ref(&socks5));
    listens_directly(&server, HostAddress::ANY_IPV4);
    Factory::use_system_configuration(true);
    assert_eq!(Factory::proxy_for_query(&query), [socks5.clone(), NetworkProxy::NONE]);
    listens_directly(&server, HostAddress::LOCALHOST);
    let exempt = NetworkProxyQuery::for_socket("db.internal", 1);
    assert_eq!(Factory::proxy_for_query(&exempt), [NetworkProxy::NONE]);
    both_are_refused(&server, &socks5);
    Factory::use_system_configuration(false);
    listens_directly(&server, HostAddress::ANY_IPV4);
}

#[test]
fn a_proxy_of_the_environment_is_used_when_the_program_says_so_and_not_else() {
    let name = "a_proxy_of_the_environment_is_used_when_the_program_says_so_and_not_else";
    if let Some(port) = port_of_the_child() {
        return run_in_the_child(port);
    }
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    let proxy = thread::spawn(move || refuses_a_bind_and_a_connection(&proxy));
    let output = child(name, port, ".internal");
    assert!(output.status.success(), "{output:?}");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(out.contains("1 passed"), "{out}");
    proxy.join().unwrap();
}

#[test]
fn a_server_and_a_socket_ask_the_applications_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = proxy.local_addr().unwrap().port();
    let application = NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", port);
    let proxy = thread::spawn(move || refuses_a_bind_and_a_connection(&proxy));
    let event_loop = EventLoop::new().unwrap();
    NetworkProxy::set_application_proxy(application.clone());
    both_are_refused(&TcpServer::new(&event_loop), &application);
    NetworkProxy::set_application_proxy(NetworkProxy::NONE);
    proxy.join().unwrap();
}
