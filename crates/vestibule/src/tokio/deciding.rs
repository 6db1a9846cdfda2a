use super::attempt::Attempt;
use super::door::Door;
use super::listener::Listener;
use super::shared::{Shared, now};
use crate::acceptor::{Course, Until};
use crate::driver::RELEASES;
use crate::sync::lock;
use ::tokio::time::Sleep;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// What to do now.
pub(super) enum Decision {
    /// Accept a client.
    Try(Attempt),
    LookAgain,
    /// Somebody calls when there is something.
    Wait,
    /// Nobody comes in any more.
    End,
}

impl Listener {
    pub(super) fn decide(&mut self, context: &mut Context<'_>) -> Decision {
        let Self { shared, sleep, number, .. } = self;
        let door = &mut *lock(&shared.door);
        if door.closed {
            return Decision::End;
        }
        door.begin_turn();
        retry(shared, door);
        let course = door.course(now);
        let decision = match course {
            Course::Stop(Until::Time(Some(at))) => sleep_until(sleep, at, context),
            Course::Stop(until) => stop(door, until),
            _ => match door.begin(course) {
                Some(attempt) => Decision::Try(attempt),
                None if door.attempts.under_way() > 0 => Decision::Wait,
                None => Decision::LookAgain, // somebody with the same shared limit was faster
            },
        };
        if matches!(decision, Decision::Wait) {
            door.attempts.pass_over(*number);
        }
        decision
    }
}

/// Whether resources are there again that were lacking: the next accept tells.
fn retry(shared: &Shared, door: &mut Door) {
    let bell = &shared.released;
    if door.acceptor.retry_at().is_some_and(|at| bell.was_rung() || now() >= at) {
        RELEASES.wait(bell); // what is released while the next accept fails must not be missed
        door.acceptor.retry();
    }
}

fn stop(door: &Door, until: Until) -> Decision {
    match until {
        Until::NextTurn => return Decision::LookAgain,
        Until::APlaceIsFree => {
            door.admission.wait();
            // A place may have come free before anybody waited for it.
            if door.course(now).credit() > 0 {
                return Decision::LookAgain;
            }
        }
        Until::Told | Until::Time(_) => {}
    }
    Decision::Wait
}

fn sleep_until(sleep: &mut Option<Pin<Box<Sleep>>>, at: Instant, context: &mut Context<'_>) -> Decision {
    let at = at.into();
    let sleep = sleep.get_or_insert_with(|| Box::pin(::tokio::time::sleep_until(at)));
    if sleep.deadline() != at {
        sleep.as_mut().reset(at);
    }
    match sleep.as_mut().poll(context) {
        Poll::Ready(()) => Decision::LookAgain,
        Poll::Pending => Decision::Wait,
    }
}
