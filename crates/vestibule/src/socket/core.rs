use super::end_reason::EndReason;
use super::outgoing::Outgoing;
use super::read_buffer::ReadBuffer;
use super::socket_signal::SocketSlots;
use super::state::SocketState;
use super::tcp_socket::TcpSocket;
use super::telling::Tale;
use super::write_buffer::WriteBuffer;
use crate::admission::DrainPhase;
use crate::driver::{Token, Transport};
use crate::error::SocketError;
use crate::event_loop::LoopCore;
use crate::server::ServerCore;
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::{Rc, Weak};

/// A connection, shared by its owner, the loop and whoever looks at it.
///
/// A server may hold very many, so it is small, and what few need is made when it is needed.
pub(crate) struct SocketCore {
    pub(super) event_loop: Rc<LoopCore>,
    pub(super) token: Cell<Token>,
    pub(super) peer: Cell<SocketAddr>,
    pub(super) input: Cell<Option<Box<ReadBuffer>>>,
    pub(super) output: Cell<Option<Box<WriteBuffer>>>,
    pub(super) slots: OnceCell<Box<SocketSlots>>,
    /// For connecting out; accepted connections never need it.
    outgoing: OnceCell<Box<Outgoing>>,
    pub(super) parent: Cell<Weak<ServerCore>>,
    /// Where the parent keeps it.
    pub(crate) child_index: Cell<u32>,
    /// How much may wait to be read; 0 for no limit.
    pub(super) read_limit: Cell<u32>,
    pub(super) write_limit: Cell<u32>,
    /// How much the driver may receive at once, as it was last told.
    pub(super) granted: Cell<u32>,
    /// Bytes that were sent and not yet told.
    pub(super) untold: Cell<u32>,
    /// Bytes that were ever sent, as far as it matters for closing.
    pub(super) sent: Cell<u32>,
    flags: Cell<u16>,
    /// How often what was unread was discarded.
    pub(super) discarded: Cell<u8>,
    pub(super) tales: Cell<u8>,
    pub(super) phase: Cell<Phase>,
    /// What was told; the truth is in `phase`.
    pub(super) state: Cell<SocketState>,
    pub(super) error: Cell<SocketError>,
    /// What ended the connection, once something has.
    pub(super) end_reason: Cell<Option<EndReason>>,
    /// The span in which its slots run.
    #[cfg(feature = "tracing")]
    pub(super) span: OnceCell<Box<tracing::Span>>,
}

/// The size is part of what an idle connection costs.
#[cfg(not(feature = "tracing"))]
const _: () = assert!(size_of::<SocketCore>() <= 120);

/// How far the connection has come, whatever was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// A connection is being made; what is written waits.
    Connecting,
    /// It can be written to.
    Open,
    /// What is buffered is still sent, then it ends.
    Ending,
    /// The driver knows it no more.
    Closed,
}

/// Something that is or is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Flag {
    /// It is among those that send at the end of the turn.
    Dirty = 1,
    /// It is among those that tell something in the next turn.
    Queued = 2,
    /// Something is being told: what comes meanwhile follows.
    Telling = 4,
    /// `ready_read` is being told.
    Delivering = 8,
    /// The peer ended, and all it sent was received.
    InputEnded = 16,
    /// The end of the peer does not end the connection.
    HalfOpen = 32,
    /// So much is unsent that nothing is received.
    Pressed = 64,
    /// The owner is gone.
    Abandoned = 128,
    /// `disconnected` was told.
    GoneTold = 256,
    /// It waits in a server's pending list.
    Pending = 512,
    /// The driver had no room for all: it tells when it has.
    Stalled = 1024,
    /// It broke, before the peer's end.
    Broken = 2048,
    /// It was over before everything that was written was sent.
    Cut = 4096,
    /// The server is draining.
    Draining = 8192,
    /// That was not told yet.
    DrainUntold = 16384,
    /// It has time-outs.
    Watched = 32768,
}

impl SocketCore {
    pub(super) const READ_LIMIT: u32 = 256 << 10;
    pub(super) const WRITE_LIMIT: u32 = 64 << 20;

    /// A socket that is not connected.
    pub(crate) fn new(event_loop: &Rc<LoopCore>) -> Rc<Self> {
        Rc::new(Self::bare(event_loop, Token::NOWHERE, NO_PEER, Phase::Closed))
    }

    /// Takes over a connection; one that belongs to another kind of loop is born closed.
    pub(crate) fn adopt(event_loop: &Rc<LoopCore>, transport: Transport, peer: SocketAddr) -> Rc<Self> {
        let drains = transport.permit().is_some_and(|permit| {
            event_loop.host(permit.ledger());
            permit.ledger().phase() != DrainPhase::None
        });
        let token = event_loop.driver.borrow_mut().adopt(transport, Self::READ_LIMIT);
        let socket = Rc::new(Self::bare(event_loop, token.unwrap_or(Token::NOWHERE), peer, Phase::Open));
        socket.state.set(SocketState::Connected);
        if let Some(token) = token {
            event_loop.sockets.insert(token, Rc::clone(&socket));
            socket.granted.set(Self::READ_LIMIT);
            if drains {
                socket.drain();
            }
        } else {
            socket.phase.set(Phase::Closed);
            socket.lost(SocketError::UnsupportedSocketOperation);
            socket.tell_later();
        }
        socket
    }

    fn bare(event_loop: &Rc<LoopCore>, token: Token, peer: SocketAddr, phase: Phase) -> Self {
        Self {
            event_loop: Rc::clone(event_loop),
            token: Cell::new(token),
            peer: Cell::new(peer),
            input: Cell::default(),
            output: Cell::default(),
            slots: OnceCell::new(),
            outgoing: OnceCell::new(),
            parent: Cell::new(Weak::new()),
            child_index: Cell::new(0),
            read_limit: Cell::new(Self::READ_LIMIT),
            write_limit: Cell::new(Self::WRITE_LIMIT),
            granted: Cell::new(0),
            untold: Cell::new(0),
            sent: Cell::new(0),
            flags: Cell::new(0),
            discarded: Cell::new(0),
            tales: Cell::new(0),
            phase: Cell::new(phase),
            state: Cell::new(SocketState::Unconnected),
            error: Cell::new(SocketError::Unknown),
            end_reason: Cell::new(None),
            #[cfg(feature = "tracing")]
            span: OnceCell::new(),
        }
    }

    pub(crate) fn token(&self) -> Token {
        self.token.get()
    }

    /// What the socket has for connecting out, made on first need.
    pub(super) fn outgoing(&self) -> &Outgoing {
        self.outgoing.get_or_init(Box::default)
    }

    /// The same, unless it was never needed.
    pub(super) fn outgoing_if_any(&self) -> Option<&Outgoing> {
        self.outgoing.get().map(|outgoing| &**outgoing)
    }

    /// A new connection is to be made: nothing of the last one is left but the peer, for what is still to be told of it.
    pub(super) fn forget_connection(&self) {
        self.drop_input();
        for flag in [Flag::InputEnded, Flag::Pressed, Flag::GoneTold, Flag::Stalled, Flag::Broken, Flag::Cut]
        {
            self.set(flag, false);
        }
        self.set(Flag::Draining, false);
        self.set(Flag::DrainUntold, false);
        if let Some(outgoing) = self.outgoing_if_any() {
            outgoing.local.set(None);
        }
        self.end_reason.set(None);
        self.token.set(Token::NOWHERE);
        self.granted.set(0);
        self.untold.set(0);
        self.sent.set(0);
        self.error.set(SocketError::Unknown);
    }

    /// What a slot gets: a socket whose drop does nothing.
    pub(super) fn view(self: &Rc<Self>) -> TcpSocket {
        TcpSocket::lent(Rc::clone(self))
    }

    pub(super) fn has(&self, flag: Flag) -> bool {
        self.flags.get() & flag as u16 != 0
    }

    /// Sets or clears a flag and tells what it was.
    pub(super) fn set(&self, flag: Flag, on: bool) -> bool {
        let flags = self.flags.get();
        self.flags.set(if on { flags | flag as u16 } else { flags & !(flag as u16) });
        flags & flag as u16 != 0
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase.get() == Phase::Open
    }

    /// Changes whenever another connection begins to be made.
    pub(super) fn connection_number(&self) -> u32 {
        self.outgoing_if_any().map_or(0, |outgoing| outgoing.number.get())
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.phase.get() == Phase::Connecting
    }

    /// Whether there is a connection, if only an ending one.
    pub(super) fn has_connection(&self) -> bool {
        matches!(self.phase.get(), Phase::Open | Phase::Ending)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase.get() == Phase::Closed
    }

    /// Whether nobody holds the socket any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.has(Flag::Abandoned)
    }

    /// The connection broke: everything that is to be told of it.
    pub(super) fn lost(&self, error: SocketError) {
        self.error.set(error);
        self.set(Flag::Broken, !self.has(Flag::InputEnded));
        self.end_because(EndReason::Broken);
        self.note(Tale::Error);
        if self.state.get() == SocketState::Connected {
            self.note(Tale::Closing);
        }
        self.note_end();
    }

    /// Leaves the loop's table; the caller closes the connection.
    pub(super) fn leave(self: &Rc<Self>) {
        self.keep_ledger();
        self.set(Flag::DrainUntold, false);
        self.phase.set(Phase::Closed);
        self.drop_output();
        if self.is_abandoned() {
            self.event_loop.departing.forget(self.token());
        }
        if self.set(Flag::Watched, false) {
            self.event_loop.watches.forget(self.token());
        }
        let entry = self.event_loop.sockets.remove(self.token());
        drop(entry);
    }
}

/// The peer of a socket that has none.
pub(super) const NO_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

impl fmt::Debug for SocketCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketCore")
            .field("peer", &self.peer)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}
