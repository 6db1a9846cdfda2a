//! Raw clients: plain sockets of the system, never vestibule's. What they do has arrived when they have done it.

use crate::far_end;
use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// How much is read at once.
const CHUNK: usize = 1 << 18;

/// A raw client that is connected. It does not block.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    end: Cell<End>,
    room: RefCell<Vec<u8>>,
}

/// What the reading side of a client has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Eof,
    Reset,
}

impl End {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Eof => "eof",
            Self::Reset => "reset",
        }
    }
}

/// Where a client is.
pub(crate) enum Place {
    Here(Rc<Client>),
    /// A thread connects it.
    Coming(JoinHandle<Option<TcpStream>>),
}

impl Place {
    /// The client, once it is here; none if it could not connect.
    pub(crate) fn arrive(self) -> Option<Rc<Client>> {
        match self {
            Self::Here(client) => Some(client),
            Self::Coming(thread) => thread.join().ok()?.map(Client::new),
        }
    }
}

/// Connects, and says how that went.
pub(crate) fn open(host: &str, port: u16) -> (Option<TcpStream>, &'static str) {
    match connect(host, port) {
        Ok(stream) => (Some(stream), "ok"),
        Err(error) if error.kind() == ErrorKind::TimedOut => (None, "timeout"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => (None, "refused"),
        Err(_) => (None, "error"),
    }
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&resolve(host, port)?, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    far_end::await_arrival(&stream);
    Ok(stream)
}

fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let host = match host {
        "localhost" => "127.0.0.1",
        "localhost6" => "::1",
        _ => host,
    };
    let found = (host, port).to_socket_addrs()?.next();
    found.ok_or_else(|| ErrorKind::AddrNotAvailable.into())
}

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Rc<Self> {
        Rc::new(Self { stream, end: Cell::new(End::Open), room: RefCell::default() })
    }

    /// What the reading side has come to; an end once seen stays.
    pub(crate) fn end(&self) -> End {
        self.end.get()
    }

    /// Adds what is there now, `limit` bytes at most; true if anything was.
    pub(crate) fn read(&self, data: &mut Vec<u8>, limit: usize) -> bool {
        let mut room = self.room.borrow_mut();
        room.resize(CHUNK, 0);
        let before = data.len();
        while self.end() == End::Open && data.len() - before < limit {
            let most = CHUNK.min(limit - (data.len() - before));
            let Some(chunk) = room.get_mut(..most) else { break };
            match (&self.stream).read(chunk) {
                Ok(0) => self.end.set(End::Eof),
                Ok(length) => data.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.end.set(End::Reset),
            }
        }
        data.len() > before
    }

    /// Sends what the kernel has room for.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        let length = (&self.stream).write(bytes)?;
        far_end::await_arrival(&self.stream);
        Ok(length)
    }

    /// Shuts down the write side. What has ended already cannot be shut down, and need not be.
    pub(crate) fn finish(&self) {
        drop(self.stream.shutdown(Shutdown::Write));
        far_end::await_arrival(&self.stream);
    }

    /// Closes it with a reset.
    pub(crate) fn reset(self) {
        far_end::reset(self.stream);
    }
}
