//! When short connections begin.

use super::churn::Churn;
use super::limits::{Limits, STALL};
use super::schedule::Schedule;
use crate::Outcome;
use std::time::{Duration, Instant};

/// More than this are not open at once; what is due later waits, and its waiting counts.
const MOST: usize = 4096;

impl Churn {
    /// So many connections at once, again and again. Returns how many ended.
    pub(crate) fn storm(&mut self, width: usize, limits: Limits) -> Outcome<u64> {
        let (begun, before) = (Instant::now(), self.finished);
        let (mut started, mut now) = (0, begun);
        loop {
            while self.in_flight() < width && limits.allow(started, begun, now) {
                self.start(Instant::now())?;
                started += 1;
            }
            if self.in_flight() == 0 {
                return Ok(self.finished - before);
            }
            if !self.turn(STALL)? {
                return Err("no connection is served any more".into());
            }
            now = Instant::now();
        }
    }

    /// Connections begin when they are due; the client sleeps in between only if told so. Returns how many ended.
    pub(crate) fn follow(&mut self, schedule: &Schedule, sleeps: bool) -> Outcome<u64> {
        let before = self.finished;
        let (mut started, mut progress) = (0, Instant::now());
        while self.finished - before < schedule.arrivals() {
            let now = Instant::now();
            while let Some(due) = schedule.due(started).filter(|due| *due <= now && self.in_flight() < MOST) {
                self.start(due)?;
                started += 1;
            }
            let due = schedule.due(started).unwrap_or(now + STALL);
            let something_happened = if sleeps {
                self.turn_exactly(due.saturating_duration_since(Instant::now()))?
            } else {
                self.turn(Duration::ZERO)?
            };
            if something_happened {
                progress = now;
            } else if now.duration_since(progress) > STALL {
                return Err("no connection is served any more".into());
            }
        }
        Ok(self.finished - before)
    }
}
