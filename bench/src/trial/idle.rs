//! What idle connections cost.

use super::Task;
use crate::Outcome;
use crate::finding::{Values, float};
use crate::load::crowd::Crowd;
use crate::meter::Meter;
use crate::process::{Process, Way};
use std::time::Duration;

const MESSAGE: usize = 64;
const IDLE: usize = 10_000;
const WARM: usize = 64;
const BUSY: usize = 16;

/// The resident memory of a connection that has echoed once.
pub(super) fn memory(task: &Task) -> Outcome<Values> {
    let process = task.start(&Way::serving("echo"))?;
    let number = usize::try_from(task.limits.operations)?;
    let _warm = Crowd::gather(process.address, WARM, MESSAGE)?;
    let before = process.memory()?;
    let _idle = Crowd::gather(process.address, number, MESSAGE)?;
    std::thread::sleep(Duration::from_millis(100)); // what is done after an answer is done then
    let mut values = Values::default();
    values.set("bytes", (process.memory()? - before) / float(task.limits.operations));
    Ok(values)
}

/// The CPU time of an echo, first with no idle connection beside, then with many.
pub(super) fn cost(task: &Task) -> Outcome<Values> {
    let process = task.start(&Way::serving("echo"))?;
    let mut busy = Crowd::gather(process.address, BUSY, MESSAGE)?;
    busy.converse(1, task.limits.warm_up())?;
    let alone = echo(task, &process, &mut busy)?;
    let _idle = Crowd::gather(process.address, IDLE, MESSAGE)?;
    busy.converse(1, task.limits.warm_up())?;
    let accompanied = echo(task, &process, &mut busy)?;
    let mut values = Values::default();
    values.set("alone", alone);
    values.set("accompanied", accompanied);
    Ok(values)
}

/// Nanoseconds an operation.
fn echo(task: &Task, process: &Process, busy: &mut Crowd) -> Outcome<f64> {
    let mut values = Values::default();
    let meter = Meter::begin(process)?;
    let operations = busy.converse(1, task.limits)?;
    meter.end(process, operations, &mut values)?;
    Ok(values.get("cpu").unwrap_or_default() / float(operations))
}
