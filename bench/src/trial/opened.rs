//! Open loops: operations are due at fixed times, and their latency counts from then.

use super::Task;
use crate::Outcome;
use crate::finding::Values;
use crate::load::churn::{Churn, Ending};
use crate::load::crowd::Crowd;
use crate::load::schedule::Schedule;
use crate::meter::Meter;
use crate::mode::Exchange;
use crate::process::Way;
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_millis(300);

/// How long the operations of a task last at this rate.
pub(super) fn duration(task: &Task, rate: u64) -> Duration {
    Duration::from_millis(task.limits.operations.saturating_mul(1000) / rate.max(1))
}

/// Short connections at a fixed rate.
pub(super) fn fortune(task: &Task, rate: u64) -> Outcome<Values> {
    let process = task.start(&Way::serving("fortune"))?;
    let mut churn = Churn::new(process.address, Exchange::Fortune, Ending::Hot)?;
    let mut values = Values::default();
    churn.follow(&Schedule::new(Instant::now(), rate, WARM_UP), false)?;
    churn.latency.forget();
    let meter = Meter::begin(&process)?;
    let schedule = Schedule::new(Instant::now(), rate, duration(task, rate));
    let operations = churn.follow(&schedule, false)?;
    meter.end(&process, operations, &mut values)?;
    churn.latency.note(&mut values);
    values.set_count("asked", rate);
    Ok(values)
}

/// Messages at a fixed rate over lasting connections.
pub(super) fn echo(task: &Task, rate: u64, connections: usize) -> Outcome<Values> {
    let process = task.start(&Way::serving("echo"))?;
    let mut crowd = Crowd::gather(process.address, connections, 64)?;
    let mut values = Values::default();
    crowd.follow(&Schedule::new(Instant::now(), rate, WARM_UP))?;
    crowd.latency.forget();
    let meter = Meter::begin(&process)?;
    let schedule = Schedule::new(Instant::now(), rate, duration(task, rate));
    let operations = crowd.follow(&schedule)?;
    meter.end(&process, operations, &mut values)?;
    crowd.latency.note(&mut values);
    values.set_count("asked", rate);
    Ok(values)
}
