use super::channel::Sender;
use super::core::LoopCore;
use super::deadlines::later;
use super::handle::EventLoopHandle;
use super::timers::TimerId;
use crate::driver::Driver;
use crate::error::{Error, Operation, Result};
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Waits for what happens to servers and sockets, and runs their slots; the reference's `QEventLoop`.
///
/// One thread has one loop (or several, one after the other). The loop, its servers and its sockets stay on their
/// thread; what may cross threads is an [`EventLoopHandle`], a [`Sender`] and an
/// [`IncomingConnection`](crate::IncomingConnection).
///
/// A clone is the same loop. Servers and sockets keep what they need of it alive, so the order in which they are dropped
/// does not matter. When the last `EventLoop` is dropped, connections that are still ending get one more chance to send
/// and are then cut; call [`finish`](Self::finish) before to wait for them. A slot or timer of the loop should not own a
/// clone, because the loop owns the slot: it gets the loop as its argument.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use vestibule::EventLoop;
///
/// let event_loop = EventLoop::new()?;
/// event_loop.single_shot(Duration::from_millis(10), |event_loop| event_loop.quit());
/// event_loop.run()?;
/// # Ok::<(), vestibule::Error>(())
/// ```
///
/// It stays on its thread, and its handle does not:
///
/// ```compile_fail
/// fn send<T: Send>() {}
/// send::<vestibule::EventLoop>();
/// ```
///
/// ```
/// fn send<T: Send>() {}
/// send::<vestibule::EventLoopHandle>();
/// ```
pub struct EventLoop {
    core: Rc<LoopCore>,
    /// False for a loop that is lent to a slot.
    owner: bool,
}

impl EventLoop {
    /// A loop on the system's own driver.
    ///
    /// # Errors
    ///
    /// When the process has too few descriptors left; a loop needs three on Linux, and a few more elsewhere.
    pub fn new() -> Result<Self> {
        let event_loop = Self::on(Driver::os());
        event_loop.core.open().map_err(|error| Error::system(Operation::CreateEventLoop, error))?;
        Ok(event_loop)
    }

    /// A loop whose descriptors are made on first need.
    pub(crate) fn on(driver: Driver) -> Self {
        Self::owning(LoopCore::new(driver))
    }

    fn owning(core: Rc<LoopCore>) -> Self {
        core.handles.set(core.handles.get() + 1);
        Self { core, owner: true }
    }

    /// The loop as a slot gets it: dropping it changes nothing.
    pub(crate) fn lent(core: &Rc<LoopCore>) -> Self {
        Self { core: Rc::clone(core), owner: false }
    }

    pub(crate) fn core(&self) -> &Rc<LoopCore> {
        &self.core
    }

    pub(crate) fn now(&self) -> Instant {
        self.core.driver.borrow().now()
    }

    /// Takes turns until [`quit`](Self::quit) is called; the reference's `exec`. Blocks.
    ///
    /// # Errors
    ///
    /// When the system cannot wait any more, which leaves the loop usable.
    ///
    /// # Panics
    ///
    /// A panic in a slot comes out here, with the loop, its servers and its sockets intact: calling `run` again goes on.
    pub fn run(&self) -> Result<()> {
        while !self.core.quit.replace(false) {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Ends [`run`](Self::run) after the turn under way; if none is under way, the next call returns at once.
    pub fn quit(&self) {
        self.core.quit.set(true);
    }

    /// Takes one turn: waits at most `timeout` for something to happen and does everything that is to be done then.
    ///
    /// `None` waits without limit, `Some(Duration::ZERO)` only looks. May be called in a slot. The reference's
    /// `processEvents`.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn process_events(&self, timeout: Option<Duration>) -> Result<()> {
        self.turn(timeout)
    }

    fn turn(&self, timeout: Option<Duration>) -> Result<()> {
        self.core.take_turn(timeout).map_err(|error| Error::system(Operation::RunEventLoop, error))
    }

    /// Takes turns until no connection is ending any more, or the limit has passed; tells how many are left then.
    ///
    /// What is ending: sockets that were dropped, and connections that linger so that the peer gets everything (see
    /// [`TcpSocket`](crate::TcpSocket)).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn finish(&self, limit: Duration) -> Result<usize> {
        let end = self.now().checked_add(limit);
        loop {
            let left = end.map(|end| end.saturating_duration_since(self.now()));
            let ending = self.core.ending();
            if ending == 0 || left == Some(Duration::ZERO) {
                return Ok(ending);
            }
            self.turn(left)?;
        }
    }

    /// Calls the slot once, after `delay`; the reference's `QTimer::singleShot`. Time is monotonic.
    pub fn single_shot(&self, delay: Duration, slot: impl FnOnce(&Self) + 'static) -> TimerId {
        let timer = self.core.timers.once(later(self.now(), delay), Box::new(slot));
        self.core.call_for_turn();
        timer
    }

    /// Calls the slot again and again, an interval apart; the reference's `startTimer`.
    ///
    /// When the loop comes late, missed calls are not made up for. An interval of zero means once a turn.
    pub fn start_timer(&self, interval: Duration, slot: impl Fn(&Self) + 'static) -> TimerId {
        let timer = self.core.timers.every(self.now(), interval, Rc::new(slot));
        self.core.call_for_turn();
        timer
    }

    /// Ends a timer; false when it has run (if it was to run once) or was ended before. The reference's `killTimer`.
    #[allow(clippy::must_use_candidate, reason = "most callers know that the timer is there")]
    pub fn kill_timer(&self, timer: TimerId) -> bool {
        self.core.timers.kill(timer)
    }

    /// What other threads use to reach this loop.
    pub fn handle(&self) -> EventLoopHandle {
        self.core.handle()
    }

    /// A channel into this loop: what is sent from any thread reaches the slot, which stays on this one.
    ///
    /// So the slot may hold sockets and servers, which cannot be sent. The number of values that wait is not limited.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{cell::Cell, rc::Rc};
    /// use vestibule::EventLoop;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let sum = Rc::new(Cell::new(0));
    /// let total = Rc::clone(&sum);
    /// let quit = event_loop.handle();
    /// let sender = event_loop.channel(move |number: u32| {
    ///     total.set(total.get() + number);
    ///     if total.get() == 5 { quit.quit() }
    /// });
    /// std::thread::spawn(move || (sender.send(2).unwrap(), sender.send(3).unwrap()));
    /// event_loop.run()?;
    /// assert_eq!(sum.get(), 5);
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn channel<T: Send + 'static>(&self, slot: impl Fn(T) + 'static) -> Sender<T> {
        self.core.channel(slot)
    }

    /// A [`channel`](Self::channel) in which at most `capacity` values wait; sending more fails.
    pub fn bounded_channel<T: Send + 'static>(
        &self,
        capacity: usize,
        slot: impl Fn(T) + 'static,
    ) -> Sender<T> {
        self.core.receivers.add(self.handle(), Some(capacity), slot)
    }

    /// Bounds how long a closed connection may linger so that its peer gets everything, and how much of what the peer
    /// still sends is discarded meanwhile. Default: 2 s and 1 MiB.
    pub fn set_linger_limits(&self, time: Duration, bytes: u32) {
        self.core.departing.linger_time.set(time);
        self.core.departing.linger_bytes.set(bytes);
    }

    /// Makes room for so many connections now, so that none of them has to wait for it: in the tables of the loop, and in the
    /// table of descriptors of the process, whose growth can stop a process with threads for milliseconds each time that it
    /// doubles. Worth a call before tens of thousands of clients come at once.
    ///
    /// # Errors
    ///
    /// `SocketResource` when the process may not have so many descriptors (`ulimit -n`), or there is no memory for them.
    pub fn reserve_connections(&self, number: usize) -> Result<()> {
        let reserved = self.core.driver.borrow_mut().reserve(number);
        reserved.map_err(|errno| Error::system(Operation::ReserveConnections, errno.into()))?;
        self.core.sockets.reserve(number);
        Ok(())
    }

    /// Looks for events again and again for at most so long before the loop sleeps, as long as that pays: while the waits of
    /// late were no longer than this in the mean. Default: zero, it sleeps at once.
    ///
    /// Answers come sooner, because nothing has to be woken; it costs CPU time, and pays only where the loop has a core for
    /// itself. 50 µs is a good beginning. An idle loop sleeps.
    pub fn set_spin(&self, most: Duration) {
        self.core.spin.set(most);
    }

    /// How long a dropped socket with unsent bytes waits for its peer to take any of them before it is cut. Default:
    /// 30 s.
    pub fn set_send_patience(&self, time: Duration) {
        self.core.departing.send_patience.set(time);
    }
}

impl LoopCore {
    /// How many connections are ending that nobody holds.
    fn ending(&self) -> usize {
        let dirty = self.dirty.borrow();
        let leaving = dirty.iter().filter(|socket| socket.is_abandoned() && socket.has_unsent());
        self.departing.len() + leaving.filter(|socket| !self.departing.has(socket.token())).count()
    }

    /// Nobody can take a turn any more: sends what can be sent now and cuts the rest.
    fn shut(self: &Rc<Self>) {
        drop(self.begin_wait(Some(Duration::ZERO)));
        let number = self.departing.cut(self);
        if number > 0 {
            crate::log::warning!("the event loop is gone: {number} connections that were ending are cut");
        }
        let staffed = self.staffed.take();
        for server in staffed.iter().filter_map(std::rc::Weak::upgrade) {
            server.loop_is_gone();
        }
        self.timers.kill_all();
        self.receivers.remove_all();
        self.posted.close();
        let (dirty, telling) = (self.dirty.take(), self.telling.take());
        for socket in dirty.iter().filter(|socket| socket.is_abandoned()) {
            // A panic has kept it from leaving with its turn.
            socket.push_out_all();
            let _ = socket.cut();
        }
        drop((dirty, telling));
    }
}

/// The same loop. A loop that is gone, because its last `EventLoop` was dropped, does not come back.
impl Clone for EventLoop {
    fn clone(&self) -> Self {
        let core = Rc::clone(&self.core);
        if core.is_gone() { Self { core, owner: false } } else { Self::owning(core) }
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        if self.owner {
            self.core.handles.set(self.core.handles.get() - 1);
            if !self.core.has_handles() {
                self.core.shut();
            }
        }
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").finish_non_exhaustive()
    }
}
