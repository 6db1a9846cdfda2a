//! The event loop, and what the process uses.

use super::Table;
use crate::arguments::Arguments;
use crate::failure::{Answer, done};
use crate::probe::Probe;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

pub(super) const COMMANDS: Table = &[("spin", spin), ("fds", descriptors), ("cpu", cpu)];

fn spin(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    probe.spin(arguments.time(0)?)?;
    done()
}

fn descriptors(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    match arguments.word(0)? {
        "off" => probe.fillers.give_back()?,
        _ => probe.fillers.leave(arguments.number(0)?)?,
    }
    done()
}

fn cpu(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let time = arguments.time(0)?;
    let before = cpu_time();
    probe.spin(time)?;
    let busy = cpu_time().saturating_sub(before) > time / 4;
    Ok(if busy { "busy" } else { "idle" }.to_owned())
}

/// The CPU time that the process has used.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
