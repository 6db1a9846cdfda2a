use super::incoming_connection::IncomingConnection;
use super::tcp_server::TcpServer;
use crate::acceptor::Acceptor;
use crate::address::{Endpoint, HostAddress};
use crate::driver::Token;
use crate::error::{Error, SocketError};
use crate::event_loop::{EventLoop, LoopCore};
use crate::signal::Signal;
use crate::socket::TcpSocket;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

/// What a server is to its owner, to the loop and to its slots.
pub(crate) struct ServerCore {
    pub(super) event_loop: Rc<LoopCore>,
    /// The loop of a standalone server, which nobody else holds.
    pub(super) private_loop: RefCell<Option<EventLoop>>,
    pub(super) acceptor: RefCell<Acceptor>,
    pub(super) pending: RefCell<VecDeque<Pending>>,
    pub(super) children: RefCell<Vec<TcpSocket>>,
    pub(super) hook: RefCell<Option<Rc<Hook>>>,
    pub(super) new_connection: Signal<TcpServer>,
    pub(super) pending_connection_available: Signal<TcpServer>,
    pub(super) accept_error: Signal<TcpServer, SocketError>,
    pub(super) listening: Cell<Option<Listening>>,
    pub(super) backlog: Cell<u32>,
    pub(super) last_error: Cell<SocketError>,
    pub(super) error_text: Cell<&'static str>,
    pub(super) object_name: RefCell<String>,
    /// Whether the loop is to begin a new batch.
    pub(super) resting: Cell<bool>,
    /// Whether the owner has dropped the server.
    pub(super) gone: Cell<bool>,
}

/// What is called for each connection instead of appending it to the pending list.
pub(super) type Hook = dyn Fn(&TcpServer, IncomingConnection);

/// A connection that was accepted, or made by hand, and not taken.
pub(super) enum Pending {
    Incoming(IncomingConnection),
    Socket(TcpSocket),
}

/// A server that listens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listening {
    pub(super) token: Token,
    pub(super) endpoint: Endpoint,
}

impl ServerCore {
    pub(super) fn new(event_loop: &Rc<LoopCore>) -> Rc<Self> {
        Rc::new(Self {
            event_loop: Rc::clone(event_loop),
            private_loop: RefCell::default(),
            acceptor: RefCell::new(Acceptor::new()),
            pending: RefCell::default(),
            children: RefCell::default(),
            hook: RefCell::default(),
            new_connection: Signal::new(),
            pending_connection_available: Signal::new(),
            accept_error: Signal::new(),
            listening: Cell::new(None),
            backlog: Cell::new(u32::MAX),
            last_error: Cell::new(SocketError::Unknown),
            error_text: Cell::new(""),
            object_name: RefCell::default(),
            resting: Cell::new(false),
            gone: Cell::new(false),
        })
    }

    /// What a slot gets: a server whose drop does nothing.
    pub(super) fn view(self: &Rc<Self>) -> TcpServer {
        TcpServer::lent(Rc::clone(self))
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        self.listening.get().map_or(Endpoint::new(HostAddress::NULL, 0), |listening| listening.endpoint)
    }

    /// Notes an error as the last one.
    pub(super) fn note(&self, kind: SocketError, text: &'static str) {
        self.last_error.set(kind);
        self.error_text.set(text);
    }

    pub(super) fn noted(&self, error: Error) -> Error {
        self.note(error.kind(), error.error_string());
        error
    }

    /// The owner is gone: closes, and ends what belongs to the server.
    pub(super) fn end(self: &Rc<Self>) {
        self.gone.set(true);
        self.new_connection.disconnect_all();
        self.pending_connection_available.disconnect_all();
        self.accept_error.disconnect_all();
        let hook = self.hook.take();
        drop(hook);
        self.close();
        let children = self.children.take();
        drop(children);
        let private_loop = self.private_loop.take();
        drop(private_loop);
    }
}

impl fmt::Debug for ServerCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCore").field("listening", &self.listening).finish_non_exhaustive()
    }
}
