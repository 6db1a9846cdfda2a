//! Closed loops: the next operation begins when one has ended.

use super::Task;
use crate::Outcome;
use crate::finding::Values;
use crate::load::churn::{Churn, Ending};
use crate::load::crowd::Crowd;
use crate::load::limits::{Limits, STALL};
use crate::meter::Meter;
use crate::mode::Exchange;
use crate::process::Way;
use std::time::{Duration, Instant};

/// How many short connections there are at once.
pub(super) const IN_FLIGHT: usize = 32;

const MESSAGE: usize = 64;
const CHUNK: usize = 65_536;
const STREAMS: usize = 4;
/// How many chunks of a stream are on the way.
const DEPTH: usize = 2;
const STREAM_TIME: Duration = Duration::from_secs(5);

const MIXED_IDLE: usize = 2000;
const MIXED_BUSY: usize = 50;
const MIXED_CHURN: usize = 8;
/// One of so many operations is a connection.
const MIXED_SHARE: u64 = 10;

/// Short connections.
pub(super) fn churn(task: &Task, exchange: Exchange) -> Outcome<Values> {
    let process = task.start(&Way::serving(exchange.served_by()))?;
    let mut churn = Churn::new(process.address, exchange, Ending::Hot)?;
    let mut values = Values::default();
    churn.storm(IN_FLIGHT, task.limits.warm_up())?;
    churn.latency.forget();
    let meter = Meter::begin(&process)?;
    let operations = churn.storm(IN_FLIGHT, task.limits)?;
    meter.end(&process, operations, &mut values)?;
    churn.latency.note(&mut values);
    values.set_count("renewed", churn.renewed);
    Ok(values)
}

/// Lasting connections.
pub(super) fn echo(task: &Task, connections: usize) -> Outcome<Values> {
    let process = task.start(&Way::serving("echo"))?;
    let mut crowd = Crowd::gather(process.address, connections, MESSAGE)?;
    let mut values = Values::default();
    crowd.converse(1, task.limits.warm_up())?;
    crowd.latency.forget();
    let meter = Meter::begin(&process)?;
    let operations = crowd.converse(1, task.limits)?;
    meter.end(&process, operations, &mut values)?;
    crowd.latency.note(&mut values);
    Ok(values)
}

/// A few connections with much to carry.
pub(super) fn stream(task: &Task) -> Outcome<Values> {
    let process = task.start(&Way { buffer: task.server.stream_buffer, ..Way::serving("echo") })?;
    let limits = Limits { time: STREAM_TIME, ..task.limits };
    let mut crowd = Crowd::gather(process.address, STREAMS, CHUNK)?;
    let mut values = Values::default();
    crowd.converse(DEPTH, limits.warm_up())?;
    crowd.latency.forget();
    let meter = Meter::begin(&process)?;
    let operations = crowd.converse(DEPTH, limits)?;
    meter.end(&process, operations, &mut values)?;
    crowd.latency.note(&mut values);
    Ok(values)
}

/// Many idle connections, some busy ones, and short ones beside.
pub(super) fn mixed(task: &Task) -> Outcome<Values> {
    let process = task.start(&Way::serving("echo"))?;
    let _idle = Crowd::gather(process.address, MIXED_IDLE, MESSAGE)?;
    let mut busy = Crowd::gather(process.address, MIXED_BUSY, MESSAGE)?;
    let mut churn = Churn::new(process.address, Exchange::Echo, Ending::Cold)?;
    busy.watch(&churn.poller)?;
    let mut values = Values::default();
    mix(&mut busy, &mut churn, task.limits.warm_up())?;
    busy.latency.forget();
    let meter = Meter::begin(&process)?;
    let operations = mix(&mut busy, &mut churn, task.limits)?;
    meter.end(&process, operations, &mut values)?;
    busy.latency.note(&mut values);
    Ok(values)
}

fn mix(busy: &mut Crowd, churn: &mut Churn, limits: Limits) -> Outcome<u64> {
    let begun = Instant::now();
    let (mut started, mut echoed, before) = (0, 0, churn.finished);
    let mut connected = 0;
    for number in 0..MIXED_BUSY {
        busy.ask(number, Instant::now())?;
        started += 1;
    }
    while echoed < started || churn.in_flight() > 0 {
        if !busy.turn(STALL)? {
            return Err("nothing comes back any more".into());
        }
        churn.turn(Duration::ZERO)?;
        echoed += busy.answered.len() as u64;
        let now = Instant::now();
        for index in 0..busy.answered.len() {
            if limits.allow(started + connected, begun, now) {
                busy.ask(busy.answered[index], Instant::now())?;
                started += 1;
            }
        }
        while connected < echoed / (MIXED_SHARE - 1) && churn.in_flight() < MIXED_CHURN {
            churn.start(Instant::now())?;
            connected += 1;
        }
    }
    Ok(echoed + churn.finished - before)
}
