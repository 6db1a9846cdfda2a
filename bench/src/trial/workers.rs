//! Servers with several workers, which no core is given to.

use super::Task;
use super::closed::IN_FLIGHT;
use super::opened::duration;
use crate::Outcome;
use crate::finding::Values;
use crate::load::churn::{Churn, Ending};
use crate::load::schedule::Schedule;
use crate::meter::Meter;
use crate::mode::Exchange;
use crate::process::Way;
use std::time::{Duration, Instant};

/// At a fixed rate it lasts at most so long.
const LONGEST: Duration = Duration::from_secs(3);

/// Short connections, as many as the server takes or at a fixed rate.
pub(super) fn workers(task: &Task, workers: usize, exchange: Exchange, rate: Option<u64>) -> Outcome<Values> {
    let way = Way { workers: Some(workers), is_pinned: false, ..Way::serving(exchange.served_by()) };
    let process = task.start(&way)?;
    let mut churn = Churn::new(process.address, exchange, Ending::Hot)?;
    let mut values = Values::default();
    churn.storm(IN_FLIGHT, task.limits.warm_up())?;
    churn.latency.forget();
    let meter = Meter::begin(&process)?;
    let operations = match rate {
        Some(rate) => {
            let time = duration(task, rate).min(LONGEST);
            churn.follow(&Schedule::new(Instant::now(), rate, time), true)?
        }
        None => churn.storm(IN_FLIGHT, task.limits)?,
    };
    meter.end(&process, operations, &mut values)?;
    churn.latency.note(&mut values);
    Ok(values)
}
