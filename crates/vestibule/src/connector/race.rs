use rustix::io::Errno;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long an attempt runs alone before the next address is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// The attempts to connect to one of several addresses: the first to succeed wins, the last failure is the failure.
#[derive(Debug)]
pub(crate) struct Race {
    untried: VecDeque<SocketAddr>,
    running: usize,
    /// When the next address is tried though another attempt runs.
    next_at: Instant,
    /// Whether one attempt at a time may run, because all come from the same port.
    single: bool,
    deadline: Option<Instant>,
    failure: Errno,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// Begin an attempt.
    Try(SocketAddr),
    /// Nothing, until an attempt ends, or until this time.
    Wait(Option<Instant>),
    /// End all attempts.
    GiveUp(Errno),
}

impl Race {
    pub(crate) fn new(
        addresses: VecDeque<SocketAddr>,
        single: bool,
        now: Instant,
        deadline: Option<Instant>,
    ) -> Self {
        let failure = Errno::ADDRNOTAVAIL; // for a host without an address that could be tried
        Self { untried: addresses, running: 0, next_at: now, single, deadline, failure }
    }

    /// To be asked again after every [`Move::Try`], and after everything that it is told.
    pub(crate) fn next(&mut self, now: Instant) -> Move {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            return Move::GiveUp(Errno::TIMEDOUT);
        }
        let may_try = self.running == 0 || (!self.single && now >= self.next_at);
        match self.untried.front().copied() {
            Some(address) if may_try => {
                self.untried.pop_front();
                self.running += 1;
                self.next_at = now.checked_add(HEAD_START).unwrap_or(now);
                Move::Try(address)
            }
            None if self.running == 0 => Move::GiveUp(self.failure),
            Some(_) if !self.single => {
                Move::Wait(Some(self.deadline.map_or(self.next_at, |deadline| deadline.min(self.next_at))))
            }
            _ => Move::Wait(self.deadline),
        }
    }

    /// An attempt failed; the next address may be tried at once.
    pub(crate) fn failed(&mut self, errno: Errno, now: Instant) {
        self.running = self.running.saturating_sub(1);
        self.failure = errno;
        self.next_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::{HEAD_START, Move, Race};
    use proptest::prelude::*;
    use rustix::io::Errno;
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    fn addresses(number: u16) -> Vec<SocketAddr> {
        (0..number).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect()
    }

    proptest! {
        /// Whatever fails when: every address is tried once and in order, two attempts begin together only after a
        /// failure or a head start, a single race never has two, and the end comes exactly when nothing is left or at the
        /// deadline.
        #[test]
        fn tries_all(number in 0_u16..8, single: bool, limit in prop::option::of(0_u64..2000),
                     steps in prop::collection::vec((0_u64..400, any::<bool>()), 0..60)) {
            let start = Instant::now();
            let deadline = limit.map(|limit| start + Duration::from_millis(limit));
            let mut race = Race::new(addresses(number).into(), single, start, deadline);
            let (mut now, mut running, mut tried) = (start, 0_u16, Vec::new());
            let mut last_begun: Option<Instant> = None;
            let mut steps = steps.into_iter();
            loop {
                match race.next(now) {
                    Move::Try(address) => {
                        let early = last_begun.is_some_and(|begun| now < begun + HEAD_START);
                        prop_assert!(!early || running == 0);
                        prop_assert!(!single || running == 0);
                        prop_assert!(deadline.is_none_or(|deadline| now < deadline));
                        tried.push(address);
                        running += 1;
                        last_begun = Some(now);
                    }
                    Move::GiveUp(errno) => {
                        let late = deadline.is_some_and(|deadline| now >= deadline);
                        prop_assert!(late || (running == 0 && tried.len() == usize::from(number)));
                        let expected = match tried.len() {
                            _ if late => Errno::TIMEDOUT,
                            0 => Errno::ADDRNOTAVAIL,
                            _ => Errno::CONNREFUSED,
                        };
                        prop_assert_eq!(errno, expected);
                        break;
                    }
                    Move::Wait(until) => {
                        prop_assert!(running > 0);
                        prop_assert!(until.is_none_or(|until| until > now));
                        let Some((time, fails)) = steps.next() else { break };
                        now += Duration::from_millis(time);
                        if fails {
                            race.failed(Errno::CONNREFUSED, now);
                            running -= 1;
                            last_begun = None;
                        }
                    }
                }
            }
            prop_assert_eq!(&tried[..], &addresses(number)[..tried.len()]);
        }
    }
}
