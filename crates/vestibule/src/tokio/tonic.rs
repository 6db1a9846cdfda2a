use super::connection::Connection;
use ::tonic::transport::server::{Connected, TcpConnectInfo};

/// `Server::builder()…serve_with_incoming_shutdown(listener, closed)` takes a [`Listener`](super::Listener), with the future
/// of [`Listener::closed`](super::Listener::closed): then connections end when they have no call under way.
///
/// `remote_addr` and `local_addr` of a request say what they say with tonic's own listener.
impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        TcpConnectInfo { local_addr: self.local_addr().ok(), remote_addr: Some(self.peer_addr()) }
    }
}
