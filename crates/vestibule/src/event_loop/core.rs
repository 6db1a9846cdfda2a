use super::buffers::Buffers;
use super::channel::{Receivers, Sender};
use super::containing::Containing;
use super::departing::Departing;
use super::embedding::Embedding;
use super::guests::Guests;
use super::handle::EventLoopHandle;
use super::posted::Posted;
use super::spin::Spin;
use super::table::Table;
use super::timers::{TimerId, Timers};
use super::watches::Watches;
use crate::driver::{Driver, Token};
use crate::server::ServerCore;
use crate::socket::SocketCore;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// What servers and sockets share: the driver, the objects behind its tokens, and what is to be done in a turn.
///
/// No borrow is held while a slot runs; whatever a slot does, it finds everything in a whole state.
pub(crate) struct LoopCore {
    pub(crate) driver: RefCell<Driver>,
    pub(crate) sockets: Table<SocketCore>,
    pub(crate) servers: Table<ServerCore>,
    pub(crate) buffers: Buffers,
    pub(crate) departing: Departing,
    pub(crate) watches: Watches,
    pub(super) guests: Guests,
    pub(super) containing: Containing,
    #[cfg(feature = "metrics")]
    pub(super) metering: super::metering::Metering,
    pub(super) timers: Timers,
    pub(super) spin: Spin,
    pub(super) receivers: Receivers,
    pub(super) posted: Arc<Posted>,
    /// Sockets with something to send at the end of the turn.
    pub(super) dirty: RefCell<VecDeque<Rc<SocketCore>>>,
    /// Sockets with something to tell in the next turn.
    pub(super) telling: RefCell<VecDeque<Rc<SocketCore>>>,
    /// Servers whose batch is used up: they go on in the next turn.
    pub(super) resting: RefCell<Vec<Weak<ServerCore>>>,
    /// Servers that wait for a descriptor, a place or a time.
    pub(super) waiting: RefCell<Vec<Weak<ServerCore>>>,
    /// Servers whose state has changed, which is to be told.
    pub(super) stated: RefCell<Vec<Weak<ServerCore>>>,
    /// Servers that are draining.
    pub(super) draining: RefCell<Vec<Weak<ServerCore>>>,
    /// Servers that other threads may ask for something.
    pub(super) staffed: RefCell<Vec<Weak<ServerCore>>>,
    /// Whether any of these lists may have somebody to be looked after: in most turns of most programs none has. Other
    /// threads wake the loop when they ask a server for something, which sets it.
    pub(super) attention: Cell<bool>,
    pub(super) turn: Cell<u64>,
    last_turn: Cell<u64>,
    /// How many turns and waits are on the stack.
    pub(super) depth: Cell<u32>,
    /// The socket whose `ready_read` is being told.
    pub(super) delivering: Cell<Option<Token>>,
    pub(super) quit: Cell<bool>,
    /// How many `EventLoop`s the program holds.
    pub(super) handles: Cell<usize>,
    pub(super) embedding: Embedding,
}

impl LoopCore {
    pub(super) fn new(driver: Driver) -> Rc<Self> {
        Rc::new(Self {
            driver: RefCell::new(driver),
            sockets: Table::default(),
            servers: Table::default(),
            buffers: Buffers::default(),
            departing: Departing::default(),
            watches: Watches::default(),
            guests: Guests::default(),
            containing: Containing::default(),
            #[cfg(feature = "metrics")]
            metering: super::metering::Metering::default(),
            timers: Timers::default(),
            spin: Spin::default(),
            receivers: Receivers::default(),
            posted: Arc::default(),
            dirty: RefCell::default(),
            telling: RefCell::default(),
            resting: RefCell::default(),
            waiting: RefCell::default(),
            stated: RefCell::default(),
            draining: RefCell::default(),
            staffed: RefCell::default(),
            attention: Cell::new(false),
            turn: Cell::new(0),
            last_turn: Cell::new(0),
            depth: Cell::new(0),
            delivering: Cell::new(None),
            quit: Cell::new(false),
            handles: Cell::new(0),
            embedding: Embedding::default(),
        })
    }

    /// Makes the descriptors of the loop itself, unless they are there.
    pub(super) fn open(&self) -> io::Result<()> {
        if !self.posted.is_attached() {
            let (descriptor, waker) = self.driver.borrow_mut().open()?;
            self.embedding.set_descriptor(descriptor);
            self.posted.attach(waker);
            self.attention.set(true); // a server may have been asked for something before
        }
        Ok(())
    }

    /// The number of the current turn or wait.
    pub(crate) fn turn_number(&self) -> u64 {
        self.turn.get()
    }

    /// Whether a turn or a wait is under way, at whose end everything written leaves.
    pub(crate) fn in_turn(&self) -> bool {
        self.depth.get() > 0
    }

    /// Begins a turn or a wait, until the result is dropped.
    pub(super) fn enter(&self) -> Inside<'_> {
        let outer = self.turn.get();
        if !self.in_turn() {
            self.end_rest();
        }
        self.depth.set(self.depth.get() + 1);
        self.begin_batch();
        Inside { core: self, outer }
    }

    /// Notes whose `ready_read` is being told, and gives back whose was.
    pub(crate) fn set_delivering(&self, token: Option<Token>) -> Option<Token> {
        self.delivering.replace(token)
    }

    /// A turn inside `ready_read` begins: what came with it counts now. In other turns it counts when the slots have read.
    pub(super) fn count_what_is_unread(&self) {
        if let Some(socket) = self.delivering.get().and_then(|token| self.sockets.get(token)) {
            socket.update_reading();
        }
    }

    /// Takes a number that no turn, wait or batch had before.
    pub(super) fn begin_batch(&self) {
        self.last_turn.set(self.last_turn.get() + 1);
        self.turn.set(self.last_turn.get());
    }

    /// What a socket has written is to leave at the end of the turn.
    pub(crate) fn add_dirty(&self, socket: Rc<SocketCore>) {
        self.dirty.borrow_mut().push_back(socket);
        self.call_for_turn();
    }

    /// What a socket has to tell is to be told in the next turn.
    pub(crate) fn add_telling(&self, socket: Rc<SocketCore>) {
        self.telling.borrow_mut().push_back(socket);
        self.call_for_turn();
    }

    /// Nothing of the socket, which the caller holds, is left to send.
    pub(crate) fn forget_dirty(&self, socket: &Rc<SocketCore>) {
        self.dirty.borrow_mut().retain(|queued| !Rc::ptr_eq(queued, socket));
    }

    /// Nothing of the socket, which the caller holds, is left to tell.
    pub(crate) fn forget_telling(&self, socket: &Rc<SocketCore>) {
        self.telling.borrow_mut().retain(|queued| !Rc::ptr_eq(queued, socket));
    }

    pub(crate) fn add_resting(&self, server: Weak<ServerCore>) {
        self.resting.borrow_mut().push(server);
        self.call_for_turn();
    }

    /// Makes room for all servers that listen, so that waiting needs no memory, which may be what they wait for.
    pub(crate) fn make_room_to_wait(&self) {
        let listening = self.servers.select(|_| true).len();
        let mut waiting = self.waiting.borrow_mut();
        let room = listening.saturating_sub(waiting.len());
        waiting.reserve(room);
    }

    pub(crate) fn add_waiting(&self, server: Weak<ServerCore>) {
        self.waiting.borrow_mut().push(server);
        self.attention.set(true);
        self.call_for_turn();
    }

    pub(crate) fn add_stated(&self, server: Weak<ServerCore>) {
        add_once(&self.stated, server);
        self.attention.set(true);
        self.call_for_turn();
    }

    pub(crate) fn add_draining(&self, server: Weak<ServerCore>) {
        add_once(&self.draining, server);
        self.attention.set(true);
        self.call_for_turn();
    }

    /// From now on other threads may ask the server for something, for which the loop must be woken.
    pub(crate) fn add_staffed(&self, server: Weak<ServerCore>) {
        self.staffed.borrow_mut().retain(|known| known.strong_count() > 0);
        add_once(&self.staffed, server);
        self.attention.set(true);
        if let Err(error) = self.open() {
            crate::log::warning!("a server without descriptors for a loop cannot be woken: {error}");
        }
    }

    /// Whether other threads can wake a wait of this loop; makes its descriptors, if they are to be had.
    pub(crate) fn can_be_woken(&self) -> bool {
        self.open().is_ok()
    }

    /// What wakes the loop from another thread.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.posted))
    }

    /// Makes a call at that time, for a part of the library.
    pub(crate) fn call_at(&self, at: Instant, call: impl FnOnce() + 'static) -> TimerId {
        let timer = self.timers.once(at, Box::new(|_| call()));
        self.call_for_turn();
        timer
    }

    pub(crate) fn kill_timer(&self, timer: TimerId) {
        self.timers.kill(timer);
    }

    /// A channel into the loop, for a part of the library.
    pub(crate) fn channel<T: Send + 'static>(&self, slot: impl Fn(T) + 'static) -> Sender<T> {
        self.receivers.add(self.handle(), None, slot)
    }

    pub(super) fn handle(&self) -> EventLoopHandle {
        EventLoopHandle::new(Arc::clone(&self.posted))
    }

    /// Whether the last `EventLoop` was dropped.
    pub(crate) fn is_gone(&self) -> bool {
        self.posted.is_closed()
    }

    /// Whether the program still holds an `EventLoop` that could take turns.
    pub(crate) fn has_handles(&self) -> bool {
        self.handles.get() > 0
    }
}

/// Waits enter what is for the next turn again and again, and it may be long in coming.
fn add_once(list: &RefCell<Vec<Weak<ServerCore>>>, server: Weak<ServerCore>) {
    let mut list = list.borrow_mut();
    if !list.iter().any(|known| known.ptr_eq(&server)) {
        list.push(server);
    }
}

/// A turn or a wait that is under way; it ends also when a slot panics.
pub(super) struct Inside<'a> {
    core: &'a LoopCore,
    outer: u64,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.core.depth.set(self.core.depth.get() - 1);
        self.core.turn.set(self.outer);
        if !self.core.in_turn() {
            self.core.rest();
        }
    }
}

impl fmt::Debug for LoopCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopCore").field("turn", &self.turn).finish_non_exhaustive()
    }
}
