use super::crew::Crew;
use super::roster::Order;
use crate::driver::pin_to_core;
use crate::error::{Error, Operation, Result, SocketError};
use crate::event_loop::{EventLoop, LoopCore, forget, message};
use crate::server::{DrainOptions, ServerState, TcpServer};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The pauses before workers are replaced that die one after the other.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Who has served so long has not died at once.
const LONG: Duration = Duration::from_secs(1);
/// How long connections that are ending have when a worker ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What one thread of a group has: its servers, one for each queue that it accepts from.
pub(super) struct Worker {
    crew: Arc<Crew>,
    number: usize,
    event_loop: Rc<LoopCore>,
    servers: RefCell<Vec<TcpServer>>,
    /// It was told to leave, or the group drains.
    ends_when_drained: Cell<bool>,
    /// Connections were cut: the others that are ending need not be waited for.
    has_cut: Cell<bool>,
    failure: RefCell<Option<Error>>,
}

impl Worker {
    /// What a thread does: serves, and serves again after it has died, if it is to be replaced.
    pub(super) fn work(crew: &Arc<Crew>, number: usize) {
        if crew.plan.pin {
            pin_to_core(number);
        }
        let mut pause = Duration::ZERO;
        loop {
            let began = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| Self::serve(crew, number)));
            let is_done = {
                let mut roster = crew.roster();
                roster.discharge(number);
                roster.orders.ending || roster.is_leaving(number)
            };
            let error = match outcome {
                Ok(Ok(())) if is_done => break,
                Ok(Ok(())) => {
                    Error::said(Operation::RunWorkers, SocketError::Operation, "its loop was told to quit")
                }
                Ok(Err(error)) => error,
                Err(payload) => {
                    let words = format!("a panic: {}", message(&*payload));
                    forget(Some(payload));
                    Error::said(Operation::RunWorkers, SocketError::Operation, words)
                }
            };
            if began.elapsed() > LONG {
                pause = Duration::ZERO;
            }
            if !crew.lose(number, error) || !crew.pause(number, pause) {
                break;
            }
            pause = (pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        }
        crew.roster().posts.get_mut(number).into_iter().for_each(|post| post.gone = true);
        crew.notify();
    }

    /// Serves until it is told to end, or cannot go on.
    fn serve(crew: &Arc<Crew>, number: usize) -> Result<()> {
        let event_loop = EventLoop::new()?;
        event_loop.contain_panics(crew.plan.contain_panics);
        let worker = Rc::new(Self {
            crew: Arc::clone(crew),
            number,
            event_loop: Rc::clone(event_loop.core()),
            servers: RefCell::default(),
            ends_when_drained: Cell::new(false),
            has_cut: Cell::new(false),
            failure: RefCell::default(),
        });
        let slot = Rc::downgrade(&worker);
        let orders = event_loop.channel(move |order| {
            if let Some(worker) = slot.upgrade() {
                worker.carry_out(order);
            }
        });
        let Some(queues) = crew.take_post(number, orders)? else { return Ok(()) };
        for queue in queues {
            worker.accept_from(queue)?;
        }
        crew.serves(number);
        event_loop.run()?;
        let servers = worker.servers.take();
        drop(servers);
        event_loop.finish(if worker.has_cut.get() { Duration::ZERO } else { LAST_WORDS })?;
        let failure = worker.failure.take();
        failure.map_or(Ok(()), Err)
    }

    fn event_loop(&self) -> EventLoop {
        EventLoop::lent(&self.event_loop)
    }

    fn carry_out(self: &Rc<Self>, order: Order) {
        match order {
            Order::TakeOver(queue) => {
                if let Err(error) = self.accept_from(queue) {
                    self.fail(error);
                }
            }
            Order::Leave(options) => self.leave(options),
            Order::End => self.event_loop().quit(),
        }
    }

    /// The worker cannot do what it is there for: it ends, and whoever takes its place does.
    fn fail(&self, error: Error) {
        self.failure.replace(Some(error));
        self.event_loop().quit();
    }

    /// Makes a server for a queue. Nothing is accepted before the loop's next turn.
    fn accept_from(self: &Rc<Self>, queue: usize) -> Result<()> {
        let server = TcpServer::new(&self.event_loop());
        server.set_object_name(format!("worker-{}", self.number));
        server.join_group(&self.crew.group);
        server.set_timeouts(self.crew.plan.timeouts);
        (self.crew.prepare)(&server);
        self.watch(&server);
        let enlisted = self.crew.roster().enlist(self.number, queue, server.handle())?;
        let Some((orders, lent)) = enlisted else {
            if self.servers.borrow().is_empty() {
                self.event_loop().quit(); // the group ends
            }
            return Ok(());
        };
        server.set_limits(orders.limits);
        if orders.paused {
            server.pause_accepting();
        }
        server.accept_from(lent.descriptor, lent.shared.as_ref())?;
        self.servers.borrow_mut().push(server);
        Ok(())
    }

    /// Notices when a server has nothing more to do, or cannot do it.
    fn watch(self: &Rc<Self>, server: &TcpServer) {
        let worker = Rc::downgrade(self);
        server.accept_error().connect(move |server, kind| {
            if let (Some(worker), false) = (worker.upgrade(), server.is_listening()) {
                let words = server.error_string().to_lowercase();
                worker.crew.end(Some(Error::said(Operation::Accept, kind, words)));
            }
        });
        let worker = Rc::downgrade(self);
        server.drained().connect(move |_, report| Self::end_if_drained(&worker, report.cut > 0));
    }

    fn end_if_drained(worker: &Weak<Self>, has_cut: bool) {
        let Some(worker) = worker.upgrade() else { return };
        worker.has_cut.set(worker.has_cut.get() || has_cut);
        let ends = worker.ends_when_drained.get() || worker.crew.roster().orders.ending;
        let closed = |server: &TcpServer| server.state() == ServerState::Closed;
        if ends && worker.servers.borrow().iter().all(closed) {
            worker.event_loop().quit();
        }
    }

    /// Others take the clients from now on.
    fn leave(&self, options: DrainOptions) {
        self.ends_when_drained.set(true);
        for server in &*self.servers.borrow() {
            server.leave_queue();
            server.drain_with(options);
        }
    }
}
