use super::failure::Failure;
use super::read_buffer::ReadBuffer;
use super::route::Route;
use super::telling::Step;
use crate::admission::Ledger;
use crate::connector::Race;
use crate::driver::{SocketOption, SocketOptions, Token};
use crate::error::{Error, SocketError};
use crate::event_loop::{EventLoop, TimerId};
use crate::proxy::{BindFault, NetworkProxy};
use crate::resolver::Lookup;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What few sockets have: those that connect out.
pub(super) struct Outgoing {
    /// How many attempts there were.
    pub(super) number: Cell<u32>,
    /// The host as the program named it, for the last attempt.
    pub(super) host: RefCell<String>,
    pub(super) port: Cell<u16>,
    /// How long an attempt may take in all.
    pub(super) limit: Cell<Option<Duration>>,
    /// Options for each connection that is made.
    pub(super) options: RefCell<SocketOptions>,
    pub(super) bound: Cell<Option<Bound>>,
    /// The proxy of the socket's own, unless it is the application's.
    pub(super) proxy: RefCell<NetworkProxy>,
    /// What protocol will be spoken, for whoever chooses a proxy.
    pub(super) protocol_tag: RefCell<String>,
    pub(super) attempt: RefCell<Option<Attempt>>,
    /// Why the last attempt failed.
    pub(super) failure: RefCell<Option<Error>>,
    /// How a proxy has failed to do what it was asked for.
    pub(super) fault: Cell<BindFault>,
    /// The same in the reference's words.
    pub(super) failure_text: Cell<Option<(SocketError, &'static str)>>,
    /// What came right behind a proxy's answer, before anybody could be told of it.
    pub(super) surplus: Cell<Option<Box<ReadBuffer>>>,
    /// What a client that came through a proxy connected to, which the system does not know.
    pub(super) local: Cell<Option<SocketAddr>>,
    /// What is to be told of all this.
    pub(super) steps: RefCell<VecDeque<Step>>,
    /// Whether the last attempt has made a connection.
    pub(super) succeeded: Cell<bool>,
    /// Whether the program has said good-bye already.
    pub(super) end_when_connected: Cell<bool>,
    /// The loop of a standalone socket, which nobody else holds.
    pub(super) private_loop: RefCell<Option<EventLoop>>,
    /// Of an accepted connection that is gone: where a panic of a slot is still counted.
    pub(super) ledger: RefCell<Option<Arc<Ledger>>>,
}

/// A socket that is bound and not connected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) token: Token,
    pub(super) local: SocketAddr,
}

/// A connection that is being made.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) lookup: Option<Lookup>,
    pub(super) race: Option<Race>,
    /// Where all tries come from, if that was chosen; the first of them has the bound socket.
    pub(super) local: Option<SocketAddr>,
    pub(super) running: Vec<Token>,
    pub(super) deadline: Option<Instant>,
    /// When it is to be looked at though nothing happens.
    pub(super) wake_at: Option<Instant>,
    pub(super) timer: Option<TimerId>,
    /// It failed before anything could be tried, which is still to be told.
    pub(super) failed: Option<Failure>,
    /// The proxy that it goes through.
    pub(super) route: Option<Box<Route>>,
}

impl Outgoing {
    const LIMIT: Duration = Duration::from_secs(30);
}

impl Default for Outgoing {
    fn default() -> Self {
        let mut options = SocketOptions::default();
        options.set(SocketOption::NoDelay(true));
        Self {
            number: Cell::default(),
            host: RefCell::default(),
            port: Cell::default(),
            limit: Cell::new(Some(Self::LIMIT)),
            options: RefCell::new(options),
            bound: Cell::default(),
            proxy: RefCell::default(),
            protocol_tag: RefCell::default(),
            attempt: RefCell::default(),
            failure: RefCell::default(),
            fault: Cell::default(),
            failure_text: Cell::default(),
            surplus: Cell::default(),
            local: Cell::default(),
            steps: RefCell::default(),
            succeeded: Cell::default(),
            end_when_connected: Cell::default(),
            private_loop: RefCell::default(),
            ledger: RefCell::default(),
        }
    }
}

impl Attempt {
    pub(super) fn new(local: Option<SocketAddr>, deadline: Option<Instant>) -> Self {
        Self {
            lookup: None,
            race: None,
            local,
            running: Vec::new(),
            deadline,
            wake_at: None,
            timer: None,
            failed: None,
            route: None,
        }
    }
}
