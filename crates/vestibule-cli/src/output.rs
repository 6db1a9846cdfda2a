//! What the program prints. A reader that has gone away is no reason to stop serving.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A line on standard output, at once.
pub(crate) fn say(line: &str) {
    let mut output = anstream::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// A line on standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Lines of one kind on standard error, at most one a second: those in between are counted.
#[derive(Default)]
pub(crate) struct Seldom(Mutex<Withheld>);

#[derive(Default)]
struct Withheld {
    last: Option<Instant>,
    number: u64,
}

impl Seldom {
    pub(crate) fn complain(&self, line: &str) {
        let mut withheld = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if withheld.last.is_some_and(|last| last.elapsed() < Duration::from_secs(1)) {
            withheld.number += 1;
            return;
        }
        withheld.last = Some(Instant::now());
        match std::mem::take(&mut withheld.number) {
            0 => complain(line),
            number => complain(&format!("{line} (and {number} times before)")),
        }
    }
}
