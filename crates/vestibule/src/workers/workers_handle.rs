use super::crew::Crew;
use super::gather::Gather;
use super::plan::QueueSharing;
use super::queue::Queue;
use super::roster::Roster;
use crate::admission::{Limits, Statistics};
use crate::driver::KernelQueue;
use crate::error::Result;
use crate::server::{Answer, DrainOptions, DrainReport, ServerState, TcpServer};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reaches all workers of a group as if they were one server; from any thread, as [`ServerHandle`](crate::ServerHandle) does one.
///
/// What is ordered here also holds for workers that come later. Answers come when all workers have done it; a worker that
/// dies meanwhile is not waited for.
///
/// ```
/// use vestibule::{Limits, ServerState, Workers};
///
/// let group = Workers::new(2).bind("127.0.0.1:0", |_| {})?;
/// let handle = group.handle();
/// handle.pause().wait(None)?;
/// assert_eq!(handle.state(), ServerState::Paused);
/// handle.set_limits(Limits::new().max_connections(10)).wait(None)?;
/// handle.resume().wait(None)?;
/// assert_eq!(handle.statistics().accepted, 0);
/// # Ok::<(), vestibule::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WorkersHandle {
    crew: Arc<Crew>,
}

impl WorkersHandle {
    pub(super) fn new(crew: &Arc<Crew>) -> Self {
        Self { crew: Arc::clone(crew) }
    }

    /// Has each server make a call on its own thread; the answer has what each call returned, in no order.
    pub fn call_each<R: Send + 'static>(
        &self,
        call: impl Fn(&TcpServer) -> R + Send + Clone + 'static,
    ) -> Answer<Vec<R>> {
        self.order(|_| {}, call, |parts| parts)
    }

    /// Notes what is to hold from now on, has each server make a call, and combines what they return.
    fn order<T: Send + 'static, R: Send + 'static>(
        &self,
        note: impl FnOnce(&mut Roster),
        call: impl Fn(&TcpServer) -> T + Send + Clone + 'static,
        combine: impl FnOnce(Vec<T>) -> R + Send + 'static,
    ) -> Answer<R> {
        let mut roster = self.crew.roster();
        note(&mut roster);
        let homes = roster.duties().map(|duty| duty.thread).collect();
        let (answer, share) = Gather::begin(homes, combine);
        for server in roster.servers() {
            let (call, share) = (call.clone(), share.clone());
            server.tell(move |server| share.add(call(server)));
        }
        answer
    }

    /// Lets nobody in from the answer on: see [`ServerHandle::pause`](crate::ServerHandle::pause).
    pub fn pause(&self) -> Answer<()> {
        self.order(|roster| roster.orders.paused = true, TcpServer::pause_accepting, |_| ())
    }

    /// Ends a pause: see [`ServerHandle::resume`](crate::ServerHandle::resume).
    pub fn resume(&self) -> Answer<()> {
        self.order(|roster| roster.orders.paused = false, TcpServer::resume_accepting, |_| ())
    }

    /// Sets other limits, which all workers count together: see [`TcpServer::set_limits`].
    pub fn set_limits(&self, limits: Limits) -> Answer<()> {
        let (group, note) = (Arc::clone(&self.crew.group), limits.clone());
        self.order(
            |roster| {
                group.set_limits(&note, Instant::now());
                roster.orders.limits = note;
            },
            move |server| server.set_limits(limits.clone()),
            |_| (),
        )
    }

    /// Lets nobody in any more, brings all connections to an end, at the deadline by force, and ends the group: see
    /// [`TcpServer::drain`]. The answer comes when all have ended; [`WorkerGroup::join`](crate::WorkerGroup::join) returns
    /// then.
    pub fn drain(&self, deadline: Duration) -> Answer<DrainReport> {
        self.drain_with(DrainOptions::new(deadline))
    }

    /// Drains, with more to choose.
    pub fn drain_with(&self, options: DrainOptions) -> Answer<DrainReport> {
        let shared = self.crew.plan.sharing == QueueSharing::OneQueue;
        let mut roster = self.crew.roster();
        roster.orders.ending = true;
        roster.queues.iter_mut().for_each(Queue::close);
        let homes = roster.duties().map(|duty| duty.thread).collect();
        let (answer, share) = Gather::begin(homes, move |reports: Vec<DrainReport>| {
            let mut all = DrainReport::default();
            for report in reports {
                all.add(report, shared);
            }
            all
        });
        for server in roster.servers() {
            let share = share.clone();
            server.tell(move |server| server.drain_then(options, |report| share.add(report.clone())));
        }
        drop(roster);
        self.crew.notify();
        answer
    }

    /// Has so many workers serve from now on, at least one. Those that come serve a moment later; those that leave take no
    /// more clients, hand their queues on so that nobody waits in vain, and end when their connections have, at the deadline
    /// by force. Does nothing while the group ends.
    ///
    /// # Errors
    ///
    /// When no more threads are to be had; those that were started stay.
    pub fn set_workers(&self, number: usize, deadline: Duration) -> Result<()> {
        self.crew.resize(number, DrainOptions::new(deadline))
    }

    /// How many workers serve, or are about to; those that leave are not counted.
    pub fn workers(&self) -> usize {
        self.crew.roster().strength()
    }

    /// How many workers have died.
    pub fn losses(&self) -> u64 {
        self.crew.roster().losses
    }

    /// What all workers have counted, those that are gone included. Disturbs nobody.
    pub fn statistics(&self) -> Statistics {
        let mut all = self.crew.roster().statistics();
        // Those of each are of different moments; these are of one.
        all.open = self.crew.group.open() as u64;
        all.most_open = self.crew.group.most_open() as u64;
        all
    }

    /// What each worker has counted that serves now: how evenly the clients are spread.
    pub fn statistics_of_each(&self) -> Vec<Statistics> {
        self.crew.roster().statistics_of_each()
    }

    /// What the group is doing, as one server: `Exhausted` as soon as one is, `Paused` when all are, `Closed` when it has
    /// ended.
    pub fn state(&self) -> ServerState {
        self.crew.roster().state()
    }

    /// The kernel's queue, or what its queues have together: see [`TcpServer::kernel_queue`].
    pub fn kernel_queue(&self) -> Answer<Option<KernelQueue>> {
        let shared = self.crew.plan.sharing == QueueSharing::OneQueue;
        self.order(
            |_| {},
            TcpServer::kernel_queue,
            move |queues| {
                let mut queues = queues.into_iter().flatten();
                if shared { queues.next() } else { queues.reduce(KernelQueue::and) }
            },
        )
    }
}
