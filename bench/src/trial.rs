//! One server in one mode.

mod allocations;
mod closed;
mod idle;
mod opened;
mod strace;
mod workers;

use crate::Outcome;
use crate::arguments::Trial;
use crate::finding::{Finding, Values};
use crate::load::limits::Limits;
use crate::mode::{Load, Mode};
use crate::namespace;
use crate::process::{NotStarted, Process, Way};
use crate::server::Server;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use std::io::Write;
use std::time::Duration;

/// How long the measured part lasts at most.
const TIME: Duration = Duration::from_secs(10);

/// Which server is measured how, and how long.
#[derive(Clone, Copy, Debug)]
struct Task {
    server: &'static Server,
    limits: Limits,
}

impl Task {
    fn start(&self, way: &Way<'_>) -> Outcome<Process> {
        Process::start(self.server, way)
    }
}

/// Measures and prints one line.
pub(crate) fn run(arguments: &Trial) -> Outcome<()> {
    // A driver that gives up a trial kills it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let finding = match measure(arguments) {
        Ok(values) => Finding::Measured(values),
        Err(error) if error.is::<NotStarted>() => Finding::Absent(error.to_string()),
        Err(error) => Finding::Failed(error.to_string()),
    };
    writeln!(std::io::stdout(), "{finding}")?;
    Ok(())
}

fn measure(arguments: &Trial) -> Outcome<Values> {
    if arguments.isolated {
        namespace::prepare()?;
    }
    // What is due at a time is not to wait for the kernel to find it convenient.
    let _ = std::fs::write("/proc/self/timerslack_ns", "1");
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let mode = Mode::named(&arguments.mode).ok_or("there is no such mode")?;
    let server = Server::named(&arguments.server).ok_or("there is no such server")?;
    let limits = Limits { operations: (mode.operations / arguments.divisor).max(1), time: TIME };
    let task = Task { server, limits };
    match mode.load {
        Load::Churn(exchange) => closed::churn(&task, exchange),
        Load::Echo { connections } => closed::echo(&task, connections),
        Load::Stream => closed::stream(&task),
        Load::Mixed => closed::mixed(&task),
        Load::Idle => idle::memory(&task),
        Load::IdleCost => idle::cost(&task),
        Load::OpenFortune { rate } => opened::fortune(&task, rate),
        Load::OpenEcho { rate, connections } => opened::echo(&task, rate, connections),
        Load::SystemCalls => strace::system_calls(&task),
        Load::Allocations => allocations::allocations(&task),
        Load::Workers { workers, exchange, rate } => workers::workers(&task, workers, exchange, rate),
    }
}
