//! Servers that listen through a SOCKS5 proxy, and their clients.

use super::socks5::Proxy;
use super::{Client, LIMIT, Log, World, until};
use std::net::SocketAddr;
use std::time::Duration;
use vestibule::{EventLoop, HostAddress, ListenOptions, NetworkProxy, ServerState, TcpServer, TcpSocket};

pub fn options() -> ListenOptions {
    ListenOptions::new((HostAddress::ANY, 0)).proxy_timeout(LIMIT)
}

/// A server that is to listen through a proxy.
pub fn behind(proxy: NetworkProxy) -> (EventLoop, TcpServer) {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    server.set_proxy(proxy);
    (event_loop, server)
}

/// A server with so many BINDs that stand.
pub fn listening(proxy: &Proxy, binds: usize) -> (EventLoop, TcpServer) {
    let (event_loop, server) = behind(proxy.as_proxy());
    server.listen_with(options().proxy_binds(binds)).unwrap();
    until(&event_loop, || server.bound_addresses().len() == binds); // or a client's port may become another's
    event_loop.process_events(Some(Duration::ZERO)).unwrap(); // that it listens is told
    (event_loop, server)
}

/// A client for every BIND that stands, and their addresses in order.
pub fn clients(server: &TcpServer) -> (Vec<Client>, Vec<SocketAddr>) {
    let bound = server.bound_addresses();
    let clients: Vec<_> = bound.iter().map(|endpoint| World::Os.connect(endpoint.port)).collect();
    let mut addresses: Vec<_> = clients.iter().map(Client::local_addr).collect();
    addresses.sort_unstable();
    (clients, addresses)
}

/// A client of the server's address.
pub fn client(event_loop: &EventLoop, server: &TcpServer) -> Client {
    until(event_loop, || !server.bound_addresses().is_empty());
    World::Os.connect(server.bound_addresses()[0].port)
}

/// The addresses of the far ends in order.
pub fn peers(sockets: &[TcpSocket]) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = sockets.iter().map(|socket| socket.peer_addr().unwrap()).collect();
    addresses.sort_unstable();
    addresses
}

/// Takes each connection and sends back what comes on it.
pub fn echo(server: &TcpServer) {
    server.new_connection().connect(|server| {
        let socket = server.next_pending_connection().unwrap();
        socket.ready_read().connect(|socket| {
            socket.write(&socket.read_all());
        });
        socket.set_parent(server);
    });
}

/// The client of a server that echoes gets what it sends, and then the end.
pub fn check_echo(event_loop: &EventLoop, mut client: Client) {
    client.send(event_loop, b"hello");
    assert_eq!(client.receive(event_loop, 5), b"hello");
    client.shut_down();
    assert_eq!(client.receive_to_end(event_loop), b"");
}

/// Writes down what is told of listening.
pub fn follow(server: &TcpServer) -> Log {
    let log = Log::default();
    let words = log.clone();
    server.accept_error().connect(move |_, error| words.add(format!("{error:?}")));
    let words = log.clone();
    server.listening_changed().connect(move |server, outcome| {
        let is_closed = server.state() == ServerState::Closed;
        assert_eq!((server.is_listening(), is_closed), (outcome.is_ok(), outcome.is_err()));
        words.add(format!("{outcome:?}"));
    });
    let words = log.clone();
    server.address_changed().connect(move |server| {
        assert_eq!(server.bound_addresses()[0].port, server.server_port());
        words.add("moved");
    });
    let words = log.clone();
    server.state_changed().connect(move |_, state| words.add(state.to_string()));
    log
}

/// What was told, in order of the letters: a state is told a turn later than the rest.
pub fn take_sorted(log: &Log) -> Vec<String> {
    let mut words: Vec<_> = log.take().split_whitespace().map(str::to_owned).collect();
    words.sort_unstable();
    words
}
