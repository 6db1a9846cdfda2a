//! Ten thousand idle connections change the cost of an echo by less than 5 %: counted in instructions, which do not depend on
//! how busy the machine is. It needs valgrind, so `.ci/run` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test, which tells what it counts"
)]

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use vestibule::{EventLoop, HostAddress, TcpServer};

const IDLE: usize = 10_000;
const BUSY: usize = 16;
const ECHOES: usize = 400;

/// The server that is measured: this test, started by the other one under valgrind.
#[test]
#[ignore = "the other test starts it"]
fn serves_until_its_input_ends() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    server.new_connection().connect(|server| {
        while let Some(socket) = server.next_pending_connection() {
            socket.ready_read().connect(|socket| {
                socket.read_with(|bytes| socket.write(bytes));
            });
            socket.set_parent(server);
        }
    });
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    println!("port {}", server.server_port());
    let handle = event_loop.handle();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        handle.quit();
    });
    event_loop.run().unwrap();
}

/// Instructions that the server takes, with so many echoes beside so many idle connections.
fn instructions(idle: usize, echoes: usize) -> u64 {
    let results = tempfile::NamedTempFile::new().unwrap();
    let mut child = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", results.path().display())])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "serves_until_its_input_ends"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("valgrind is needed: apt-get install valgrind");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port: u16 =
        lines.find_map(|line| line.unwrap().strip_prefix("port ")?.parse().ok()).expect("the server's port");
    let connect = |_| TcpStream::connect(("127.0.0.1", port)).unwrap();
    let echo = |stream: &mut TcpStream| {
        stream.write_all(&[7; 64]).unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
    };
    let mut connections: Vec<_> = (0..idle + BUSY).map(connect).collect();
    connections.iter_mut().for_each(echo);
    for _ in 0..echoes {
        connections.iter_mut().take(BUSY).for_each(echo);
    }
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    drop(connections);
    let text = std::fs::read_to_string(results.path()).unwrap();
    text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok()).unwrap()
}

/// What one echo costs: what more of them cost more.
#[allow(clippy::cast_precision_loss, reason = "a few parts in a quadrillion do not matter here")]
fn cost_of_an_echo(idle: usize) -> f64 {
    let more = instructions(idle, 2 * ECHOES) - instructions(idle, ECHOES);
    more as f64 / (ECHOES * BUSY) as f64
}

#[test]
#[ignore = "needs valgrind"]
fn ten_thousand_idle_connections_do_not_change_the_cost_of_an_echo() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let (alone, beside) = (cost_of_an_echo(0), cost_of_an_echo(IDLE));
    println!("an echo takes {alone:.0} instructions alone, {beside:.0} beside {IDLE} idle connections");
    assert!((beside / alone - 1.0).abs() < 0.05, "{alone:.0} against {beside:.0}");
}
