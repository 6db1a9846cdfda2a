//! Raw clients: sending and receiving.

use super::Table;
use crate::arguments::Arguments;
use crate::client::{Client, End};
use crate::failure::{Answer, Failure, done};
use crate::probe::Probe;
use crate::spelling;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

pub(super) const COMMANDS: Table =
    &[("send", send), ("sendn", send_many), ("recv", receive_blocking), ("recvspin", receive_spinning)];

/// How long a client keeps trying to send without progress.
const STUCK: Duration = Duration::from_millis(500);
/// After how long a silence a client stops reading.
const SILENCE: Duration = Duration::from_millis(150);
/// How long the event loop runs between two looks at a client.
const LOOK: Duration = Duration::from_millis(5);

fn send(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    transmit(probe, arguments, arguments.word(1)?.as_bytes())
}

fn send_many(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    transmit(probe, arguments, &vec![b'x'; arguments.number(1)?])
}

/// Sends it all. While the kernel has no room, the event loop runs.
fn transmit(probe: &mut Probe, arguments: &Arguments<'_>, mut data: &[u8]) -> Answer {
    let client = probe.client(arguments.word(0)?)?;
    let mut silent_since = Instant::now();
    while !data.is_empty() {
        match client.send(data) {
            Ok(length) => {
                data = data.get(length..).unwrap_or_default();
                silent_since = Instant::now();
            }
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Ok("broken".to_owned()),
            Err(_) if silent_since.elapsed() > STUCK => return Ok("stuck".to_owned()),
            Err(_) => probe.spin(LOOK)?,
        }
    }
    done()
}

fn receive_blocking(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    receive(probe, arguments, |_, client| {
        let silence = Timespec::try_from(SILENCE).ok();
        poll(&mut [PollFd::new(&client.stream, PollFlags::IN)], silence.as_ref())?;
        Ok(())
    })
}

fn receive_spinning(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    receive(probe, arguments, |probe, _| probe.spin(LOOK))
}

/// Reads till silence, the end, or so many bytes as the scenario wants.
fn receive(
    probe: &mut Probe,
    arguments: &Arguments<'_>,
    pause: impl Fn(&Probe, &Client) -> Result<(), Failure>,
) -> Answer {
    let client = probe.client(arguments.word(0)?)?;
    let limit = arguments.optional_number(1)?.unwrap_or(usize::MAX);
    let mut data = Vec::new();
    let mut silent_since = Instant::now();
    while client.end() == End::Open && data.len() < limit && silent_since.elapsed() < SILENCE {
        pause(probe, &client)?;
        let left = limit - data.len();
        if client.read(&mut data, left) {
            silent_since = Instant::now();
        }
    }
    Ok(format!("{} {}", spelling::data(&data), client.end().word()))
}
