use super::core::{Pending, ServerCore};
use super::drain_account::DrainAccount;
use super::drain_report::{DrainOptions, DrainReport};
use super::tcp_server::TcpServer;
use crate::admission::DrainPhase;
use crate::event_loop::later;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long connections on other threads have to be cut after the deadline.
const GRACE: Duration = Duration::from_millis(500);

/// What is called with the report.
pub(super) type Done = Box<dyn FnOnce(&DrainReport)>;

/// A drain under way.
pub(super) struct Drain {
    account: DrainAccount,
    deadline: Instant,
    done: Vec<Done>,
}

impl ServerCore {
    /// Begins to drain, or brings the deadline of the drain under way forward.
    pub(super) fn drain(self: &Rc<Self>, options: DrainOptions, done: Option<Done>) {
        let deadline = later(self.now(), options.deadline);
        if let Some(drain) = &mut *self.drain.borrow_mut() {
            drain.deadline = drain.deadline.min(deadline);
            drain.done.extend(done);
            return self.event_loop.call_for_turn();
        }
        self.end_binding();
        let queue = self.kernel_queue();
        let drain = Drain {
            account: DrainAccount::open(&self.ledger, self.now(), 0),
            deadline,
            done: done.into_iter().collect(),
        };
        self.drain.replace(Some(drain));
        if self.listening.get().is_none() {
            self.stop_listening(); // or trying to
        }
        self.ledger.set_phase(DrainPhase::Telling);
        let number = queue.map_or(u64::MAX, |queue| queue.depth.into());
        self.acceptor.borrow_mut().drain(options.leftover, number);
        // Servers on other threads take clients from a shared queue, too.
        self.queue_is_known.set(queue.is_some() && self.member.borrow().is_none());
        self.update_credit();
        self.update_state();
        self.event_loop.add_draining(Rc::downgrade(self));
    }

    /// Nobody waits in the kernel's queue: a draining server needs it no more.
    pub(super) fn queue_is_empty(self: &Rc<Self>) {
        if self.drain.borrow().is_some() {
            self.stop_listening();
        }
    }

    /// A turn, or a round of a wait: goes on with the drain, and ends it when nothing is left or it has lasted too long.
    pub(crate) fn advance_drain(self: &Rc<Self>) {
        let Some(deadline) = self.drain.borrow().as_ref().map(|drain| drain.deadline) else { return };
        if !self.acceptor.borrow().is_exhausted() {
            self.ledger.bell().wait(); // for connections that end on other threads
        }
        let now = self.now();
        let over = now >= deadline;
        if self.listening.get().is_some() && (over || self.acceptor.borrow().has_drained_queue()) {
            self.count_left_in_queue();
            self.stop_listening();
        }
        if self.listening.get().is_some() && !self.queue_is_known.get() {
            self.accept_batch(); // nothing else would tell that nobody waits
        }
        if over && self.ledger.phase() != DrainPhase::Cutting {
            self.cut_pending();
            self.ledger.set_phase(DrainPhase::Cutting);
        }
        let waits = self.listening.get().is_some() || self.ledger.open() > 0;
        if waits && now < later(deadline, GRACE) {
            return self.event_loop.add_draining(Rc::downgrade(self));
        }
        self.finish_drain();
    }

    /// Who waits now comes too late, or waited in vain.
    fn count_left_in_queue(&self) {
        let in_vain = !self.acceptor.borrow().has_drained_queue();
        let queue = self.kernel_queue();
        if let (Some(drain), Some(queue), true) = (&mut *self.drain.borrow_mut(), queue, in_vain) {
            drain.account.left_in_queue = queue.depth.into();
        }
    }

    /// Whether nothing of a drain is left but to say so.
    pub(crate) fn has_drained(&self) -> bool {
        self.drain.borrow().is_some() && self.listening.get().is_none() && self.ledger.open() == 0
    }

    /// When the loop has to look at the drain, whatever happens.
    pub(crate) fn drain_deadline(&self) -> Option<Instant> {
        let drain = self.drain.borrow();
        let deadline = drain.as_ref()?.deadline;
        let cutting = self.ledger.phase() == DrainPhase::Cutting;
        Some(if cutting { later(deadline, GRACE) } else { deadline })
    }

    /// Nobody has taken these from the server.
    fn cut_pending(self: &Rc<Self>) {
        let pending = self.pending.take();
        self.acceptor.borrow_mut().taken(pending.len());
        self.count_pending();
        for connection in pending {
            let socket = match connection {
                Pending::Incoming(connection) => connection.into_socket(&self.event_loop),
                Pending::Socket(socket) => {
                    socket.set_pending(false);
                    socket
                }
            };
            socket.core().cut_by_drain(&self.ledger);
        }
    }

    fn finish_drain(self: &Rc<Self>) {
        let Some(drain) = self.drain.take() else { return };
        self.ledger.set_phase(DrainPhase::None);
        self.acceptor.borrow_mut().end_drain();
        let report = drain.account.close(&self.ledger, self.now());
        self.update_state();
        for done in drain.done {
            done(&report);
        }
        self.emit(&self.drained, report);
    }
}

impl TcpServer {
    /// Lets nobody in any more and brings all connections to an end, at the deadline by force. Does not block:
    /// [`drained`](Self::drained) tells the end, with a [report](DrainReport).
    ///
    /// The clients in the kernel's queue are still served (or [refused](DrainOptions::leftover)), then the server stops
    /// listening. Each connection is told by its signal [`draining`](crate::TcpSocket::draining), wherever its loop is; one
    /// without a slot there is ended as soon as nothing of it is unread or unsent. At the deadline the rest is cut, with a
    /// reset. All that happens in small steps, between which the loop does everything else.
    ///
    /// A connection counts until its descriptor is closed, so also while it [lingers](crate::EventLoop::set_linger_limits).
    /// Connections that the program took with their permits are out of reach. A second call while the first drain is under way can
    /// only bring its deadline forward: with [`Duration::ZERO`] it ends at once. A pause ends. Afterwards the server is closed and
    /// may listen again.
    ///
    /// A [standalone](Self::standalone) server drains in its waits, or in turns of its [loop](Self::event_loop): slots run in
    /// turns alone.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vestibule::{EventLoop, TcpServer};
    ///
    /// let event_loop = EventLoop::new()?;
    /// let server = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
    /// let quit = event_loop.handle();
    /// server.drained().connect(move |_, report| {
    ///     println!("{} ended, {} cut: {:?}", report.ended + report.idle, report.cut, report.cut_peers);
    ///     quit.quit();
    /// });
    /// server.drain(Duration::from_secs(10));
    /// event_loop.run()?;
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn drain(&self, deadline: Duration) {
        self.drain_with(DrainOptions::new(deadline));
    }

    /// Drains, with more to choose.
    pub fn drain_with(&self, options: DrainOptions) {
        self.core().drain(options, None);
    }

    /// Drains, and then makes a call.
    pub(crate) fn drain_then(&self, options: DrainOptions, done: impl FnOnce(&DrainReport) + 'static) {
        self.core().drain(options, Some(Box::new(done)));
    }

    /// A [drain](Self::drain) is over.
    #[must_use]
    pub fn drained(&self) -> &crate::signal::Signal<Self, DrainReport> {
        &self.core().drained
    }
}
