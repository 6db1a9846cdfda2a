//! Listening and connecting through Dante, the SOCKS server of Debian. `.ci/dante` runs this in namespaces of its own, where
//! 192.0.2.1 is this host, `there.example` its name, and `vestibule` a user whose password is `secret`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use support::{LIMIT, until};
use vestibule::{
    EventLoop, HostAddress, ListenOptions, NetworkProxy, ProxyType, ServerState, SocketError, TcpServer,
    TcpSocket,
};

/// Dante has fixed ports.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Dante {
    child: Child,
    port: u16,
}

impl Dante {
    fn start(name: &str, port: u16) -> Self {
        let config = format!("{}/tests/dante/{name}.conf", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("danted");
        let child = command.args(["-f", &config]).process_group(0).spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < LIMIT, "danted does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Self { child, port }
    }

    fn open() -> (MutexGuard<'static, ()>, Self) {
        (ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner), Self::start("open", 1080))
    }

    fn proxy(&self) -> NetworkProxy {
        NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", self.port)
    }

    fn kill(&mut self) {
        let group = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Dante {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.kill();
        }
    }
}

fn server(event_loop: &EventLoop, proxy: NetworkProxy, binds: usize) -> TcpServer {
    let server = TcpServer::new(event_loop);
    server.set_proxy(proxy);
    server.listen_with(ListenOptions::new((HostAddress::ANY, 0)).proxy_binds(binds)).unwrap();
    server
}

/// Sends back what comes, until the peer ends.
fn echo(server: &TcpServer) {
    server.new_connection().connect(|server| {
        while let Some(socket) = server.next_pending_connection() {
            socket.ready_read().connect(|socket| {
                socket.read_with(|bytes| socket.write(bytes));
            });
            socket.set_parent(server);
        }
    });
}

/// A client that says a number and wants it back.
fn client(address: SocketAddr, number: usize) -> thread::JoinHandle<SocketAddr> {
    thread::spawn(move || {
        let mut stream = TcpStream::connect_timeout(&address, LIMIT).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(number.to_string().as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, number.to_string());
        stream.local_addr().unwrap()
    })
}

/// Where the next client can come to, once that is so.
fn next_address(event_loop: &EventLoop, server: &TcpServer) -> SocketAddr {
    until(event_loop, || !server.bound_addresses().is_empty());
    let bound = server.bound_addresses()[0];
    assert_eq!((bound.address, bound.port), (server.server_address(), server.server_port()));
    SocketAddr::new(bound.address.to_ip_addr().unwrap(), bound.port)
}

#[test]
#[ignore = "needs Dante: .ci/dante"]
fn a_hundred_clients_in_a_row_come_through_one_listen_in_a_loop() {
    let (_alone, dante) = Dante::open();
    let event_loop = EventLoop::new().unwrap();
    let server = server(&event_loop, dante.proxy(), 1);
    let peers = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&peers);
    server.pending_connection_available().connect(move |_| seen.borrow_mut().push(()));
    echo(&server);
    for number in 0..100 {
        let client = client(next_address(&event_loop, &server), number);
        until(&event_loop, || client.is_finished());
        client.join().unwrap();
    }
    assert_eq!((peers.borrow().len(), server.statistics().accepted), (100, 100));
}

#[test]
#[ignore = "needs Dante: .ci/dante"]
fn a_hundred_clients_in_a_row_come_through_one_listen_in_waits() {
    let (_alone, dante) = Dante::open();
    let server = TcpServer::standalone().unwrap();
    server.set_proxy(dante.proxy());
    server.listen(HostAddress::ANY, 0).unwrap();
    for number in 0..100 {
        let begun = Instant::now();
        while server.bound_addresses().is_empty() {
            assert!(begun.elapsed() < LIMIT);
            assert!(!server.wait_for_new_connection(Some(Duration::from_millis(1))).unwrap());
        }
        let client = client(next_address(&server.event_loop(), &server), number);
        assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
        let socket = server.next_pending_connection().unwrap();
        let (peer, local) = (socket.peer_addr().unwrap(), socket.local_addr().unwrap());
        assert_eq!(local.ip().to_string(), "192.0.2.1");
        while socket.bytes_available() < number.to_string().len() {
            assert!(socket.wait_for_ready_read(Some(LIMIT)).unwrap());
        }
        socket.read_with(|bytes| socket.write(bytes));
        drop(socket);
        assert_eq!(server.event_loop().finish(LIMIT).unwrap(), 0);
        assert_eq!(client.join().unwrap(), peer);
    }
}

#[test]
#[ignore = "needs Dante: .ci/dante"]
fn twenty_clients_at_once_come_through_one_listen() {
    let (_alone, dante) = Dante::open();
    let event_loop = EventLoop::new().unwrap();
    let server = server(&event_loop, dante.proxy(), 20);
    echo(&server);
    for _ in 0..5 {
        until(&event_loop, || server.bound_addresses().len() == 20);
        let places = server.bound_addresses();
        let addresses = places.iter().map(|at| SocketAddr::new(at.address.to_ip_addr().unwrap(), at.port));
        let clients: Vec<_> =
            addresses.enumerate().map(|(number, address)| client(address, number)).collect();
        until(&event_loop, || clients.iter().all(thread::JoinHandle::is_finished));
        for client in clients {
            client.join().unwrap();
        }
    }
    assert_eq!(server.statistics().accepted, 100);
}

#[test]
#[ignore = "needs Dante: .ci/dante"]
fn a_password_is_right_or_wrong() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let dante = Dante::start("password", 1081);
    let event_loop = EventLoop::new().unwrap();
    let right = dante.proxy().with_credentials("vestibule", "secret");
    let server = server(&event_loop, right.clone(), 1);
    echo(&server);
    let client = client(next_address(&event_loop, &server), 7);
    until(&event_loop, || client.is_finished());
    client.join().unwrap();
    for wrong in [dante.proxy().with_credentials("vestibule", "guess"), dante.proxy()] {
        let server = TcpServer::new(&event_loop);
        server.set_proxy(wrong.clone());
        let error = server.listen(HostAddress::ANY, 0).unwrap_err();
        assert_eq!(error.kind(), SocketError::ProxyAuthenticationRequired, "{error}");
        let socket = TcpSocket::new(&event_loop);
        socket.set_proxy(wrong);
        socket.connect_to_host("192.0.2.1", 1).unwrap();
        let error = socket.wait_for_connected(Some(LIMIT)).unwrap_err();
        assert_eq!(error.kind(), SocketError::ProxyAuthenticationRequired, "{error}");
    }
}

#[test]
#[ignore = "needs Dante: .ci/dante"]
fn the_proxy_is_killed_and_started_again() {
    let (_alone, mut dante) = Dante::open();
    let event_loop = EventLoop::new().unwrap();
    let server = server(&event_loop, dante.proxy(), 3);
    echo(&server);
    let errors = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&errors);
    server.accept_error().connect(move |_, kind| told.borrow_mut().push(kind));
    for round in 1..=3 {
        let client = client(next_address(&event_loop, &server), round);
        until(&event_loop, || client.is_finished());
        client.join().unwrap();
        dante.kill();
        until(&event_loop, || server.state() == ServerState::Starting);
        assert!(!server.is_listening());
        assert_eq!(*errors.borrow(), vec![SocketError::ProxyConnectionClosed; round]);
        dante = Dante::start("open", 1080);
        until(&event_loop, || server.bound_addresses().len() == 3);
        assert_eq!(server.state(), ServerState::Listening);
    }
}

#[test]
#[ignore = "needs Dante: .ci/dante"]
fn a_socket_connects_through_the_proxy_and_comes_back_through_it() {
    let (_alone, dante) = Dante::open();
    let event_loop = EventLoop::new().unwrap();
    let direct = TcpServer::bind(&event_loop, "192.0.2.1:0").unwrap();
    let proxied = server(&event_loop, dante.proxy(), 1);
    echo(&direct);
    echo(&proxied);
    for (host, port) in [
        ("192.0.2.1", direct.server_port()),
        ("there.example", direct.server_port()),
        ("there.example", proxied.server_port()),
    ] {
        let socket = TcpSocket::new(&event_loop);
        socket.set_proxy(dante.proxy());
        socket.write(b"early");
        socket.connect_to_host(host, port).unwrap();
        assert!(socket.wait_for_connected(Some(LIMIT)).unwrap());
        socket.write(b"late");
        until(&event_loop, || socket.bytes_available() == 4);
        assert_eq!(socket.read_all(), b"late");
        socket.disconnect_from_host();
    }
    let socket = TcpSocket::new(&event_loop);
    socket.set_proxy(dante.proxy());
    socket.connect_to_host("192.0.2.1", 1).unwrap();
    let error = socket.wait_for_connected(Some(LIMIT)).unwrap_err();
    assert_eq!(error.kind(), SocketError::ConnectionRefused, "{error}");
}
