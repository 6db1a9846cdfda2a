//! A program with axum behind the front door, and wrk, which nobody here wrote, in front of it. Ignored, because it needs wrk:
//! `.ci/run` installs it and runs them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "tests")]

use axum::Router;
use axum::routing::get;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use vestibule::Limits;
use vestibule::tokio::{Listener, Options};

const LIMIT: Duration = Duration::from_secs(20);
const CONNECTIONS: &str = "VESTIBULE_TEST_CONNECTIONS";
const DESCRIPTORS: &str = "VESTIBULE_TEST_DESCRIPTORS";
/// After so many requests the program says that it is under load.
const BUSY: u64 = 2_000;

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Serves until SIGTERM, drains, and says what has happened.
#[test]
#[ignore = "the program that the tests beside it start"]
fn program() {
    if let Some(number) = setting(DESCRIPTORS) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(number), ..getrlimit(Resource::Nofile) }).unwrap();
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let limits =
            setting(CONNECTIONS).map_or_else(Limits::new, |most| Limits::new().max_connections(most));
        let listener = Listener::bind("127.0.0.1:0", Options::new().limits(limits)).unwrap();
        let (handle, closed, asked) = (listener.handle(), listener.closed(), Arc::new(AtomicU64::new(0)));
        println!("\nlistening on {}", listener.local_addrs()[0]);
        let drain = handle.clone();
        let drain = tokio::spawn(async move {
            signal(SignalKind::terminate()).unwrap().recv().await;
            drain.drain(LIMIT).await.unwrap()
        });
        let counting = Arc::clone(&asked);
        let answer = move || {
            if counting.fetch_add(1, Ordering::SeqCst) + 1 == BUSY {
                println!("busy");
            }
            async { "hello\n" }
        };
        let app = Router::new().route("/", get(answer));
        axum::serve(listener, app).with_graceful_shutdown(closed).await.unwrap();
        let (report, statistics) = (drain.await.unwrap(), handle.statistics());
        println!(
            "asked {} most {} episodes {} cut {} open {}",
            asked.load(Ordering::SeqCst),
            statistics.most_open,
            statistics.episodes,
            report.cut,
            statistics.open
        );
    });
}

/// What the program said at its end.
#[derive(Debug)]
struct Told {
    asked: u64,
    most: u64,
    episodes: u64,
    cut: u64,
    open: u64,
}

struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Program {
    fn start(settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "program", "--ignored", "--nocapture"]).envs(settings.iter().copied());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut program = Self { child, output, address: String::new() };
        program.address = program.line("listening on ");
        program
    }

    /// What follows these words, on a line that begins with them.
    fn line(&mut self, beginning: &str) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some(rest) = line.trim_end().strip_prefix(beginning) {
                return rest.to_owned();
            }
            line.clear();
        }
        panic!("the program ended without {beginning:?}");
    }

    /// Wrk at work for so many seconds.
    fn under_wrk(&self, connections: u32, seconds: u32, more: &[&str]) -> Child {
        let mut command = Command::new("wrk");
        command.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s")]).args(more);
        command.arg(format!("http://{}/", self.address)).stdout(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("wrk is needed: {error}"))
    }

    fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    fn end(mut self) -> Told {
        let line = self.line("asked ");
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [asked, most, episodes, cut, open] = numbers[..] else { panic!("{line}") };
        assert!(self.child.wait().unwrap().success());
        Told { asked, most, episodes, cut, open }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many answers wrk has got, and whether anything else has happened to it.
fn result(wrk: Child) -> (u64, Option<String>) {
    let output = wrk.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let answers = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    let errors = text.lines().find(|line| line.contains("Socket errors") || line.contains("Non-2xx"));
    (answers.unwrap_or_else(|| panic!("{text}")), errors.map(str::to_owned))
}

/// Each request on a connection of its own.
const CLOSE: [&str; 2] = ["-H", "Connection: close"];

#[test]
#[ignore = "needs wrk"]
fn a_limit_is_exact_under_load() {
    let program = Program::start(&[(CONNECTIONS, "10")]);
    let (answers, errors) = result(program.under_wrk(64, 3, &CLOSE));
    program.terminate();
    let told = program.end();
    assert_eq!((told.most, told.cut, told.open, errors), (10, 0, 0, None));
    assert!((answers..=answers + 64).contains(&told.asked), "{answers} answers, {told:?}");
    println!("{answers} answers in 3 s through 10 places, {told:?}");
}

/// SIGTERM comes amid the load: every request that the program took was answered, wholly, and the program ended.
#[test]
#[ignore = "needs wrk"]
fn a_drain_under_load_loses_no_answer() {
    for more in [&CLOSE[..], &[]] {
        let mut program = Program::start(&[]);
        let wrk = program.under_wrk(64, 3, more);
        program.line("busy");
        program.terminate();
        let told = program.end();
        let (answers, errors) = result(wrk);
        assert_eq!((answers, told.cut, told.open), (told.asked, 0, 0), "{told:?}");
        println!("{answers} answers, {told:?}; then wrk says {errors:?}");
    }
}

/// The program has 64 descriptors, and 200 clients come again and again: nobody is refused, or forgotten.
#[test]
#[ignore = "needs wrk"]
fn a_lack_of_descriptors_under_load_loses_nobody() {
    let program = Program::start(&[(DESCRIPTORS, "64")]);
    let (answers, errors) = result(program.under_wrk(200, 3, &CLOSE));
    let mut client = TcpStream::connect(&program.address).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("hello\n"), "{text}");
    program.terminate();
    let told = program.end();
    assert_eq!((told.cut, told.open, errors), (0, 0, None));
    assert!(told.episodes > 0 && answers > 1_000, "{answers} answers, {told:?}");
    println!("{answers} answers in 3 s with 64 descriptors, {told:?}");
}
