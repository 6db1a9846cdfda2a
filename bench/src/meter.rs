//! What a server spends while a load runs.

use crate::Outcome;
use crate::finding::{Values, float};
use crate::load::latency::nanoseconds;
use crate::process::Process;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// After this a server that has nothing to do sleeps, and its CPU time is up to date.
const SETTLING: Duration = Duration::from_millis(3);

/// The state at the beginning.
#[derive(Debug)]
pub(crate) struct Meter {
    threads: BTreeMap<u64, u64>,
    begun: Instant,
}

impl Meter {
    pub(crate) fn begin(process: &Process) -> Outcome<Self> {
        std::thread::sleep(SETTLING);
        Ok(Self { threads: process.thread_times()?.into_iter().collect(), begun: Instant::now() })
    }

    /// Notes operations, wall time, CPU time and its imbalance.
    pub(crate) fn end(self, process: &Process, operations: u64, values: &mut Values) -> Outcome<()> {
        let wall = nanoseconds(self.begun.elapsed());
        std::thread::sleep(SETTLING);
        let spent = |(thread, now)| now - self.threads.get(&thread).copied().unwrap_or(0);
        let times: Vec<u64> = process.thread_times()?.into_iter().map(spent).collect();
        values.set_count("operations", operations);
        values.set_count("wall", wall);
        values.set_count("cpu", times.iter().sum());
        values.set("imbalance", imbalance(times));
        Ok(())
    }
}

/// The difference of the two busiest threads, in relation to their mean.
fn imbalance(mut times: Vec<u64>) -> f64 {
    times.sort_unstable_by(|one, other| other.cmp(one));
    match times[..] {
        [most, second, ..] if most > 0 => float(most - second) * 2.0 / float(most + second),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_the_two_busiest_threads() {
        let is = |times: &[u64], expected: f64| (imbalance(times.to_vec()) - expected).abs() < 1e-9;
        assert!(is(&[0, 100, 300], 1.0));
        assert!(is(&[200, 200, 7], 0.0));
        assert!(is(&[5], 0.0));
        assert!(is(&[5, 0], 2.0));
    }
}
