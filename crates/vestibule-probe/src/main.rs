//! Plays a conformance scenario against vestibule and prints what a caller could observe: `vestibule-probe FILE.scn`.
//!
//! It exits with 0 when the file was played to its end, with 2 for a command that it does not know or cannot read, and
//! with 1 when it could not go on.

mod arguments;
mod client;
mod commands;
mod connection;
mod connections;
mod descriptors;
mod failure;
#[path = "../../vestibule/tests/support/far_end.rs"]
mod far_end;
mod hook;
mod log;
mod probe;
mod reaction;
mod scenario;
mod server;
mod spelling;
mod unopened;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::{env, io};

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let (Some(file), None) = (arguments.next(), arguments.next()) else {
        return ended(2, "usage: vestibule-probe FILE.scn");
    };
    match scenario::play(Path::new(&file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => ended(stopped.status(), &stopped.to_string()),
    }
}

/// Says why on standard error.
fn ended(status: u8, why: &str) -> ExitCode {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(status)
}
