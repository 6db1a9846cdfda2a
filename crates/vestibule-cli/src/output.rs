//! What the program prints. A reader that has gone away is no reason to stop serving.

use std::cell::Cell;
use std::io::Write;
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
pub(crate) struct Seldom {
    last: Cell<Option<Instant>>,
    withheld: Cell<u64>,
}

impl Seldom {
    pub(crate) fn complain(&self, line: &str) {
        if self.last.get().is_some_and(|last| last.elapsed() < Duration::from_secs(1)) {
            return self.withheld.set(self.withheld.get() + 1);
        }
        self.last.set(Some(Instant::now()));
        match self.withheld.take() {
            0 => complain(line),
            number => complain(&format!("{line} (and {number} times before)")),
        }
    }
}
