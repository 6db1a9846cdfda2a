//! What the program prints. A reader that has gone away is no reason to stop serving.

use std::io::Write;

/// A line on standard output, at once.
pub(crate) fn say(line: &str) {
    let mut output = anstream::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// A line on standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}
