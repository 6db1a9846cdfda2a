use super::state::SocketState;
use super::tcp_socket::TcpSocket;
use crate::error::SocketError;
use crate::signal::{SlotId, SlotList, slot};
use std::fmt;
use std::marker::PhantomData;

/// A signal of a [`TcpSocket`]: what [`Signal`](crate::Signal) is, for the signals of a socket.
///
/// All signals of a socket share one list of slots, which is made with the first slot: a connection without slots
/// costs nothing for them. The rules are those of [`Signal`](crate::Signal).
///
/// ```
/// # use vestibule::TcpSocket;
/// /// Writes down how a connection ends.
/// fn watch(socket: &TcpSocket) {
///     let slot = socket.error_occurred().connect(|socket, error| eprintln!("{:?}: {error}", socket.peer_addr()));
///     socket.read_channel_finished().connect(move |socket| {
///         socket.error_occurred().disconnect(slot); // the peer's end is no error to us
///     });
/// }
/// ```
#[derive(Clone, Copy)]
pub struct SocketSignal<'a, Argument = ()> {
    slots: &'a SocketSlots,
    kind: SignalKind,
    argument: PhantomData<fn(Argument)>,
}

/// The slots of all signals of a socket.
pub(super) type SocketSlots = SlotList<dyn Fn(&TcpSocket, Told)>;

/// Which signal of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum SignalKind {
    HostFound,
    Connected,
    ReadyRead,
    BytesWritten,
    StateChanged,
    ErrorOccurred,
    ReadChannelFinished,
    Disconnected,
    Draining,
}

/// What a signal of a socket carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    Nothing,
    Bytes(usize),
    State(SocketState),
    Error(SocketError),
}

impl<'a, Argument> SocketSignal<'a, Argument> {
    pub(super) fn new(slots: &'a SocketSlots, kind: SignalKind) -> Self {
        Self { slots, kind, argument: PhantomData }
    }

    fn add(&self, slot: impl Fn(&TcpSocket, Told) + 'static) -> SlotId {
        self.slots.connect(self.kind as u8, slot!(slot))
    }

    /// Takes a slot back; false when it is not connected (any more).
    #[allow(clippy::must_use_candidate, reason = "most callers know that the slot is there")]
    pub fn disconnect(&self, id: SlotId) -> bool {
        self.slots.disconnect(self.kind as u8, id)
    }

    /// From now on no slot runs, until [`unblock`](Self::unblock); what is told meanwhile is lost.
    pub fn block(&self) {
        self.slots.set_blocked(self.kind as u8, true);
    }

    /// Ends [`block`](Self::block).
    pub fn unblock(&self) {
        self.slots.set_blocked(self.kind as u8, false);
    }

    /// Whether the signal is blocked.
    pub fn is_blocked(&self) -> bool {
        self.slots.is_blocked(self.kind as u8)
    }
}

impl SocketSignal<'_> {
    /// Adds a slot.
    pub fn connect(&self, slot: impl Fn(&TcpSocket) + 'static) -> SlotId {
        self.add(move |socket, _| slot(socket))
    }
}

impl SocketSignal<'_, usize> {
    /// Adds a slot.
    pub fn connect(&self, slot: impl Fn(&TcpSocket, usize) + 'static) -> SlotId {
        self.add(move |socket, told| {
            if let Told::Bytes(number) = told {
                slot(socket, number);
            }
        })
    }
}

impl SocketSignal<'_, SocketState> {
    /// Adds a slot.
    pub fn connect(&self, slot: impl Fn(&TcpSocket, SocketState) + 'static) -> SlotId {
        self.add(move |socket, told| {
            if let Told::State(state) = told {
                slot(socket, state);
            }
        })
    }
}

impl SocketSignal<'_, SocketError> {
    /// Adds a slot.
    pub fn connect(&self, slot: impl Fn(&TcpSocket, SocketError) + 'static) -> SlotId {
        self.add(move |socket, told| {
            if let Told::Error(error) = told {
                slot(socket, error);
            }
        })
    }
}

impl<Argument> fmt::Debug for SocketSignal<'_, Argument> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}
