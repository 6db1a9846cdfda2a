use super::connection::{Connection, Facts};
use super::door::Door;
use super::listener::Listener;
use super::refusing::refuse;
use super::shared::now;
use super::warden::Warden;
use crate::acceptor::{AcceptErrorClass, AcceptVerdict, Course, Until};
use crate::admission::RefusalReason;
use crate::driver::{RELEASES, arrival_of};
use crate::error::{Error, Operation, Result};
use crate::sync::lock;
use ::tokio::net::TcpStream;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How many clients one poll takes at most, so that other tasks get their turn while many are refused.
const BATCH: usize = 16;

/// What follows from one look at the queues.
enum Step {
    /// Look again.
    Next,
    /// Somebody calls when there is something.
    Wait,
    Done(Result<Option<Connection>>),
}

/// Why nobody was accepted.
enum Missed {
    /// One client's fault, or a lack of something: look again.
    Failed,
    Nobody,
    Broken(Error),
}

impl From<Missed> for Step {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Failed => Self::Next,
            Missed::Nobody => Self::Wait,
            Missed::Broken(error) => Self::Done(Err(error)),
        }
    }
}

impl Listener {
    /// The same, for those who poll.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Connection>>> {
        let shared = Arc::clone(&self.shared);
        Warden::appoint(&shared);
        shared.caller.call(self.number, context.waker());
        shared.carry_out_orders(); // what was asked for before is true for this client
        let mut door = lock(&shared.door);
        door.begin_turn();
        for _ in 0..BATCH {
            if door.closed {
                self.queues.clear();
                return Poll::Ready(Ok(None));
            }
            self.retry(&mut door);
            let step = match door.course(now) {
                Course::Accept(_) => self.let_in(&mut door, context),
                Course::Refuse(reason, _) => self.turn_away(&mut door, reason, context),
                Course::Stop(until) => self.stop(&mut door, until, context),
            };
            shared.update_state(&door);
            match step {
                Step::Next => {}
                Step::Wait => return Poll::Pending,
                Step::Done(result) => return Poll::Ready(result),
            }
        }
        drop(door);
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether resources are there again that were lacking: the next accept tells.
    fn retry(&self, door: &mut Door) {
        let bell = &self.shared.released;
        if door.acceptor.retry_at().is_some_and(|at| bell.was_rung() || now() >= at) {
            RELEASES.wait(bell); // what is released while the next accept fails must not be missed
            door.acceptor.retry();
        }
    }

    fn let_in(&mut self, door: &mut Door, context: &mut Context<'_>) -> Step {
        let Ok(place) = door.admission.take(now) else { return Step::Next };
        let (client, peer) = match self.accept_one(door, context) {
            Ok(client) => client,
            Err(missed) => return missed.into(),
        };
        let (reason, age) = self.look_at(door, &client);
        if let Some(reason) = reason {
            drop(place);
            return self.refuse(door, client, reason);
        }
        let now = if door.admission.needs_time() { now() } else { self.shared.ledger.began() };
        let permit = match door.admission.let_in(place, peer.ip(), now) {
            Ok(permit) => permit,
            Err(reason) => return self.refuse(door, client, reason),
        };
        let rate = door.admission.limits().rate;
        door.acceptor.let_in(rate, now);
        self.shared.ledger.count_let_in();
        let facts = Facts { peer, number: door.acceptor.let_in_all(), age };
        Step::Done(Ok(Some(Connection::new(client, permit, &facts, &self.shared))))
    }

    fn turn_away(&mut self, door: &mut Door, reason: RefusalReason, context: &mut Context<'_>) -> Step {
        match self.accept_one(door, context) {
            Ok((client, _)) => self.refuse(door, client, reason),
            Err(missed) => missed.into(),
        }
    }

    fn refuse(&self, door: &Door, client: TcpStream, reason: RefusalReason) -> Step {
        self.shared.ledger.count_refusal(reason);
        refuse(client, &door.admission.limits().refusal_for(reason));
        Step::Next
    }

    /// Accepts one client, from the queues in turn.
    fn accept_one(
        &mut self,
        door: &mut Door,
        context: &mut Context<'_>,
    ) -> std::result::Result<(TcpStream, SocketAddr), Missed> {
        let number = self.queues.len();
        for at in (0..number).map(|at| (self.next + at) % number) {
            let Some(queue) = self.queues.get_mut(at) else { continue };
            match queue.poll_accept(context) {
                Poll::Pending => {}
                Poll::Ready(Err(errno)) => return Err(self.failed(door, errno)),
                Poll::Ready(Ok(client)) => {
                    self.next = at + 1;
                    if door.accepted() {
                        self.shared.ledger.end_episode(now());
                    }
                    return Ok(client);
                }
            }
        }
        // A drain needs to know when nobody is left; the reactor may not have looked yet, so the system is asked.
        if door.drain.is_some() && self.shared.queue().is_none_or(|queue| queue.depth == 0) {
            door.acceptor.queue_is_empty();
            self.shared.caller.warden.notify_one();
        }
        Err(Missed::Nobody)
    }

    fn look_at(&self, door: &Door, client: &TcpStream) -> (Option<RefusalReason>, Option<Duration>) {
        let limits = door.admission.limits();
        if !limits.looks_at_arrivals() && !door.acceptor.samples_arrival() {
            return (None, None);
        }
        let Some(arrival) = arrival_of(client) else { return (None, None) };
        if let Some(age) = arrival.age {
            self.shared.ledger.count_age(age);
        }
        (limits.judge(&arrival), arrival.age)
    }

    fn failed(&self, door: &mut Door, errno: Errno) -> Missed {
        let (class, now) = (AcceptErrorClass::of_errno(errno), now());
        self.shared.ledger.count_failure(class);
        match door.accept_failed(class, now) {
            AcceptVerdict::Continue => {}
            AcceptVerdict::BackOff { tell } => {
                RELEASES.wait(&self.shared.released);
                if tell {
                    self.shared.ledger.begin_episode(now);
                    self.log(door, errno, now);
                }
            }
            AcceptVerdict::StopListening => {
                self.shared.shut(door);
                self.shared.tell_closed();
                let error = Error::system(Operation::Accept, errno.into());
                return Missed::Broken(error);
            }
        }
        Missed::Failed
    }

    fn log(&self, door: &mut Door, errno: Errno, now: Instant) {
        if let Some(withheld) = door.seldom.write(now) {
            crate::log::warning!(
                "cannot accept on {:?}: {errno}; will go on by itself ({withheld} times more since the last line)",
                self.local_addrs()
            );
        }
    }

    fn stop(&mut self, door: &mut Door, until: Until, context: &mut Context<'_>) -> Step {
        match until {
            Until::Told | Until::Time(None) => {
                if door.acceptor.has_drained_queue() {
                    self.shared.caller.warden.notify_one(); // who goes on with the drain
                }
                Step::Wait
            }
            Until::NextTurn => {
                context.waker().wake_by_ref();
                Step::Wait
            }
            Until::APlaceIsFree => {
                door.admission.wait();
                // A place may have come free before anybody waited for it.
                if door.course(now).credit() > 0 { Step::Next } else { Step::Wait }
            }
            Until::Time(Some(at)) => self.sleep_until(at, context),
        }
    }

    fn sleep_until(&mut self, at: Instant, context: &mut Context<'_>) -> Step {
        let at = at.into();
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(::tokio::time::sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        match sleep.as_mut().poll(context) {
            Poll::Ready(()) => Step::Next,
            Poll::Pending => Step::Wait,
        }
    }
}
