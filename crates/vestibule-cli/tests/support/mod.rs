//! The program as a child process.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

pub mod burdens;
pub mod client_process;
pub mod counts;
pub mod crowd;
pub mod noise;

#[path = "../../../vestibule/tests/support/far_end.rs"]
pub mod far_end;

use counts::Counts;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit, setrlimit};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// No wait of a test is longer.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A running server, killed when dropped.
pub struct Server {
    child: Child,
    pub first_line: String,
    pub address: SocketAddr,
    /// What it prints on standard output after the first line.
    pub output: Receiver<String>,
    /// What it prints on standard error.
    pub log: Receiver<String>,
}

pub fn vestibule(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What the server lets go of is to be seen: an arena for each thread keeps it for that thread.
    command.env("MALLOC_ARENA_MAX", "1");
    command
}

/// Lines as they come.
fn lines(source: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LIMIT, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for the end of a process.
pub fn status_of(child: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the process ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Lets this process, and the servers that it starts, have as many descriptors as it may; tells how many.
pub fn raise_descriptor_limit() -> u64 {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.unwrap_or(u64::MAX)
}

/// How many clients the kernel lets wait for one server.
pub fn longest_queue() -> usize {
    std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap()
}

/// Whether this is what an operation on a reset connection tells.
pub fn is_reset(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

impl Server {
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(vestibule(arguments))
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let output = lines(child.stdout.take().unwrap());
        let log = lines(child.stderr.take().unwrap());
        let first_line = output.recv_timeout(LIMIT).expect("a first line");
        let place = first_line.strip_prefix("listening on ").unwrap();
        let address = place.split(" through ").next().unwrap().parse().unwrap();
        Self { child, first_line, address, output, log }
    }

    /// `vestibule echo` on a free port, with `--stats` and these arguments, each a word.
    pub fn echo(arguments: &str) -> Self {
        let words = ["echo", "--listen", "127.0.0.1:0", "--stats"].into_iter();
        Self::start(&words.chain(arguments.split_whitespace()).collect::<Vec<_>>())
    }

    /// A client that is in the listener's queue, or further.
    pub fn connect(&self) -> TcpStream {
        let stream = far_end::connect(("127.0.0.1", self.address.port()));
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn limit_descriptors(&self, number: u64) {
        let limit = Rlimit { current: Some(number), maximum: Some(number) };
        prlimit(Some(self.pid()), Resource::Nofile, limit).unwrap();
    }

    /// The same, and it can be taken back.
    pub fn allow_descriptors(&self, number: u64) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: Some(number), maximum };
        prlimit(Some(self.pid()), Resource::Nofile, limit).unwrap();
    }

    /// How many descriptors with small numbers are open; it may have inherited one with a large number.
    pub fn descriptors_below(&self, limit: usize) -> usize {
        let names = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        names
            .filter(|name| {
                name.as_ref().unwrap().file_name().to_str().unwrap().parse::<usize>().unwrap() < limit
            })
            .count()
    }

    /// All its descriptors.
    pub fn descriptors(&self) -> usize {
        self.descriptors_below(usize::MAX)
    }

    /// CPU time of the thread that serves.
    pub fn cpu_time(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.child.id())).unwrap();
        Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
    }

    /// A number of `/proc/PID/status`.
    fn status(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let rest = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// How often the thread that serves has gone to sleep.
    pub fn rests(&self) -> u64 {
        self.status("voluntary_ctxt_switches")
    }

    /// KiB of memory in use.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS")
    }

    /// The most that it ever was.
    pub fn most_resident(&self) -> u64 {
        self.status("VmHWM")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn wait(&mut self) -> ExitStatus {
        status_of(&mut self.child)
    }

    pub fn end(mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }

    /// Waits for a line of the statistics that says this; those of the past do not count.
    pub fn until_counts(&self, what: &str, is_so: impl Fn(&Counts) -> bool) -> Counts {
        self.output.try_iter().for_each(drop);
        let begun = Instant::now();
        loop {
            let line = self.output.recv_timeout(LIMIT).expect("statistics");
            let counts = Counts::read(&line);
            if is_so(&counts) {
                return counts;
            }
            assert!(begun.elapsed() < LIMIT, "waited in vain until {what}: {line}");
        }
    }

    /// The last line that it prints, when it has ended.
    pub fn last_counts(&self) -> Counts {
        let mut last = String::new();
        while let Ok(line) = self.output.recv_timeout(LIMIT) {
            last = line;
        }
        Counts::read(last.strip_prefix("in all: ").expect("the last line"))
    }

    /// Ends it by SIGTERM, which it takes as success, and tells what it has counted.
    pub fn end_and_count(mut self) -> Counts {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert!(status.success(), "{status}");
        self.last_counts()
    }

    /// What it has complained of, when it has ended.
    pub fn complaints(&self) -> Vec<String> {
        self.log.iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
