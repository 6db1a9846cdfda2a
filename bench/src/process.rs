//! A server as a child process.

use crate::Outcome;
use crate::finding::float;
use crate::server::Server;
use rustix::process::Pid;
use std::error::Error;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a server may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Why a server did not start.
#[derive(Debug)]
pub(crate) struct NotStarted(pub(crate) String);

impl fmt::Display for NotStarted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for NotStarted {}

/// How a server is to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    pub(crate) serves: &'a str,
    pub(crate) buffer: usize,
    pub(crate) workers: Option<usize>,
    /// Whether it has core 0 and no other.
    pub(crate) is_pinned: bool,
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

impl<'a> Way<'a> {
    /// One that serves this on core 0.
    pub(crate) fn serving(serves: &'a str) -> Self {
        Self { serves, buffer: 4096, workers: None, is_pinned: true, environment: &[] }
    }
}

/// A running server, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddrV4,
    last_complaint: Arc<Mutex<String>>,
    complaints: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a server and waits until it is ready.
    pub(crate) fn start(server: &Server, way: &Way<'_>) -> Outcome<Self> {
        let program = server.program();
        if !program.exists() {
            return Err(Box::new(NotStarted(format!("{} is missing", program.display()))));
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = command(&program, way, port);
        command.envs(server.environment.iter().copied()).envs(way.environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| NotStarted(error.to_string()))?;
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let ready = child.stdout.take().map(await_ready);
        let last_complaint = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&last_complaint);
        let complaints =
            child.stderr.take().map(|errors| std::thread::spawn(move || keep_last_line(errors, &kept)));
        let mut process = Self { child, address, last_complaint, complaints };
        match ready.map(|ready| ready.recv_timeout(START_LIMIT)) {
            Some(Ok(())) => Ok(process),
            _ => Err(Box::new(NotStarted(process.obituary()))),
        }
    }

    /// Ends it; returns what it said last.
    fn obituary(&mut self) -> String {
        std::thread::sleep(Duration::from_millis(20)); // one that is ending gets the time to do so by itself
        let end = match self.child.try_wait() {
            Ok(Some(status)) => format!("it ended before it was ready ({status})"),
            _ => "it does not say that it is ready".to_owned(),
        };
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(complaints) = self.complaints.take() {
            let _ = complaints.join();
        }
        format!("{end}: {}", self.last_complaint())
    }

    /// The last line of its standard error.
    pub(crate) fn last_complaint(&self) -> String {
        self.last_complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The CPU time of each of its threads so far, in nanoseconds, with the number of the thread.
    pub(crate) fn thread_times(&self) -> Outcome<Vec<(u64, u64)>> {
        let mut times = Vec::new();
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let thread = thread?;
            let number = thread.file_name().to_string_lossy().parse()?;
            // One that has just ended is not there any more.
            let Ok(text) = std::fs::read_to_string(thread.path().join("schedstat")) else { continue };
            times.push((number, text.split(' ').next().ok_or("schedstat is empty")?.parse()?));
        }
        Ok(times)
    }

    /// Its resident memory in bytes, counted exactly.
    pub(crate) fn memory(&self) -> Outcome<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("smaps_rollup has no Rss")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(float(kilobytes * 1024))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed, but still be waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command that runs the program, and ends it when the trial ends by force.
fn command(program: &Path, way: &Way<'_>, port: u16) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if way.is_pinned {
        command.args(["taskset", "-c", "0"]);
    }
    command.arg(program).args([way.serves, &port.to_string(), &way.buffer.to_string()]);
    command.args(way.workers.map(|workers| workers.to_string()));
    command
}

/// Tells when the line `ready` has come; tells nothing and hangs up when the output ends without.
fn await_ready(output: impl Read + Send + 'static) -> Receiver<()> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while matches!(output.read_line(&mut line), Ok(1..)) {
            if line.trim() == "ready" {
                // Nobody listens any more when it came too late.
                let _ = sender.send(());
            }
            line.clear();
        }
    });
    receiver
}

fn keep_last_line(errors: impl Read, kept: &Mutex<String>) {
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if !line.trim().is_empty() {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }
}
