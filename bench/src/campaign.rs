//! All trials of a run, interleaved.

use crate::Outcome;
use crate::arguments::Plan;
use crate::finding::Finding;
use crate::mode::{MODES, Mode};
use crate::namespace;
use crate::report::machine;
use crate::results::{Entry, Results};
use crate::server::{SERVERS, Server};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 9;
const QUICK_ROUNDS: usize = 3;
const QUICK_SERVERS: [&str; 3] = ["vestibule", "tokio-current", "epoll"];
const QUICK_MODES: [&str; 5] = ["fortune", "churn-echo", "echo-64", "echo-1000", "stream"];
/// How many times fewer operations a quick run has.
const QUICK_DIVISOR: u64 = 4;

/// How long a trial may take in all.
const TRIAL_LIMIT: Duration = Duration::from_secs(60);
/// The kernel takes a network away in the background.
const PAUSE: Duration = Duration::from_millis(100);

/// What is measured how often.
pub(crate) struct Campaign {
    servers: Vec<&'static Server>,
    modes: Vec<&'static Mode>,
    rounds: usize,
    divisor: u64,
    is_isolated: bool,
    /// Which server cannot be measured in which mode.
    absent: BTreeSet<(&'static str, &'static str)>,
}

impl Campaign {
    /// What the command line asks for.
    pub(crate) fn new(plan: &Plan) -> Outcome<Self> {
        check(&plan.only, |word| Server::named(word).is_some(), "server")?;
        check(&plan.modes, |word| MODES.iter().any(|mode| mode.is_meant(word)), "mode")?;
        let wants_server = |server: &&Server| match plan.only.as_slice() {
            [] => !plan.quick || QUICK_SERVERS.contains(&server.name),
            only => only.iter().any(|name| name == server.name),
        };
        let wants_mode = |mode: &&Mode| match plan.modes.as_slice() {
            [] => !plan.quick || QUICK_MODES.contains(&mode.name),
            words => words.iter().any(|word| mode.is_meant(word)),
        };
        Ok(Self {
            servers: SERVERS.iter().filter(wants_server).collect(),
            modes: MODES.iter().filter(wants_mode).collect(),
            rounds: plan.rounds.unwrap_or(if plan.quick { QUICK_ROUNDS } else { ROUNDS }),
            divisor: if plan.quick { QUICK_DIVISOR } else { 1 },
            is_isolated: namespace::are_possible(),
            absent: BTreeSet::new(),
        })
    }

    /// Measures what the results do not have yet.
    pub(crate) fn run(&mut self, results: &mut Results) -> Outcome<()> {
        if !self.is_isolated {
            say("NOT ISOLATED: there are no network namespaces for this process; it goes on in the host's")?;
        }
        results.remark(self.remark())?;
        for mode in self.modes.clone() {
            for round in 0..mode.rounds(self.rounds) {
                self.run_round(mode, round, results)?;
            }
        }
        Ok(())
    }

    /// When this run began, how it was asked for, and what makes its figures doubtful.
    fn remark(&self) -> String {
        let words: Vec<_> = std::env::args().skip(1).collect();
        let isolated = if self.is_isolated { "" } else { ", **NOT ISOLATED**: in the network of the host" };
        let (begun, commit, load) = (machine::now(), machine::commit(), machine::busyness());
        let command = format!("bench/run {}", words.join(" "));
        format!("{begun}: `{}`, commit {commit}, load before it {load}{isolated}", command.trim())
    }

    /// Every server in turn; each round begins with another one.
    fn run_round(&mut self, mode: &'static Mode, round: usize, results: &mut Results) -> Outcome<()> {
        let mut servers: Vec<_> =
            self.servers.iter().copied().filter(|server| server.takes_part(mode)).collect();
        let number = servers.len().max(1);
        servers.rotate_left(round % number);
        for server in servers {
            let is_absent = self.absent.contains(&(mode.name, server.name));
            if is_absent || results.have(mode.name, server.name, round) {
                continue;
            }
            let finding = self.try_out(mode, server)?;
            say(&format!("{} {}/{} {}: {finding}", mode.name, round + 1, self.rounds, server.name))?;
            if matches!(finding, Finding::Absent(_)) {
                self.absent.insert((mode.name, server.name));
            }
            let (mode, server) = (mode.name.to_owned(), server.name.to_owned());
            results.add(Entry { mode, server, round, finding })?;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// One trial, which is a process of its own.
    fn try_out(&self, mode: &Mode, server: &Server) -> Outcome<Finding> {
        let mut words = Vec::new();
        if self.is_isolated {
            words.extend(["unshare", "--net"]);
        }
        if !mode.has_workers() {
            words.extend(["taskset", "-c", "1"]);
        }
        // By this name the program is there even if it has been built anew since this process began.
        let program = format!("/proc/{}/exe", std::process::id());
        let divisor = self.divisor.to_string();
        let mut command = match words.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(["trial", mode.name, server.name, "--divisor", &divisor]);
        command.args(self.is_isolated.then_some("--isolated"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        Ok(await_finding(child))
    }
}

fn check(words: &[String], is_known: impl Fn(&str) -> bool, kind: &str) -> Outcome<()> {
    match words.iter().find(|word| !is_known(word)) {
        Some(word) => Err(format!("there is no {kind} {word}").into()),
        None => Ok(()),
    }
}

/// What the trial says; it is killed when that takes too long, and its server with it.
fn await_finding(mut child: Child) -> Finding {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if begun.elapsed() > TRIAL_LIMIT => {
                let _ = child.kill();
                let _ = child.wait();
                return Finding::Failed(format!("it took longer than {} s", TRIAL_LIMIT.as_secs()));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => return Finding::Failed(error.to_string()),
        }
    }
    let mut line = String::new();
    // The line fits into the pipe.
    let read = child.stdout.take().map(|mut output| output.read_to_string(&mut line));
    match read {
        Some(Ok(_)) => Finding::parse(&line)
            .unwrap_or_else(|| Finding::Failed(format!("the trial ended without a result: {line}"))),
        _ => Finding::Failed("the result cannot be read".to_owned()),
    }
}

fn say(line: &str) -> Outcome<()> {
    Ok(writeln!(std::io::stderr(), "bench: {line}")?)
}
