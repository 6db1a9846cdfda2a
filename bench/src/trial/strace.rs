//! System calls an operation, counted with strace(1).

use super::Task;
use super::closed::IN_FLIGHT;
use crate::Outcome;
use crate::finding::{Values, float};
use crate::load::churn::{Churn, Ending};
use crate::load::crowd::Crowd;
use crate::process::{Process, Way};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

/// Counts for short connections, and for lasting ones.
pub(super) fn system_calls(task: &Task) -> Outcome<Values> {
    let mut values = Values::default();
    for &exchange in task.server.exchanges() {
        let process = task.start(&Way::serving(exchange.served_by()))?;
        let mut churn = Churn::new(process.address, exchange, Ending::Hot)?;
        churn.storm(IN_FLIGHT, task.limits.warm_up())?;
        count(&process, exchange.name(), &mut values, || churn.storm(IN_FLIGHT, task.limits))?;
    }
    if !task.server.echoes() {
        return Ok(values);
    }
    let process = task.start(&Way::serving("echo"))?;
    let mut crowd = Crowd::gather(process.address, 64, 64)?;
    crowd.converse(1, task.limits.warm_up())?;
    count(&process, "echo-64", &mut values, || crowd.converse(1, task.limits))?;
    Ok(values)
}

fn count(
    process: &Process,
    name: &str,
    values: &mut Values,
    load: impl FnOnce() -> Outcome<u64>,
) -> Outcome<()> {
    let tracer = Tracer::attach(process.pid())?;
    let operations = load()?;
    for (call, number) in calls(&tracer.detach()?) {
        let separator = if call.is_empty() { "" } else { "." };
        values.set(&format!("{name}{separator}{call}"), float(number) / float(operations));
    }
    Ok(())
}

/// A strace that counts.
#[derive(Debug)]
struct Tracer {
    child: Child,
    output: BufReader<ChildStderr>,
}

impl Tracer {
    fn attach(process: Pid) -> Outcome<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "strace", "-f", "-c", "-U", "calls,name", "-p"]);
        command.arg(process.as_raw_nonzero().to_string()).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut output = BufReader::new(child.stderr.take().ok_or("strace has no standard error")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        if line.contains("attached") {
            return Ok(Self { child, output });
        }
        child.wait()?;
        Err(format!("strace says: {line}").into())
    }

    /// Ends it; returns what it has counted.
    fn detach(mut self) -> Outcome<String> {
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut text)?;
        self.child.wait()?;
        Ok(text)
    }
}

/// The names and numbers in a table of strace; the name of the total is empty.
fn calls(text: &str) -> Vec<(&str, u64)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (number, name) = (words.next()?.parse().ok()?, words.next()?);
            Some((if name == "total" { "" } else { name }, number))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_table() {
        let table = "strace: Process 7 detached\n    calls syscall\n--------- -------\n     5000 accept4\n        3 read\n\
                     --------- -------\n     5003 total\n";
        assert_eq!(calls(table), [("accept4", 5000), ("read", 3), ("", 5003)]);
    }
}
