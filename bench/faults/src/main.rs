//! `faults`: starves servers of descriptors, one after the other, and prints one table of what they do.

mod arguments;
mod client;
mod conversation;
mod crowd;
mod process;
mod servers;
mod strace;
mod table;
mod trial;

use arguments::{Arguments, Size};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use servers::{Programs, SUBJECTS, Subject};
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What the driver itself needs beside its clients.
const OWN_DESCRIPTORS: u64 = 64;

fn main() -> ExitCode {
    match measure(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faults: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: Arguments) -> Outcome<()> {
    let subjects = chosen(&arguments.servers)?;
    raise_own_limit(arguments.size)?;
    let programs = Programs::prepare(&subjects, arguments.vestibule)?;
    let mut rows = Vec::new();
    for subject in subjects {
        eprintln!("faults: {} ...", subject.name);
        let findings = programs
            .of(subject)
            .and_then(|program| trial::run(subject, program, arguments.size))
            .map_err(|error| format!("{}: {error}", subject.name))?;
        rows.push((subject.title(), findings));
    }
    std::io::stdout().write_all(table::render(&rows).as_bytes())?;
    Ok(())
}

fn chosen(names: &[String]) -> Outcome<Vec<&'static Subject>> {
    let known: Vec<_> = SUBJECTS.iter().map(|subject| subject.name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no server {unknown}; there are: {}", known.join(", ")).into());
    }
    let is_chosen = |subject: &&Subject| names.is_empty() || names.iter().any(|name| name == subject.name);
    Ok(SUBJECTS.iter().filter(is_chosen).collect())
}

/// All clients live in this process.
fn raise_own_limit(size: Size) -> Outcome<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let needed = size.clients as u64 + OWN_DESCRIPTORS;
    match maximum {
        Some(limit) if limit < needed => {
            Err(format!("{needed} descriptors are needed, {limit} are allowed (ulimit -Hn)").into())
        }
        _ => Ok(()),
    }
}
