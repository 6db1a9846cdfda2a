//! Raw clients: connecting and ending.

use super::Table;
use crate::arguments::Arguments;
use crate::client::{self, Client, Place};
use crate::failure::{Answer, Failure, done};
use crate::probe::Probe;
use std::rc::Rc;
use std::thread;

pub(super) const COMMANDS: Table = &[
    ("connect", connect),
    ("connectn", connect_many),
    ("connect-later", connect_later),
    ("fin", fin),
    ("rst", rst),
    ("bye", bye),
];

/// Connects a client under this name, which no longer means an earlier one.
fn open(probe: &mut Probe, name: String, host: &str, port: &str) -> Result<&'static str, Failure> {
    let (stream, result) = client::open(host, probe.port(port)?);
    match stream {
        Some(stream) => probe.clients.insert(name, Place::Here(Client::new(stream))),
        None => probe.clients.remove(&name),
    };
    Ok(result)
}

fn connect(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let name = arguments.word(0)?.to_owned();
    let result = open(probe, name, arguments.word(1)?, arguments.word(2)?)?;
    Ok(result.to_owned())
}

fn connect_many(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let name = arguments.word(0)?;
    let number: usize = arguments.number(1)?;
    let (host, port) = (arguments.word(2)?, arguments.word(3)?);
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for n in 1..=number {
        let result = open(probe, format!("{name}.{n}"), host, port)?;
        match counts.iter_mut().find(|(word, _)| *word == result) {
            Some((_, count)) => *count += 1,
            None => counts.push((result, 1)),
        }
    }
    let words: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    Ok(words.join(" "))
}

fn connect_later(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let name = arguments.word(0)?.to_owned();
    let host = arguments.word(1)?.to_owned();
    let port = probe.port(arguments.word(2)?)?;
    let delay = arguments.time(3)?;
    let thread = thread::Builder::new().spawn(move || {
        thread::sleep(delay);
        client::open(&host, port).0
    })?;
    probe.clients.insert(name, Place::Coming(thread));
    done()
}

fn fin(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    probe.client(arguments.word(0)?)?.finish();
    done()
}

fn rst(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let name = arguments.word(0)?;
    let client = probe.client(name)?;
    probe.clients.remove(name);
    let held = || Failure::System(format!("{name} is still held"));
    Rc::into_inner(client).ok_or_else(held)?.reset();
    done()
}

fn bye(probe: &mut Probe, arguments: &Arguments<'_>) -> Answer {
    let name = arguments.word(0)?;
    let client = probe.client(name)?;
    probe.clients.remove(name);
    drop(client); // the last to hold it: closes it
    done()
}
