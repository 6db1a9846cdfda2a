use super::answer::{Answer, Reply};
use super::core::ServerCore;
use super::desk::Desk;
use super::drain_report::{DrainOptions, DrainReport};
use super::order::Order;
use super::state::ServerState;
use super::tcp_server::TcpServer;
use crate::admission::{Ledger, Limits, Statistics};
use crate::driver::KernelQueue;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reaches a server from any thread.
///
/// It is `Send`, `Sync` and cheap to clone, and does not keep the server alive. What it tells the server is done in the
/// loop's next turn, or in a blocking wait of the server, which it wakes; the [`Answer`] comes when it is done,
/// and so is true: after the answer to [`pause`](Self::pause) nobody is let in. State and statistics need no answer.
///
/// ```
/// use std::{thread, time::Duration};
/// use vestibule::{EventLoop, ServerState, TcpServer};
///
/// let event_loop = EventLoop::new()?;
/// let server = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
/// let (handle, quit) = (server.handle(), event_loop.handle());
/// let operator = thread::spawn(move || {
///     handle.pause().wait(None)?;
///     assert_eq!(handle.state(), ServerState::Paused);
///     let report = handle.drain(Duration::from_secs(10)).wait(None)?;
///     quit.quit();
///     Ok::<_, vestibule::Error>(report.cut)
/// });
/// event_loop.run()?;
/// assert_eq!(operator.join().unwrap()?, 0);
/// # Ok::<(), vestibule::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerHandle {
    desk: Arc<Desk>,
    ledger: Arc<Ledger>,
}

impl ServerHandle {
    #[cfg(feature = "tokio")]
    pub(crate) fn new(desk: Arc<Desk>, ledger: Arc<Ledger>) -> Self {
        Self { desk, ledger }
    }

    /// Has the server make a call on its own thread; the answer is what the call returns.
    ///
    /// What other methods here do not offer can be done so.
    pub fn call<R: Send + 'static>(&self, call: impl FnOnce(&TcpServer) -> R + Send + 'static) -> Answer<R> {
        self.order(|reply| Order::Call(Box::new(move |server| reply.send(call(server)))))
    }

    /// Gives an order that will be answered. A server that is gone drops it, which tells it to whoever waits.
    fn order<R>(&self, order: impl FnOnce(Reply<R>) -> Order) -> Answer<R> {
        let (answer, reply) = Answer::new(self.desk.home.into_iter().collect::<Vec<_>>());
        let _ = self.desk.leave(order(reply));
        answer
    }

    /// A call without an answer; a server that is gone drops it.
    pub(crate) fn tell(&self, call: impl FnOnce(&TcpServer) + Send + 'static) {
        let _ = self.desk.leave(Order::Call(Box::new(call)));
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.ledger.open()
    }

    /// Lets nobody in from the answer on, until [`resume`](Self::resume): see
    /// [`TcpServer::pause_accepting`].
    pub fn pause(&self) -> Answer<()> {
        self.order(Order::Pause)
    }

    /// Ends a pause: see [`TcpServer::resume_accepting`].
    pub fn resume(&self) -> Answer<()> {
        self.order(Order::Resume)
    }

    /// Stops listening: see [`TcpServer::close`]. A blocking wait of the server returns.
    pub fn stop(&self) -> Answer<()> {
        self.order(Order::Stop)
    }

    /// Stops listening and ends all connections, by force after the deadline: see [`TcpServer::drain`]. The answer comes
    /// when all have ended.
    pub fn drain(&self, deadline: Duration) -> Answer<DrainReport> {
        self.drain_with(DrainOptions::new(deadline))
    }

    /// Drains, with more to choose.
    pub fn drain_with(&self, options: DrainOptions) -> Answer<DrainReport> {
        self.order(|reply| Order::Drain(options, reply))
    }

    /// Sets other limits: see [`TcpServer::set_limits`].
    pub fn set_limits(&self, limits: Limits) -> Answer<()> {
        self.order(|reply| Order::SetLimits(Box::new(limits), reply))
    }

    /// The queue of the kernel: see [`TcpServer::kernel_queue`].
    pub fn kernel_queue(&self) -> Answer<Option<KernelQueue>> {
        self.order(Order::TellQueue)
    }

    /// What the server has counted, at one moment. Does not block and disturbs nobody.
    ///
    /// On a simulated network time does not pass for it while resources are lacking.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.ledger, Instant::now())
    }

    /// What the server is doing. Does not block.
    pub fn state(&self) -> ServerState {
        self.desk.state()
    }

    /// Blocks until the server is in this state, at most so long, or until it is gone; whether it came to be. `None` waits
    /// for ever. On the server's own thread, where it could not change meanwhile, it only looks.
    pub fn wait_for_state(&self, state: ServerState, timeout: Option<Duration>) -> bool {
        self.desk.wait_for_state(state, timeout)
    }
}

/// How many requests are answered in one turn at most, whatever other threads do meanwhile.
const REQUESTS_A_TURN: usize = 256;

impl ServerCore {
    /// Does what other threads have asked for until now; what comes meanwhile is for the next turn.
    pub(crate) fn answer_requests(self: &Rc<Self>) {
        for _ in 0..self.desk.waiting().min(REQUESTS_A_TURN) {
            let Some(order) = self.desk.take() else { return };
            let view = self.view();
            self.call(|| order.carry_out(&view));
        }
        self.answer_nudge();
    }

    /// Nobody can answer any more.
    pub(crate) fn loop_is_gone(self: &Rc<Self>) {
        let drain = self.drain.take();
        drop(drain);
        self.update_state();
        self.desk.close();
    }

    pub(crate) fn has_requests(&self) -> bool {
        self.desk.has_orders() || self.is_nudged()
    }
}

impl TcpServer {
    /// What other threads use to reach this server.
    ///
    /// A [standalone](Self::standalone) server makes the descriptors of its loop now, so that its waits can be woken; should
    /// there be none left, it is reached when a wait begins or ends a round.
    pub fn handle(&self) -> ServerHandle {
        let core = self.core();
        core.desk.staff();
        core.event_loop.add_staffed(Rc::downgrade(core));
        ServerHandle { desk: Arc::clone(&core.desk), ledger: Arc::clone(&core.ledger) }
    }

    /// What the server has counted since it was made.
    pub fn statistics(&self) -> Statistics {
        Statistics::of(&self.core().ledger, self.core().now())
    }

    /// The queue in which the kernel keeps clients until they are accepted: how long it is, how long it may get, and
    /// whether it has overflowed. `None` when the server does not listen, or the system does not tell. Through a proxy: of the
    /// [BINDs](crate::ListenOptions::proxy_binds), how many have a client that is not accepted.
    ///
    /// The overflows are read from a file in `/proc`, which takes a dozen system calls, and a descriptor for a moment.
    pub fn kernel_queue(&self) -> Option<KernelQueue> {
        let queue = self.core().kernel_queue()?;
        if self.core().proxied().is_some() {
            return Some(queue);
        }
        let overflows = self.core().event_loop.driver.borrow().queue_overflows();
        Some(KernelQueue { overflows, ..queue })
    }

    /// Says whom the server lets in from now on; connections that are open stay. Accepting goes on at once where the new
    /// limits allow more.
    pub fn set_limits(&self, limits: Limits) {
        let core = self.core();
        let now = core.now();
        let from = core.admission.borrow().limits().rate;
        core.acceptor.borrow_mut().change_rate(from, limits.rate, now);
        core.admission.borrow_mut().set_limits(limits, now);
        core.fill_reserve();
        core.update_credit();
    }

    /// Whom the server lets in. Default: everybody.
    pub fn limits(&self) -> Limits {
        self.core().admission.borrow().limits().clone()
    }

    /// What the server is doing.
    pub fn state(&self) -> ServerState {
        self.core().state.get()
    }
}
