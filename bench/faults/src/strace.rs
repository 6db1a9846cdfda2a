//! Counting a process's calls of accept4(2) with strace(1).

use crate::Outcome;
use rustix::process::{Pid, Signal, kill_process};
use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How many calls a second the process makes; None without strace. A traced process is slower: what spins, spins less.
pub(crate) fn accept_rate(process: Pid, time: Duration) -> Outcome<Option<f64>> {
    let mut command = Command::new("strace");
    command.args(["-c", "-f", "-e", "trace=accept4", "-p", &process.as_raw_nonzero().to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let strace = match command.spawn() {
        Ok(strace) => strace,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot start strace: {error}").into()),
    };
    let begun = Instant::now();
    std::thread::sleep(time);
    kill_process(Pid::from_child(&strace), Signal::INT)?;
    let elapsed = begun.elapsed();
    let summary = String::from_utf8(strace.wait_with_output()?.stderr)?;
    if !summary.contains("attached") {
        return Err(format!("strace: {}", summary.trim()).into());
    }
    Ok(Some(calls(&summary) / elapsed.as_secs_f64()))
}

/// The number in the column `calls`; no line tells of a call that was never made.
fn calls(summary: &str) -> f64 {
    let line = summary.lines().find(|line| line.ends_with("accept4"));
    let column = line.and_then(|line| line.split_whitespace().nth(3));
    column.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}
