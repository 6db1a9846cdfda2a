//! A connection taken from a server, with a log of its signals.

use crate::log::Log;
use crate::spelling;
use vestibule::TcpSocket;

/// A connection taken from a server, with a log of its signals.
pub(crate) struct Connection {
    pub(crate) socket: TcpSocket,
    pub(crate) log: Log,
}

impl Connection {
    /// Owns the socket, and records what it tells from now on.
    pub(crate) fn new(socket: TcpSocket) -> Self {
        let log = Log::default();
        let to = log.clone();
        socket.ready_read().connect(move |_| to.push_once("ready"));
        let to = log.clone();
        socket.bytes_written().connect(move |_, _| to.push_once("bytes"));
        let to = log.clone();
        socket.error_occurred().connect(move |_, error| to.push(format!("error:{}", spelling::error(error))));
        let to = log.clone();
        socket.state_changed().connect(move |_, state| to.push(format!("state:{}", spelling::state(state))));
        let to = log.clone();
        socket.read_channel_finished().connect(move |_| to.push("finished"));
        let to = log.clone();
        socket.disconnected().connect(move |_| to.push("gone"));
        Self { socket, log }
    }
}
