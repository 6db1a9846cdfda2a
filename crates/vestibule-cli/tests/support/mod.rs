//! The program as a child process.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use std::io::{BufRead, BufReader, Read};
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
    /// What it prints on standard error.
    pub log: Receiver<String>,
}

pub fn vestibule(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
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

impl Server {
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = vestibule(arguments).spawn().unwrap();
        let output = lines(child.stdout.take().unwrap());
        let log = lines(child.stderr.take().unwrap());
        let first_line = output.recv_timeout(LIMIT).expect("a first line");
        let address = first_line.strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, first_line, address, log }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.address.port())).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn limit_descriptors(&self, number: u64) {
        let limit = Rlimit { current: Some(number), maximum: Some(number) };
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

    /// CPU time of the thread that serves.
    pub fn cpu_time(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/schedstat", self.child.id())).unwrap();
        Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
    }

    pub fn end(mut self, signal: Signal) -> ExitStatus {
        kill_process(self.pid(), signal).unwrap();
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < LIMIT, "it does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
