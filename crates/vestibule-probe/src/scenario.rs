//! Playing a file from top to bottom.

use crate::arguments::Arguments;
use crate::commands;
use crate::failure::{Answer, Failure};
use crate::probe::Probe;
use std::io::Write;
use std::path::Path;
use std::{fmt, fs, io};

/// Why a file was not played to its end.
pub(crate) struct Stopped {
    /// The file, and the line if it came to one.
    place: String,
    failure: Failure,
}

impl Stopped {
    /// What the process is to exit with.
    pub(crate) fn status(&self) -> u8 {
        match self.failure {
            Failure::Malformed(_) => 2,
            Failure::Gone | Failure::System(_) => 1,
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.failure)
    }
}

/// Plays a file, and prints each command with its result.
pub(crate) fn play(path: &Path) -> Result<(), Stopped> {
    let stopped = |failure| Stopped { place: path.display().to_string(), failure };
    let text = fs::read_to_string(path).map_err(|error| stopped(error.into()))?;
    let mut probe = Probe::new().map_err(stopped)?;
    for (number, line) in (1..).zip(text.lines()) {
        play_line(&mut probe, line)
            .map_err(|failure| Stopped { place: format!("{}:{number}", path.display()), failure })?;
    }
    Ok(())
}

fn play_line(probe: &mut Probe, line: &str) -> Result<(), Failure> {
    let command = line.split('#').next().unwrap_or_default().trim();
    if command.is_empty() {
        return Ok(());
    }
    let result = match run(probe, command) {
        Err(Failure::Gone) => Failure::Gone.to_string(),
        answer => answer?,
    };
    // Line by line, so that a scenario that hangs or is killed leaves all that came before.
    let mut output = io::stdout().lock();
    writeln!(output, "{command} -> {result}")?;
    output.flush()?;
    Ok(())
}

fn run(probe: &mut Probe, command: &str) -> Answer {
    let mut words = command.split_whitespace();
    let word = words.next().unwrap_or_default();
    match commands::find(word) {
        Some(play) => play(probe, &Arguments::new(words)),
        None => Err(Failure::Malformed(format!("unknown command {word}"))),
    }
}
