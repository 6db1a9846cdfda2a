use super::connection::Connection;
use super::listener::Listener;
use ::axum::extract::connect_info::Connected;
use ::axum::serve::IncomingStream;
use std::io;
use std::net::SocketAddr;

/// `axum::serve(listener, app)` takes it as it takes tokio's.
///
/// Axum accepts for ever: end it with `with_graceful_shutdown`, with [`Listener::closed`].
impl ::axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match Self::accept(self).await {
                Ok(Some(connection)) => {
                    let peer = connection.peer_addr();
                    return (connection, peer);
                }
                Ok(None) => std::future::pending().await, // nobody will come
                Err(error) => crate::log::warning!("{error}; nobody will come any more"),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addrs().first().copied().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Who sends a request: for `into_make_service_with_connect_info::<Peer>()` and the extractor `ConnectInfo<Peer>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The client's address and port.
    pub address: SocketAddr,
    /// The [number](Connection::id) of its connection.
    pub connection: u64,
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self { address: *stream.remote_addr(), connection: stream.io().id() }
    }
}
