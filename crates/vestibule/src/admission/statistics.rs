use super::count::Count;
use super::ledger::{Ledger, Snapshot};
use super::refusal::RefusalReason;
use std::fmt;
use std::time::{Duration, Instant};

/// How many sizes of batches are told apart: 1, 2 to 3, 4 to 7, 8 to 15, and 16.
pub(super) const BATCH_SIZES: usize = 5;

/// What a server has counted since it was made, all at one moment.
///
/// It costs the server nothing to be asked: the counts are there anyway, and taking them stops nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections that were let in.
    pub accepted: u64,
    /// Connections that are open now: let in, and their descriptor not closed, wherever it is.
    pub open: u64,
    /// The most that were ever open at once.
    pub most_open: u64,
    /// Connections that nobody has taken from the server yet.
    pub pending: u64,
    /// Clients that were refused, by reason; see [`refused_for`](Self::refused_for).
    pub refused: [u64; RefusalReason::ALL.len()],
    /// Accepts that failed, by class.
    pub errors: AcceptErrors,
    /// How often accepting had to back off: because the process or the system ran out of descriptors or memory, or for an error
    /// that nobody knows.
    pub episodes: u64,
    /// How long that lasted in all, up to now.
    pub exhausted: Duration,
    /// Bytes that were received and sent, on connections that sockets of this library handled.
    pub received: u64,
    /// See [`received`](Self::received).
    pub sent: u64,
    /// How many batches of accepts had 1, 2 to 3, 4 to 7, 8 to 15, and 16 connections.
    pub batches: [u64; BATCH_SIZES],
    /// Of how many connections the age in the kernel's queue was measured: of all with
    /// [`Limits::max_queue_age`](crate::Limits::max_queue_age) or [`Limits::skip_dead`](crate::Limits::skip_dead), else of one in
    /// 64. None where the system does not tell.
    pub ages_measured: u64,
    /// Their mean age.
    pub mean_age: Duration,
    /// The greatest age.
    pub greatest_age: Duration,
    /// Connections that a time-out ended.
    pub timed_out: u64,
    /// Connections that a drain cut at its deadline.
    pub cut: u64,
    /// Slots that panicked and were [contained](crate::EventLoop::contain_panics).
    pub panics: u64,
}

/// Accepts that failed, by the class of the error; see [`AcceptErrorClass`](crate::AcceptErrorClass).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptErrors {
    /// One connection failed before it was accepted.
    pub connection: u64,
    /// The process or the system ran out of descriptors or memory.
    pub resources: u64,
    /// The listening descriptor was none any more.
    pub broken: u64,
    /// Errors that accept(2) does not document.
    pub unknown: u64,
}

impl AcceptErrors {
    fn add(&mut self, other: Self) {
        self.connection += other.connection;
        self.resources += other.resources;
        self.broken += other.broken;
        self.unknown += other.unknown;
    }
}

fn add_each<const N: usize>(numbers: &mut [u64; N], others: &[u64; N]) {
    for (number, other) in numbers.iter_mut().zip(others) {
        *number += other;
    }
}

impl Statistics {
    pub(crate) fn of(ledger: &Ledger, now: Instant) -> Self {
        let Snapshot { counts, open, received, sent } = ledger.snapshot();
        let get = |count: Count| counts.get(count as usize).copied().unwrap_or_default();
        let at = |first: Count, at: usize| counts.get(first as usize + at).copied().unwrap_or_default();
        let since = get(Count::ExhaustedSince);
        let running = match since {
            0 => Duration::ZERO,
            since => {
                now.saturating_duration_since(ledger.began()).saturating_sub(Duration::from_nanos(since))
            }
        };
        let measured = get(Count::AgesMeasured);
        Self {
            accepted: get(Count::Accepted),
            open,
            most_open: get(Count::MostOpen),
            pending: get(Count::Pending),
            refused: std::array::from_fn(|reason| at(Count::Refused, reason)),
            errors: AcceptErrors {
                connection: get(Count::ConnectionErrors),
                resources: get(Count::ResourceErrors),
                broken: get(Count::BrokenErrors),
                unknown: get(Count::UnknownErrors),
            },
            episodes: get(Count::Episodes),
            exhausted: Duration::from_nanos(get(Count::ExhaustedFor)) + running,
            received,
            sent,
            batches: std::array::from_fn(|size| at(Count::Batches, size)),
            ages_measured: measured,
            mean_age: Duration::from_nanos(get(Count::AgesTogether) / measured.max(1)),
            greatest_age: Duration::from_nanos(get(Count::GreatestAge)),
            timed_out: get(Count::TimedOut),
            cut: get(Count::Cut),
            panics: get(Count::Panics),
        }
    }

    /// Adds what another server has counted; the most open at once are added as well, which is an upper bound.
    pub(crate) fn add(&mut self, other: &Self) {
        let both = self.ages_measured + other.ages_measured;
        let ages = |one: &Self| one.mean_age.as_nanos() * u128::from(one.ages_measured);
        let mean = (ages(self) + ages(other)) / u128::from(both.max(1));
        self.mean_age = Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX));
        self.ages_measured = both;
        self.greatest_age = self.greatest_age.max(other.greatest_age);
        self.accepted += other.accepted;
        self.open += other.open;
        self.most_open += other.most_open;
        self.pending += other.pending;
        add_each(&mut self.refused, &other.refused);
        self.errors.add(other.errors);
        self.episodes += other.episodes;
        self.exhausted += other.exhausted;
        self.received += other.received;
        self.sent += other.sent;
        add_each(&mut self.batches, &other.batches);
        self.timed_out += other.timed_out;
        self.cut += other.cut;
        self.panics += other.panics;
    }

    /// How many clients were refused for this reason.
    pub fn refused_for(&self, reason: RefusalReason) -> u64 {
        self.refused.get(reason as usize).copied().unwrap_or_default()
    }

    /// How many clients were refused in all.
    pub fn refused_in_all(&self) -> u64 {
        self.refused.iter().sum()
    }
}

/// One line, for a log: `accepted 120, open 7 (most 40), pending 0, refused 3 (source 3), received 512 B, sent 1024 B`.
/// What never happened is left out.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, open, most_open, pending, received, sent, .. } = self;
        write!(f, "accepted {accepted}, open {open} (most {most_open}), pending {pending}")?;
        write!(f, ", refused {}", self.refused_in_all())?;
        let reasons = RefusalReason::ALL.into_iter().filter(|reason| self.refused_for(*reason) > 0);
        for (number, reason) in reasons.enumerate() {
            let before = if number == 0 { " (" } else { ", " };
            write!(f, "{before}{} {}", reason.name(), self.refused_for(reason))?;
        }
        if self.refused_in_all() > 0 {
            f.write_str(")")?;
        }
        write!(f, ", received {received} B, sent {sent} B")?;
        let AcceptErrors { connection, resources, broken, unknown } = self.errors;
        let errors = connection + resources + broken + unknown;
        let milliseconds = self.exhausted.as_millis();
        let rare = [
            (errors, format!("accept errors {errors}")),
            (self.episodes, format!("out of resources {} times for {milliseconds} ms", self.episodes)),
            (self.timed_out, format!("timed out {}", self.timed_out)),
            (self.cut, format!("cut {}", self.cut)),
            (self.panics, format!("panics {}", self.panics)),
        ];
        for (_, words) in rare.iter().filter(|(number, _)| *number > 0) {
            write!(f, ", {words}")?;
        }
        Ok(())
    }
}
