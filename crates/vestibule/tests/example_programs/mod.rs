//! The examples as programs, which `cargo test` has built.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No wait of a test is longer.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Where cargo puts an example; `cargo test` has built it.
fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not built: run `cargo test`, or `cargo build --examples`", path.display());
    path
}

pub fn example(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(path(name));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs an example to its end, within the limit.
pub fn run(name: &str, arguments: &[&str]) -> Output {
    let mut child = example(name, arguments).spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("{name} does not end: {:?}", child.wait_with_output().unwrap());
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// A running server, killed when dropped.
pub struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Where it listens, as it says.
    place: String,
}

impl Server {
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = example(name, arguments).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).unwrap();
        let place = first.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}"));
        Self { child, output, place: place.to_owned() }
    }

    pub fn port(&self) -> String {
        self.place.rsplit(':').next().unwrap().to_owned()
    }

    pub fn address(&self) -> SocketAddr {
        self.place.parse().unwrap()
    }

    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// What it still says, until it ends, as it should.
    pub fn last_words(mut self) -> String {
        let mut words = String::new();
        self.output.read_to_string(&mut words).unwrap();
        assert!(self.child.wait().unwrap().success());
        words
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
