//! Clients in a process of their own: this test program once more, which then runs only the test that plays
//! them.
//!
//! They talk with the test in lines: on standard input, and on standard error (standard output is the test
//! harness's).

use super::{LIMIT, lines, status_of, until};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Receiver;

/// Which part to play.
const PART: &str = "VESTIBULE_TEST_CLIENT_PART";
/// Which server to play it to.
const SERVER: &str = "VESTIBULE_TEST_CLIENT_SERVER";

/// A process with clients, killed when dropped.
pub struct ClientProcess {
    child: Child,
    input: ChildStdin,
    said: Receiver<String>,
}

impl ClientProcess {
    /// Starts one; `player` is the name of the (ignored) test that plays the part.
    pub fn start(player: &str, part: &str, server: SocketAddr) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([player, "--exact", "--ignored", "--nocapture", "--test-threads", "1"]);
        command.env(PART, part).env(SERVER, server.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, said) = (child.stdin.take().unwrap(), lines(child.stderr.take().unwrap()));
        Self { child, input, said }
    }

    /// The next line that it says.
    pub fn hear(&self) -> String {
        self.said.recv_timeout(LIMIT).expect("a word of the client process")
    }

    /// Waits for this word. Another one is a panic's.
    pub fn expect(&self, word: &str) {
        let heard = self.hear();
        if heard != word {
            let rest: Vec<String> = self.said.try_iter().collect();
            panic!("the client process says not `{word}` but `{heard}\n{}`", rest.join("\n"));
        }
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until SIGSTOP has stopped all of it.
    pub fn until_stopped(&self) {
        until("the client process is stopped", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
            stat.rsplit(") ").next().unwrap().starts_with('T')
        });
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// All that it has said and nobody has heard, when it has ended.
    pub fn last_words(&self) -> Vec<String> {
        self.said.iter().collect()
    }

    pub fn wait(&mut self) -> ExitStatus {
        status_of(&mut self.child)
    }
}

impl Drop for ClientProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The part that this process has, if it is one with clients.
pub fn part() -> Option<(String, SocketAddr)> {
    Some((std::env::var(PART).ok()?, std::env::var(SERVER).ok()?.parse().unwrap()))
}

/// To the test.
pub fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// From the test; its end when it is gone.
pub fn hear() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
