//! What the application says of proxies holds for the process, so tests of it take turns; and what they have in common.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use crate::support::{LIMIT, World};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vestibule::{
    EventLoop, HostAddress, NetworkProxy, NetworkProxyFactory as Factory, NetworkProxyQuery, ProxyType,
    ServerState, SocketError, TcpServer, TcpSocket,
};

pub const HOST: &str = "there.test";

/// The turn of a test; nothing is left of what it said.
pub struct Turn {
    _turn: MutexGuard<'static, ()>,
}

impl Turn {
    pub fn begin() -> Self {
        static ONE: Mutex<()> = Mutex::new(());
        Self { _turn: ONE.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        NetworkProxy::set_application_proxy(NetworkProxy::NONE);
    }
}

/// What a factory was asked.
pub type Queries = Arc<Mutex<Vec<NetworkProxyQuery>>>;

/// Has a factory give this answer, and write down what it was asked.
pub fn answering(answer: &[NetworkProxy]) -> Queries {
    let (queries, answer) = (Queries::default(), answer.to_vec());
    let asked = Arc::clone(&queries);
    Factory::set_application_proxy_factory(move |query: &NetworkProxyQuery| {
        asked.lock().unwrap().push(query.clone());
        answer.clone()
    });
    queries
}

pub fn taken(queries: &Queries) -> Vec<NetworkProxyQuery> {
    std::mem::take(&mut queries.lock().unwrap())
}

pub fn proxy(proxy_type: ProxyType, port: u16) -> NetworkProxy {
    NetworkProxy::new(proxy_type, "127.0.0.1", port)
}

/// How the attempt to reach a host that only a proxy could know fails.
pub fn failure(socket: &TcpSocket) -> (SocketError, String) {
    socket.connect_to_host(HOST, 80).unwrap();
    let error = socket.wait_for_connected(Some(LIMIT)).unwrap_err();
    (error.kind(), error.to_string())
}

/// A socket on a network where no other host can be found.
pub fn simulated_socket() -> (EventLoop, TcpSocket) {
    let event_loop = World::simulation(1).event_loop();
    let socket = TcpSocket::new(&event_loop);
    (event_loop, socket)
}

/// Whether it goes its way without a proxy.
pub fn connects_directly(socket: &TcpSocket) -> bool {
    let (kind, text) = failure(socket);
    kind == SocketError::HostNotFound && !text.contains("through")
}

pub fn server() -> (EventLoop, TcpServer) {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    (event_loop, server)
}

/// Why it cannot listen, after it was seen that nothing stays of the try.
pub fn cannot_listen(server: &TcpServer) -> (SocketError, &'static str, String) {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    let error = server.listen(HostAddress::ANY_IPV4, 0).unwrap_err();
    assert_eq!(open(), before, "something is left open");
    assert_eq!(
        (server.is_listening(), server.state(), server.server_port()),
        (false, ServerState::Closed, 0)
    );
    assert_eq!((server.server_error(), server.error_string()), (error.kind(), error.error_string()));
    (error.kind(), error.error_string(), error.to_string())
}

pub fn listens_directly(server: &TcpServer) -> bool {
    server.listen(HostAddress::ANY_IPV4, 0).unwrap();
    let listens = server.socket_descriptor().is_some() && server.state() == ServerState::Listening;
    server.close();
    listens
}
