use super::desk::Desk;
use super::drain_report::DrainReport;
use super::draining::Drain;
use super::incoming_connection::IncomingConnection;
use super::proxied::Proxied;
use super::refusing::RefusedClient;
use super::shared_queue::QueueMember;
use super::state::ServerState;
use super::tcp_server::TcpServer;
use crate::acceptor::{Acceptor, Chance, Crowd, Seldom};
use crate::address::{Endpoint, HostAddress};
use crate::admission::{Admission, Bell, DrainPhase, Ledger};
use crate::driver::Token;
use crate::error::{Error, SocketError};
use crate::event_loop::{EventLoop, LoopCore, Timeouts};
use crate::proxy::NetworkProxy;
use crate::signal::Signal;
use crate::socket::{Child, TcpSocket};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

/// What a server is to its owner, to the loop and to its slots.
pub(crate) struct ServerCore {
    pub(super) event_loop: Rc<LoopCore>,
    /// The loop of a standalone server, which nobody else holds.
    pub(super) private_loop: RefCell<Option<EventLoop>>,
    pub(super) acceptor: RefCell<Acceptor>,
    pub(super) admission: RefCell<Admission>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) desk: Arc<Desk>,
    pub(super) seldom: Cell<Seldom>,
    pub(super) crowd: Cell<Crowd>,
    /// Whether the system has told how many clients are to be looked at in a drain.
    pub(super) queue_is_known: Cell<bool>,
    pub(super) drain: RefCell<Option<Drain>>,
    pub(super) timeouts: Cell<Timeouts>,
    #[cfg(feature = "metrics")]
    pub(super) meter: super::metering::Meter,
    /// A descriptor that is given up when the process has no others, to answer those who wait.
    pub(super) reserve: Cell<Option<OwnedFd>>,
    pub(super) pending: RefCell<VecDeque<Pending>>,
    pub(super) children: RefCell<Vec<Child>>,
    pub(super) hook: RefCell<Option<Rc<Hook>>>,
    pub(super) new_connection: Signal<TcpServer>,
    pub(super) pending_connection_available: Signal<TcpServer>,
    pub(super) accept_error: Signal<TcpServer, SocketError>,
    pub(super) state_changed: Signal<TcpServer, ServerState>,
    pub(super) refused: Signal<TcpServer, RefusedClient>,
    pub(super) drained: Signal<TcpServer, DrainReport>,
    pub(super) listening_changed: Signal<TcpServer, Result<(), SocketError>>,
    pub(super) address_changed: Signal<TcpServer>,
    /// That it listens with this token, which a signal is to tell.
    pub(super) untold_listening: Cell<Option<Token>>,
    /// The proxy of the server's own, unless it is the application's.
    pub(super) proxy: RefCell<NetworkProxy>,
    /// How it listens through a proxy, or tries to.
    pub(super) proxied: RefCell<Option<Rc<Proxied>>>,
    pub(super) listening: Cell<Option<Listening>>,
    /// Its part in a queue that servers on other threads accept from too.
    pub(super) member: RefCell<Option<QueueMember>>,
    /// The state as other threads see it, and what of it was not told yet.
    pub(super) state: Cell<ServerState>,
    pub(super) untold_states: RefCell<VecDeque<ServerState>>,
    pub(super) telling_states: Cell<bool>,
    pub(super) backlog: Cell<u32>,
    pub(super) last_error: Cell<SocketError>,
    pub(super) error_text: Cell<&'static str>,
    pub(super) object_name: RefCell<String>,
    /// Whether the loop is to begin a new batch.
    pub(super) resting: Cell<bool>,
    /// Whether the loop is to look when the server can go on.
    pub(super) waiting: Cell<bool>,
    /// Whether the driver tells of clients.
    pub(super) granted: Cell<bool>,
    /// Whether a batch is being accepted, which looks at the course anyway.
    pub(super) accepting: Cell<bool>,
    /// Whether the acceptor has decided since it was last told something from outside of a batch.
    pub(super) decided: Cell<bool>,
    /// Whether it is to leave the next place to a neighbour that has clients and got none.
    pub(super) yields: Cell<bool>,
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
    /// None for one that listens through a proxy.
    pub(super) token: Option<Token>,
    pub(super) endpoint: Endpoint,
}

impl ServerCore {
    pub(super) fn new(event_loop: &Rc<LoopCore>) -> Rc<Self> {
        let now = event_loop.driver.borrow().now();
        let ledger = Arc::new(Ledger::new(Bell::new(event_loop.waker()), now));
        let chance = Chance::new(event_loop.driver.borrow_mut().seed());
        event_loop.host(&ledger);
        Rc::new(Self {
            event_loop: Rc::clone(event_loop),
            private_loop: RefCell::default(),
            acceptor: RefCell::new(Acceptor::new(chance)),
            admission: RefCell::new(Admission::new(Arc::clone(&ledger))),
            ledger,
            desk: Arc::new(Desk::new(event_loop.waker())),
            seldom: Cell::default(),
            crowd: Cell::default(),
            queue_is_known: Cell::new(false),
            drain: RefCell::default(),
            timeouts: Cell::default(),
            #[cfg(feature = "metrics")]
            meter: super::metering::Meter::default(),
            reserve: Cell::default(),
            pending: RefCell::default(),
            children: RefCell::default(),
            hook: RefCell::default(),
            new_connection: Signal::new(),
            pending_connection_available: Signal::new(),
            accept_error: Signal::new(),
            state_changed: Signal::new(),
            refused: Signal::new(),
            drained: Signal::new(),
            listening_changed: Signal::new(),
            address_changed: Signal::new(),
            untold_listening: Cell::default(),
            proxy: RefCell::default(),
            proxied: RefCell::default(),
            listening: Cell::new(None),
            member: RefCell::default(),
            state: Cell::default(),
            untold_states: RefCell::default(),
            telling_states: Cell::new(false),
            backlog: Cell::new(u32::MAX),
            last_error: Cell::new(SocketError::Unknown),
            error_text: Cell::new(""),
            object_name: RefCell::default(),
            resting: Cell::new(false),
            waiting: Cell::new(false),
            granted: Cell::new(false),
            accepting: Cell::new(false),
            decided: Cell::new(false),
            yields: Cell::new(false),
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

    /// Makes a call of the program's; `None` when it panicked and that was caught.
    pub(super) fn call<R>(&self, call: impl FnOnce() -> R) -> Option<R> {
        self.event_loop.call(Some(&self.ledger), call)
    }

    /// Runs the slots of a signal; a panic of one costs none of the others, if panics are contained.
    pub(super) fn emit<A: Clone>(self: &Rc<Self>, signal: &Signal<TcpServer, A>, argument: A) {
        if !signal.has_slots() {
            return;
        }
        let view = self.view();
        signal.emit_each(|slot| {
            self.call(|| slot(&view, argument.clone()));
        });
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
        self.state_changed.disconnect_all();
        self.refused.disconnect_all();
        self.drained.disconnect_all();
        self.listening_changed.disconnect_all();
        self.address_changed.disconnect_all();
        let drain = self.drain.take();
        drop(drain);
        self.ledger.set_phase(DrainPhase::None);
        let hook = self.hook.take();
        drop(hook);
        self.close();
        self.update_state();
        self.desk.close();
        #[cfg(feature = "metrics")]
        self.tell_metrics();
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
