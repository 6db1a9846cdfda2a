use super::deadlines::later;
use super::timeouts::{Progress, Timeouts};
use crate::socket::EndReason;
use std::time::Instant;

/// What is known of a connection that has time-outs: pure, it is told the time.
///
/// Something that happens only changes numbers here; when the earliest time comes at which a time-out could be exceeded,
/// one look tells whether one is, or when to look again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    timeouts: Timeouts,
    began: Instant,
    last_byte: Instant,
    has_received: bool,
    /// The stretch over which progress is measured.
    stretch_began: Instant,
    received: u64,
    sent: u64,
    /// Whether something was unsent all the time since.
    stalled: bool,
}

impl Watch {
    /// Of a connection that begins now; `unsent` says whether something is unsent already.
    pub(super) fn new(timeouts: Timeouts, unsent: bool, now: Instant) -> Self {
        Self {
            timeouts,
            began: now,
            last_byte: now,
            has_received: false,
            stretch_began: now,
            received: 0,
            sent: 0,
            stalled: unsent,
        }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    pub(super) fn received(&mut self, bytes: u64, now: Instant) {
        self.has_received = true;
        self.last_byte = now;
        self.received += bytes;
    }

    /// Bytes have left; `unsent` says whether others have not.
    pub(super) fn sent(&mut self, bytes: u64, unsent: bool, now: Instant) {
        if bytes > 0 {
            self.last_byte = now;
        }
        self.sent += bytes;
        self.stalled &= unsent;
    }

    /// Why the connection is to end now, or when to look again.
    pub(super) fn look(&mut self, unsent: bool, now: Instant) -> Result<Option<Instant>, EndReason> {
        if self.fails_progress(now) {
            return Err(EndReason::TooSlow);
        }
        self.begin_stretch_if_over(unsent, now);
        let times = self.deadlines();
        if let Some((_, reason)) = times.iter().flatten().find(|(at, _)| *at <= now) {
            return Err(*reason);
        }
        let stretch = self.timeouts.progress.map(|progress| later(self.stretch_began, progress.grace));
        Ok(times.iter().flatten().map(|(at, _)| *at).chain(stretch).min())
    }

    fn deadlines(&self) -> [Option<(Instant, EndReason)>; 3] {
        let Timeouts { first_byte, idle, life, .. } = self.timeouts;
        let first_byte = first_byte.filter(|_| !self.has_received);
        [
            first_byte.map(|limit| (later(self.began, limit), EndReason::NoFirstByte)),
            idle.map(|limit| (later(self.last_byte, limit), EndReason::Idle)),
            life.map(|limit| (later(self.began, limit), EndReason::TooOld)),
        ]
    }

    fn stretch_is_over(&self, now: Instant) -> Option<Progress> {
        self.timeouts.progress.filter(|progress| now >= later(self.stretch_began, progress.grace))
    }

    fn fails_progress(&self, now: Instant) -> bool {
        let Some(progress) = self.stretch_is_over(now) else { return false };
        let bytes = if self.stalled { self.sent } else { self.received + self.sent };
        // The stretch may have lasted longer than it had to; what counts is the average.
        let lasted = now.saturating_duration_since(self.stretch_began).as_nanos();
        u128::from(bytes) * 1_000_000_000 < u128::from(progress.bytes_a_second) * lasted
    }

    fn begin_stretch_if_over(&mut self, unsent: bool, now: Instant) {
        if self.stretch_is_over(now).is_some() {
            (self.stretch_began, self.received, self.sent, self.stalled) = (now, 0, 0, unsent);
        }
    }
}
