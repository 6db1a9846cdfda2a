//! Every example does what its header says, as a program of its own.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No wait of a test is longer.
const LIMIT: Duration = Duration::from_secs(30);

/// Where cargo puts an example; `cargo test` has built it.
fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is not built: run `cargo test`, or `cargo build --examples`", path.display());
    path
}

fn example(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(path(name));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs an example to its end, within the limit.
fn run(name: &str, arguments: &[&str]) -> Output {
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

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(String::from).collect()
}

/// A running server, killed when dropped.
struct Server {
    child: Child,
    port: String,
}

impl Server {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = example(name, arguments).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let port = first.trim().rsplit(':').next().unwrap().to_owned();
        assert!(first.starts_with("listening on "), "{first}");
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fortune as Qt 4.6 sends it: lengths of 16 and 32 bits, then UTF-16, all big-endian.
fn message(fortune: &str) -> Vec<u8> {
    let text: Vec<u8> = fortune.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let count = u16::try_from(text.len()).unwrap();
    [&(count + 4).to_be_bytes()[..], &u32::from(count).to_be_bytes(), &text].concat()
}

/// A server of the test's own: to each client it sends these pieces, one packet each, and then the end.
fn serve(clients: Vec<Vec<Vec<u8>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for pieces in clients {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in pieces {
                stream.write_all(&piece).unwrap();
                thread::sleep(Duration::from_millis(1)); // so that it is likely to arrive alone
            }
        }
    });
    port.to_string()
}

#[test]
fn both_servers_tell_fortunes_to_both_clients() {
    let servers = [
        Server::start("fortune_server", &["127.0.0.1:0"]),
        Server::start("threaded_fortune_server", &["127.0.0.1:0", "2"]),
    ];
    for server in &servers {
        assert_eq!(lines(&run("fortune_client", &["localhost", &server.port, "20"])).len(), 20);
        assert_eq!(lines(&run("blocking_fortune_client", &["127.0.0.1", &server.port, "20"])).len(), 20);
    }
}

#[test]
fn a_server_listens_on_all_addresses_unless_told() {
    let server = Server::start("fortune_server", &[]);
    assert_eq!(lines(&run("fortune_client", &["127.0.0.1", &server.port])).len(), 1);
}

#[test]
fn the_wire_format_is_that_of_the_reference() {
    let server = Server::start("fortune_server", &["127.0.0.1:0"]);
    let mut stream = TcpStream::connect(format!("127.0.0.1:{}", server.port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    assert_eq!(bytes.len(), length + 2);
    assert_eq!(bytes[2..6], u32::try_from(length - 4).unwrap().to_be_bytes());
    let units: Vec<u16> = bytes[6..].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let fortune = String::from_utf16(&units).unwrap();
    assert_eq!(message(&fortune), bytes);
    assert!(!fortune.is_empty());
}

#[test]
fn a_message_in_parts_is_put_together() {
    let in_parts = |fortune: &str| message(fortune).into_iter().map(|byte| vec![byte]).collect::<Vec<_>>();
    for client in ["fortune_client", "blocking_fortune_client"] {
        let port = serve(vec![in_parts("Piece by piece \u{1f370}"), in_parts("And again")]);
        assert_eq!(
            lines(&run(client, &["127.0.0.1", &port, "2"])),
            ["Piece by piece \u{1f370}", "And again"]
        );
    }
}

#[test]
fn the_client_with_signals_asks_again_when_it_gets_the_same() {
    let port = serve(["One", "One", "One", "Two"].map(|fortune| vec![message(fortune)]).into());
    assert_eq!(lines(&run("fortune_client", &["127.0.0.1", &port, "2"])), ["One", "Two"]);
}

#[test]
fn a_client_says_what_went_wrong() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    for client in ["fortune_client", "blocking_fortune_client"] {
        let refused = run(client, &["127.0.0.1", &unused]);
        let complaint = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{client}: {complaint}");
        assert!(complaint.to_lowercase().contains("connection refused"), "{client}: {complaint}");

        let port = serve(vec![vec![vec![0, 5, 0, 0, 0, 9, 1]]]);
        let garbled = run(client, &["127.0.0.1", &port]);
        let complaint = String::from_utf8(garbled.stderr).unwrap();
        assert_eq!(garbled.status.code(), Some(1), "{client}: {complaint}");
        assert!(complaint.contains("no fortune"), "{client}: {complaint}");

        assert_eq!(run(client, &[]).status.code(), Some(2));
    }
}

#[test]
fn the_loopback_sends_itself_every_byte() {
    let output = run("loopback", &[]);
    let line = &lines(&output)[0];
    assert!(line.starts_with("sent and received 52428800 bytes in "), "{line}");
    assert!(line.ends_with("every byte right; the server listens no more"), "{line}");
}

#[test]
fn a_server_is_tested_under_faults() {
    let line = lines(&run("simulated_faults", &[])).remove(0);
    assert!(line.starts_with("all runs held, in "), "{line}");
}

/// Where the loop's descriptor tells timers, too.
#[cfg(all(target_os = "linux", not(vestibule_polling)))]
#[test]
fn a_host_needs_nothing_but_the_descriptor() {
    for host in ["embedded_in_tokio", "embedded_in_calloop"] {
        let heard = lines(&run(host, &[]));
        assert_eq!(
            heard,
            ["arrived: a timer; a call from a thread; a write by the host; and the end"],
            "{host}"
        );
    }
}

/// Whether the far end, on this host, has read what was sent.
fn is_read(stream: &TcpStream) -> bool {
    let place = |address: std::net::SocketAddr| format!("0100007F:{:04X}", address.port());
    let (far, near) = (place(stream.peer_addr().unwrap()), place(stream.local_addr().unwrap()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = lines.filter(|line| line.get(1) == Some(&&*far) && line.get(2) == Some(&&*near));
    found.map(|line| line[4].ends_with(":00000000")).next() == Some(true)
}

/// SIGTERM comes while one request is under way and another connection is idle: the one is answered, the other ends.
fn ends_in_order_on_sigterm(name: &str) {
    let mut child = example(name, &["127.0.0.1:0"]).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("listening on ").unwrap();
    let ask = |path: &str, until: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let mut text = String::new();
        while !text.contains(until) {
            let mut some = [0; 512];
            let length = stream.read(&mut some).unwrap();
            assert!(length > 0, "{text}");
            text.push_str(std::str::from_utf8(&some[..length]).unwrap());
        }
        stream
    };
    let mut idle = ask("/", "hello, 127.0.0.1:");
    let mut slow = TcpStream::connect(address).unwrap();
    write!(slow, "GET /slow HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let begun = Instant::now();
    while !is_read(&slow) {
        assert!(begun.elapsed() < LIMIT, "nobody reads the request");
        thread::sleep(Duration::from_millis(1));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (mut answer, mut rest) = (String::new(), Vec::new());
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("done\n"), "{answer}");
    assert_eq!(idle.read_to_end(&mut rest).unwrap(), 0);
    let mut report = String::new();
    output.read_to_string(&mut report).unwrap();
    assert!(report.starts_with("drained: ") && report.ends_with(" ended, 0 cut []\n"), "{report}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn axum_ends_in_order_on_sigterm() {
    ends_in_order_on_sigterm("axum_server");
}

#[test]
fn hyper_ends_in_order_on_sigterm() {
    ends_in_order_on_sigterm("hyper_server");
}
