use super::queue::{Lent, Queue};
use crate::admission::{Limits, Statistics};
use crate::error::{Error, Result};
use crate::event_loop::Sender;
use crate::server::{DrainOptions, ServerHandle, ServerState};
use std::thread::{JoinHandle, ThreadId};

/// Who serves, from which queues, and what was ordered.
#[derive(Debug)]
pub(super) struct Roster {
    pub(super) orders: Orders,
    pub(super) queues: Vec<Queue>,
    pub(super) posts: Vec<Post>,
    pub(super) threads: Vec<JoinHandle<()>>,
    /// Servers of workers that are gone; their connections may be open elsewhere.
    former: Vec<ServerHandle>,
    /// What those have counted that have none.
    past: Statistics,
    /// All workers have begun to serve.
    pub(super) started: bool,
    /// How many workers have died.
    pub(super) losses: u64,
    /// Why the group has ended.
    pub(super) error: Option<Error>,
}

/// What holds for every worker, also for one that comes later.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    pub(super) paused: bool,
    pub(super) limits: Limits,
    /// Nobody is replaced or added any more.
    pub(super) ending: bool,
}

/// A worker's place.
#[derive(Debug, Default)]
pub(super) struct Post {
    pub(super) duty: Option<Duty>,
    /// It takes no more clients, and ends with its connections.
    pub(super) leaving: bool,
    /// It has begun to serve.
    pub(super) serves: bool,
    /// Its thread has ended, or is about to.
    pub(super) gone: bool,
}

/// A worker that serves.
#[derive(Debug)]
pub(super) struct Duty {
    pub(super) thread: ThreadId,
    pub(super) orders: Sender<Order>,
    pub(super) servers: Vec<ServerHandle>,
}

/// What a worker is told to do with itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Accept from this queue, too.
    TakeOver(usize),
    /// Accept no more, and end when all connections have ended.
    Leave(DrainOptions),
    /// End at once.
    End,
}

impl Roster {
    pub(super) fn new(limits: Limits, queues: Vec<Queue>) -> Self {
        Self {
            orders: Orders { limits, ..Orders::default() },
            queues,
            posts: Vec::new(),
            threads: Vec::new(),
            former: Vec::new(),
            past: Statistics::default(),
            started: false,
            losses: 0,
            error: None,
        }
    }

    pub(super) fn duties(&self) -> impl Iterator<Item = &Duty> {
        self.posts.iter().filter_map(|post| post.duty.as_ref())
    }

    pub(super) fn servers(&self) -> impl Iterator<Item = &ServerHandle> {
        self.duties().flat_map(|duty| &duty.servers)
    }

    /// A worker has a server for a queue: what holds for it, and the queue, unless all is ending.
    pub(super) fn enlist(
        &mut self,
        number: usize,
        queue: usize,
        server: ServerHandle,
    ) -> Result<Option<(Orders, Lent)>> {
        let lent = self.queues.get(queue).filter(|_| !self.orders.ending).map(Queue::lend).transpose()?;
        let duty = self.posts.get_mut(number).and_then(|post| post.duty.as_mut());
        let (Some(Some(lent)), Some(duty)) = (lent, duty) else { return Ok(None) };
        duty.servers.push(server);
        Ok(Some((self.orders.clone(), lent)))
    }

    /// A worker serves no more, for now or for ever; what it has counted stays.
    pub(super) fn discharge(&mut self, number: usize) {
        let Some(duty) = self.posts.get_mut(number).and_then(|post| post.duty.take()) else { return };
        self.former.extend(duty.servers);
        let (gone, open): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.former).into_iter().partition(|server| server.open() == 0);
        self.former = open;
        for server in gone {
            self.past.add(&server.statistics());
        }
    }

    /// Whether a worker is to end with its connections.
    pub(super) fn is_leaving(&self, number: usize) -> bool {
        self.posts.get(number).is_none_or(|post| post.leaving)
    }

    /// The worker that is to take over the queue of another: the one with the fewest.
    pub(super) fn heir(&self) -> Option<usize> {
        let holds = |number| self.queues.iter().filter(|queue| queue.holder == Some(number)).count();
        let stays = |number: &usize| self.posts.get(*number).is_some_and(|post| !post.leaving && !post.gone);
        (0..self.posts.len()).filter(stays).min_by_key(|number| holds(*number))
    }

    /// How many workers serve, or are about to.
    pub(super) fn strength(&self) -> usize {
        self.posts.iter().filter(|post| !post.leaving && !post.gone).count()
    }

    /// What everybody has counted who ever served.
    pub(super) fn statistics(&self) -> Statistics {
        let mut all = self.past;
        self.former.iter().chain(self.servers()).for_each(|server| all.add(&server.statistics()));
        all
    }

    /// What each of those has counted who serve.
    pub(super) fn statistics_of_each(&self) -> Vec<Statistics> {
        let of = |duty: &Duty| {
            let mut all = Statistics::default();
            duty.servers.iter().for_each(|server| all.add(&server.statistics()));
            all
        };
        self.duties().map(of).collect()
    }

    /// The state of all as that of one server.
    pub(super) fn state(&self) -> ServerState {
        let states: Vec<_> = self.servers().map(ServerHandle::state).collect();
        let any = |state| states.contains(&state);
        let first = |some: [ServerState; 4]| some.into_iter().find(|state| any(*state));
        let by_weight =
            [ServerState::Draining, ServerState::Exhausted, ServerState::Listening, ServerState::Paused];
        match first(by_weight) {
            // Those who leave drain for themselves.
            Some(ServerState::Draining) if !self.orders.ending => first([
                ServerState::Exhausted,
                ServerState::Listening,
                ServerState::Paused,
                ServerState::Starting,
            ])
            .unwrap_or_default(),
            state => state.unwrap_or_default(),
        }
    }
}
