use super::plan::{Plan, QueueSharing, WorkerLoss};
use super::queue::Queue;
use super::roster::{Duty, Order, Post, Roster};
use super::worker::Worker;
use crate::address::Endpoint;
use crate::admission::AdmissionGroup;
use crate::error::{Error, Operation, Result};
use crate::event_loop::Sender;
use crate::server::{DrainOptions, ListenOptions, TcpServer};
use crate::sync::{Condvar, Mutex, MutexGuard, lock, wait};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What is called with each server.
pub(super) type Prepare = Box<dyn Fn(&TcpServer) + Send + Sync>;

/// What the workers of a group share.
pub(super) struct Crew {
    pub(super) plan: Plan,
    pub(super) prepare: Prepare,
    pub(super) group: Arc<AdmissionGroup>,
    pub(super) endpoint: Endpoint,
    /// The same as the system says it.
    pub(super) local_addr: SocketAddr,
    options: ListenOptions,
    roster: Mutex<Roster>,
    changed: Condvar,
}

impl Crew {
    /// Listens, and starts the workers; returns when all serve, or nothing is left of them.
    pub(super) fn listen(plan: Plan, options: ListenOptions, prepare: Prepare) -> Result<Arc<Self>> {
        let (queues, endpoint) = Queue::all(&plan, options)?;
        let address = queues.first().and_then(Queue::local_addr);
        let (number, limits) = (plan.number, plan.limits.clone());
        let group = AdmissionGroup::new();
        group.set_limits(&limits, Instant::now());
        let crew = Arc::new(Self {
            plan,
            prepare,
            group: Arc::new(group),
            endpoint,
            local_addr: address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], endpoint.port))),
            options: options.at(endpoint),
            roster: Mutex::new(Roster::new(limits, queues)),
            changed: Condvar::new(),
        });
        let started = (0..number).try_for_each(|_| crew.add_worker());
        crew.wait_until(|roster| roster.error.is_some() || roster.posts.iter().all(|post| post.serves));
        match started.err().or_else(|| crew.roster().error.take()) {
            None => Ok(crew),
            Some(error) => {
                crew.end(None);
                crew.join();
                Err(error)
            }
        }
    }

    pub(super) fn roster(&self) -> MutexGuard<'_, Roster> {
        lock(&self.roster)
    }

    fn wait_until(&self, done: impl Fn(&Roster) -> bool) {
        let mut roster = self.roster();
        while !done(&roster) {
            roster = wait(&self.changed, roster, None);
        }
    }

    /// Starts one more worker, at the first place that is free.
    pub(super) fn add_worker(self: &Arc<Self>) -> Result<()> {
        let mut roster = self.roster();
        let number = roster.posts.iter().position(|post| post.gone).unwrap_or(roster.posts.len());
        let crew = Arc::clone(self);
        let thread = thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || Worker::work(&crew, number))
            .map_err(|error| Error::system(Operation::RunWorkers, error))?;
        match roster.posts.get_mut(number) {
            Some(post) => *post = Post::default(),
            None => roster.posts.push(Post::default()),
        }
        roster.threads.retain(|thread| !thread.is_finished());
        roster.threads.push(thread);
        Ok(())
    }

    /// A worker is about to serve: the queues that it is to accept from; `None` when it is not to, any more.
    pub(super) fn take_post(&self, number: usize, orders: Sender<Order>) -> Result<Option<Vec<usize>>> {
        let mut roster = self.roster();
        if roster.orders.ending || roster.is_leaving(number) {
            return Ok(None);
        }
        if let Some(post) = roster.posts.get_mut(number) {
            post.duty = Some(Duty { thread: thread::current().id(), orders, servers: Vec::new() });
        }
        if self.plan.sharing == QueueSharing::OneQueue {
            return Ok(Some(vec![0]));
        }
        let own = |roster: &Roster| -> Vec<usize> {
            let queues = roster.queues.iter().enumerate();
            queues.filter(|(_, queue)| queue.holder == Some(number)).map(|(at, _)| at).collect()
        };
        if own(&roster).is_empty() {
            if let Some(orphan) = roster.queues.iter_mut().find(|queue| queue.holder.is_none()) {
                orphan.holder = Some(number);
            } else {
                let (mut queue, _) = Queue::listen(&self.plan, self.options)?;
                queue.holder = Some(number);
                roster.queues.push(queue);
            }
        }
        Ok(Some(own(&roster)))
    }

    /// A worker serves from now on.
    pub(super) fn serves(&self, number: usize) {
        let mut roster = self.roster();
        roster.posts.get_mut(number).into_iter().for_each(|post| post.serves = true);
        let all = roster.posts.len() >= self.plan.number && roster.posts.iter().all(|post| post.serves);
        roster.started |= all;
        drop(roster);
        self.notify();
    }

    /// Something that others wait for may have come to be.
    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    /// A worker has died; whether another is to take its place, unless all is ending when the pause is over. While the group
    /// starts, that is an error of the start.
    pub(super) fn lose(&self, number: usize, error: Error) -> bool {
        crate::log::warning!("worker {number} has died: {error}");
        let mut roster = self.roster();
        roster.losses += 1;
        let leaving = roster.is_leaving(number);
        if roster.started && (self.plan.loss == WorkerLoss::Replace || leaving || roster.orders.ending) {
            return !leaving && !roster.orders.ending;
        }
        drop(roster);
        self.end(Some(error));
        false
    }

    /// Waits so long before a worker is replaced; whether it still is to be.
    pub(super) fn pause(&self, number: usize, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut roster = self.roster();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let needless = roster.orders.ending || roster.is_leaving(number);
            if needless || left.is_zero() {
                return !needless;
            }
            roster = wait(&self.changed, roster, Some(left));
        }
    }

    /// Ends all workers, for a reason or because it was said.
    pub(super) fn end(&self, error: Option<Error>) {
        let mut roster = self.roster();
        roster.orders.ending = true;
        roster.error = roster.error.take().or(error);
        roster.queues.iter_mut().for_each(Queue::close);
        for duty in roster.duties() {
            let _ = duty.orders.send(Order::End); // a loop that is gone has ended
        }
        drop(roster);
        self.notify();
    }

    /// More workers, or fewer: those who leave hand their queues on.
    pub(super) fn resize(self: &Arc<Self>, number: usize, options: DrainOptions) -> Result<()> {
        loop {
            let strength = {
                let mut roster = self.roster();
                if roster.orders.ending {
                    return Ok(());
                }
                if roster.strength() > number.max(1) {
                    dismiss(&mut roster, options);
                }
                roster.strength()
            };
            match strength {
                strength if strength < number.max(1) => self.add_worker()?,
                strength if strength == number.max(1) => {
                    self.notify();
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    /// Waits until all threads have ended, but the caller's.
    pub(super) fn join(&self) {
        loop {
            let threads = std::mem::take(&mut self.roster().threads);
            if threads.is_empty() {
                return;
            }
            for thread in threads.into_iter().filter(|it| it.thread().id() != thread::current().id()) {
                let _ = thread.join(); // a worker catches its panics
            }
        }
    }
}

/// Has the last worker leave; what waits in its queues is another's from now on.
fn dismiss(roster: &mut Roster, options: DrainOptions) {
    let Some(leaver) = roster.posts.iter().rposition(|post| !post.leaving && !post.gone) else { return };
    if let Some(post) = roster.posts.get_mut(leaver) {
        post.leaving = true;
        if let Some(duty) = &post.duty {
            let _ = duty.orders.send(Order::Leave(options));
        }
    }
    for at in 0..roster.queues.len() {
        if roster.queues.get(at).is_some_and(|queue| queue.holder == Some(leaver)) {
            let heir = roster.heir();
            roster.queues.get_mut(at).into_iter().for_each(|queue| queue.holder = heir);
            let duty = heir.and_then(|heir| roster.posts.get(heir)?.duty.as_ref());
            // Without one it finds the queue when it takes its post.
            if let Some(duty) = duty {
                let _ = duty.orders.send(Order::TakeOver(at));
            }
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
