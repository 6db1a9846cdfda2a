use super::order::Order;
use super::state::ServerState;
use crate::sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, lock, wait};
use std::collections::VecDeque;
use std::fmt;
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Where other threads leave orders for a server, and see its state.
pub(crate) struct Desk {
    waker: Waker,
    pub(super) home: Option<ThreadId>,
    /// Whether somebody may leave orders at all, so that waits must look.
    staffed: AtomicBool,
    board: Mutex<Board>,
    /// Whether orders may wait: a quick look.
    ordered: AtomicBool,
    changed: Condvar,
}

#[derive(Default)]
struct Board {
    orders: VecDeque<Order>,
    state: ServerState,
    closed: bool,
}

impl Desk {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            waker,
            home: Some(thread::current().id()),
            staffed: AtomicBool::new(false),
            board: Mutex::new(Board::default()),
            ordered: AtomicBool::new(false),
            changed: Condvar::new(),
        }
    }

    /// For a server whose orders any thread may carry out.
    #[cfg(feature = "tokio")]
    pub(crate) fn without_home(waker: Waker) -> Self {
        Self { home: None, ..Self::new(waker) }
    }

    /// Orders are made, dropped and carried out outside of this lock.
    fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    pub(super) fn staff(&self) {
        self.staffed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_staffed(&self) -> bool {
        self.staffed.load(Ordering::Relaxed)
    }

    /// Leaves an order, which comes back when the server is gone.
    pub(super) fn leave(&self, order: Order) -> Result<(), Order> {
        {
            let mut board = self.board();
            if board.closed {
                return Err(order);
            }
            board.orders.push_back(order);
            self.ordered.store(true, Ordering::SeqCst);
        }
        self.waker.wake_by_ref();
        Ok(())
    }

    pub(crate) fn take(&self) -> Option<Order> {
        if !self.has_orders() {
            return None;
        }
        let mut board = self.board();
        let order = board.orders.pop_front();
        self.ordered.store(!board.orders.is_empty(), Ordering::SeqCst);
        order
    }

    /// Whether orders may wait.
    pub(crate) fn has_orders(&self) -> bool {
        self.ordered.load(Ordering::SeqCst)
    }

    /// How many orders wait.
    pub(super) fn waiting(&self) -> usize {
        if self.has_orders() { self.board().orders.len() } else { 0 }
    }

    pub(crate) fn state(&self) -> ServerState {
        self.board().state
    }

    pub(crate) fn set_state(&self, state: ServerState) {
        self.board().state = state;
        self.changed.notify_all();
    }

    /// Blocks until this is the state, at most so long; whether it came to be.
    pub(super) fn wait_for_state(&self, wanted: ServerState, timeout: Option<Duration>) -> bool {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut board = self.board();
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let in_vain = board.closed || Some(thread::current().id()) == self.home;
            if board.state == wanted || in_vain || left == Some(Duration::ZERO) {
                return board.state == wanted;
            }
            board = wait(&self.changed, board, left);
        }
    }

    /// The server is gone: drops what is left, and refuses what comes.
    pub(crate) fn close(&self) {
        let left = {
            let mut board = self.board();
            board.closed = true;
            std::mem::take(&mut board.orders)
        };
        self.changed.notify_all();
        drop(left);
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}
