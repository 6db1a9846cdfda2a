//! A server as a child process.

use crate::Outcome;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A running server, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    lines: Arc<AtomicU64>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a server that has so many descriptors, and waits until it listens.
    pub(crate) fn start(program: &Path, arguments: &[&str], descriptors: u64) -> Outcome<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let mut process = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            lines: Arc::default(),
            readers: Vec::new(),
        };
        let limit = Rlimit { current: Some(descriptors), maximum: Some(descriptors) };
        prlimit(Some(process.pid()), Resource::Nofile, limit)?;
        let (port_sender, port) = channel();
        if let Some(output) = output {
            process.read(move |lines| read_output(output, &port_sender, lines));
        }
        if let Some(errors) = errors {
            process.read(move |lines| count_lines(errors, lines));
        }
        let port = port
            .recv_timeout(START_LIMIT)
            .map_err(|_| format!("{} does not tell where it listens", program.display()))?;
        process.address.set_port(port);
        Ok(process)
    }

    fn read(&mut self, reader: impl FnOnce(&AtomicU64) + Send + 'static) {
        let lines = Arc::clone(&self.lines);
        self.readers.push(std::thread::spawn(move || reader(&lines)));
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// How it ended, when it did.
    pub(crate) fn exit_status(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// The CPU time of its threads.
    pub(crate) fn cpu_time(&self) -> Outcome<Duration> {
        let mut nanoseconds = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            let spent: u64 = text.split(' ').next().ok_or("schedstat is empty")?.parse()?;
            nanoseconds += spent;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// How many lines it has printed since it told where it listens.
    pub(crate) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Ends it; returns how many lines it has printed in all.
    pub(crate) fn end(mut self) -> Outcome<u64> {
        self.child.kill()?;
        for reader in self.readers.drain(..) {
            reader.join().map_err(|_| "a thread that counts lines panicked")?;
        }
        Ok(self.lines())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, but still be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_output(output: ChildStdout, port: &Sender<u16>, lines: &AtomicU64) {
    let mut output = BufReader::new(output);
    let mut line = String::new();
    while matches!(output.read_line(&mut line), Ok(1..)) {
        if let Some(number) = told_port(&line) {
            // Nobody listens any more when it came too late.
            let _ = port.send(number);
            return count_lines(output, lines);
        }
        line.clear();
    }
}

/// The port of `ready PORT` or `listening on ADDRESS:PORT`.
fn told_port(line: &str) -> Option<u16> {
    let place = line.strip_prefix("ready ").or_else(|| line.strip_prefix("listening on "))?;
    place.trim_end().rsplit(':').next()?.parse().ok()
}

fn count_lines(mut source: impl Read, lines: &AtomicU64) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = source.read(&mut bytes) {
        let ends = bytes[..length].split(|&byte| byte == b'\n').count() - 1;
        lines.fetch_add(ends as u64, Ordering::Relaxed);
    }
}
