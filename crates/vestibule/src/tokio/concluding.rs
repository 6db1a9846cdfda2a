use super::attempt::Attempt;
use super::connection::Connection;
use super::door::Door;
use super::listener::Listener;
use super::queue::Queue;
use super::refusing::refuse_at_once;
use super::roll::Facts;
use super::shared::{Phase, now};
use crate::acceptor::{AcceptErrorClass, AcceptVerdict};
use crate::admission::{Permit, Refusal, RefusalReason, Reservation};
use crate::driver::{RELEASES, arrival_of};
use crate::error::{Error, Operation};
use crate::sync::{Ordering, lock};
use ::tokio::net::TcpStream;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How many clients are answered with the descriptor in reserve each time that an accept has failed.
const RESERVE_BATCH: usize = 8;

/// What became of an attempt to accept a client.
pub(super) enum Outcome {
    LetIn(Connection),
    /// It gets this, when the door is not locked.
    Refused(TcpStream, Refusal),
    /// One client's fault, or a lack of something.
    Failed,
    Nobody,
    Broken(Error),
}

impl Listener {
    pub(super) fn conclude(
        &self,
        attempt: Attempt,
        accepted: Poll<Result<(TcpStream, SocketAddr), Errno>>,
    ) -> Outcome {
        let shared = &self.shared;
        let mut guard = lock(&shared.door);
        let door = &mut *guard;
        let afterwards = door.attempts.end(&attempt);
        let outcome = match accepted {
            Poll::Ready(Ok((client, peer))) => {
                if door.accepted() {
                    shared.ledger.end_episode(now());
                    door.fill_reserve();
                    shared.update_state(door);
                }
                self.admit(door, attempt, client, peer)
            }
            Poll::Ready(Err(errno)) => {
                drop(attempt); // and its place with it
                let outcome = self.failed(door, errno);
                shared.update_state(door);
                outcome
            }
            Poll::Pending => {
                drop(attempt);
                // A drain needs to know; the reactor may not have looked yet, so the system is asked.
                if door.drain.is_some() && !shared.queues.has_leftovers() {
                    door.acceptor.queue_is_empty();
                }
                Outcome::Nobody
            }
        };
        if door.drain.is_some() {
            shared.caller.warden.notify_one(); // who goes on with it
        }
        drop(guard);
        shared.caller.wake(&afterwards.passed_over);
        afterwards.replies.into_iter().for_each(|reply| reply.send(()));
        outcome
    }

    fn admit(&self, door: &mut Door, attempt: Attempt, client: TcpStream, peer: SocketAddr) -> Outcome {
        if door.closed && *self.shared.phase.borrow() == Phase::Cut {
            // All are cut already, and this one is too late for that.
            self.shared.ledger.count_refusal(RefusalReason::Draining);
            return Outcome::Refused(client, Refusal::Reset);
        }
        match attempt.place.and_then(|place| self.let_in(door, place, &client, peer)) {
            Ok((permit, age, now)) => {
                let rate = door.admission.limits().rate;
                door.acceptor.let_in(rate, now);
                self.shared.ledger.count_let_in(door.attempts.places());
                let facts = Facts { peer, number: door.acceptor.let_in_all(), age };
                Outcome::LetIn(Connection::new(client, permit, facts, &self.shared))
            }
            Err(reason) => {
                self.shared.ledger.count_refusal(reason);
                Outcome::Refused(client, door.admission.limits().refusal_for(reason))
            }
        }
    }

    /// The place is the client's, if it is worth having, and its source may have one more.
    fn let_in(
        &self,
        door: &Door,
        place: Reservation,
        client: &TcpStream,
        peer: SocketAddr,
    ) -> Result<(Permit, Option<Duration>, Instant), RefusalReason> {
        let (reason, age) = self.look_at(door, client);
        if let Some(reason) = reason {
            return Err(reason);
        }
        let now = if door.admission.needs_time() { now() } else { self.shared.ledger.began() };
        Ok((door.admission.let_in(place, peer.ip(), now)?, age, now))
    }

    /// Why it is not worth having, if it is not; and how long it has waited.
    fn look_at(&self, door: &Door, client: &TcpStream) -> (Option<RefusalReason>, Option<Duration>) {
        let limits = door.admission.limits();
        // What nobody can ask for costs no system call.
        let sampled = door.acceptor.samples_arrival() && self.shared.is_watched.load(Ordering::Relaxed);
        if !limits.looks_at_arrivals() && !sampled {
            return (None, None);
        }
        let Some(arrival) = arrival_of(client) else { return (None, None) };
        if let Some(age) = arrival.age {
            self.shared.ledger.count_age(age);
        }
        (limits.judge(&arrival), arrival.age)
    }

    fn failed(&self, door: &mut Door, errno: Errno) -> Outcome {
        if door.closed {
            return Outcome::Failed; // meanwhile, and that is why
        }
        let (class, now) = (AcceptErrorClass::of_errno(errno), now());
        self.shared.ledger.count_failure(class);
        match door.accept_failed(class, now) {
            AcceptVerdict::Continue => {}
            AcceptVerdict::BackOff { tell } => {
                if tell {
                    // Later in the episode each try has begun to wait before: to do so again would miss what was released since.
                    RELEASES.wait(&self.shared.released);
                    self.shared.ledger.begin_episode(now);
                    self.log(door, errno, now);
                }
                if class == AcceptErrorClass::Resources {
                    self.use_reserve(door);
                }
            }
            AcceptVerdict::StopListening => {
                self.shared.shut(door);
                self.shared.tell_closed();
                return Outcome::Broken(Error::system(Operation::Accept, errno.into()));
            }
        }
        Outcome::Failed
    }

    fn log(&self, door: &mut Door, errno: Errno, now: Instant) {
        if let Some(withheld) = door.seldom.write(now) {
            crate::log::warning!(
                "cannot accept on {:?}: {errno}; will go on by itself ({withheld} times more since the last line)",
                self.local_addrs()
            );
        }
    }

    /// Answers a few of those who wait, by means of the descriptor that is kept for that.
    fn use_reserve(&self, door: &mut Door) {
        let reason = RefusalReason::NoDescriptors;
        for _ in 0..RESERVE_BATCH {
            if door.reserve.take().is_none() {
                return;
            }
            let client = self.queues.iter().find_map(Queue::take_client);
            let Some(client) = client else { return door.fill_reserve() };
            self.shared.ledger.count_refusal(reason);
            refuse_at_once(client, &door.admission.limits().refusal_for(reason));
            door.fill_reserve();
        }
    }
}
