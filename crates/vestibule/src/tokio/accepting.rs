use super::concluding::Outcome;
use super::connection::Connection;
use super::deciding::Decision;
use super::listener::Listener;
use super::queue::Queue;
use super::refusing::refuse;
use super::warden::Warden;
use crate::error::Result;
use ::tokio::net::TcpStream;
use ::tokio::runtime::Handle;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

/// How many clients one poll takes at most, so that other tasks get their turn while many are refused.
const BATCH: usize = 16;

impl Listener {
    /// The same, for those who poll.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Connection>>> {
        self.enter_runtime();
        Warden::appoint(&self.shared);
        self.be_called(context.waker());
        self.shared.carry_out_orders(); // what was asked for before is true for this client
        for _ in 0..BATCH {
            // The door is locked to decide and to conclude, and not while the system works.
            let attempt = match self.decide(context) {
                Decision::Try(attempt) => attempt,
                Decision::LookAgain => continue,
                Decision::Wait => return Poll::Pending,
                Decision::End => {
                    self.queues.clear();
                    return Poll::Ready(Ok(None));
                }
            };
            let accepted = self.accept_one(attempt.draining, context);
            match self.conclude(attempt, accepted) {
                Outcome::LetIn(connection) => return Poll::Ready(Ok(Some(connection))),
                Outcome::Refused(client, refusal) => refuse(client, &refusal),
                Outcome::Failed => {}
                Outcome::Nobody => return Poll::Pending,
                Outcome::Broken(error) => return Poll::Ready(Err(error)),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// From now on this task is called when something has changed from outside.
    pub(super) fn be_called(&mut self, waker: &Waker) {
        if !self.called.as_ref().is_some_and(|called| called.will_wake(waker)) {
            self.shared.caller.call(self.number, waker);
            self.called = Some(waker.clone());
        }
    }

    /// What is on the reactor or the clock of another runtime is of no use in this one. Without a runtime tokio panics: here, where
    /// nothing is under way yet.
    fn enter_runtime(&mut self) {
        let runtime = Handle::current().id();
        if self.runtime.replace(runtime) != Some(runtime) {
            self.sleep = None;
            self.queues.iter_mut().for_each(Queue::leave_runtime);
        }
        self.queues.iter_mut().for_each(Queue::enter_runtime);
    }

    /// Accepts one client, from the queues in turn; `Pending` when nobody waits.
    pub(super) fn accept_one(
        &mut self,
        draining: bool,
        context: &mut Context<'_>,
    ) -> Poll<std::result::Result<(TcpStream, SocketAddr), Errno>> {
        let number = self.queues.len();
        for at in (0..number).map(|at| (self.next + at) % number) {
            let Some(queue) = self.queues.get_mut(at) else { continue };
            if draining && !queue.leftovers.has_left() {
                continue; // who waits there came too late
            }
            let accepted = queue.poll_accept(context);
            if accepted.is_ready() {
                if draining && matches!(accepted, Poll::Ready(Ok(_))) {
                    queue.leftovers.one_less();
                }
                self.next = at + 1;
                return accepted;
            }
        }
        Poll::Pending
    }
}
