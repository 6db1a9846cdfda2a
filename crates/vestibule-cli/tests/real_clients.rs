//! The program serves clients that nobody here wrote: `nc` and `socat`. `.ci/run` installs them and runs these.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use support::{LIMIT, Server};

/// A client program with pipes; killed when dropped.
struct Client(Child);

impl Client {
    fn start(program: &str, arguments: &[&str]) -> (Self, ChildStdin, ChildStdout) {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is not to be had: {error}; see .ci/run"));
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        (Self(child), input, output)
    }

    /// `nc`, which ends its side when its input ends.
    fn nc(server: &Server) -> (Self, ChildStdin, ChildStdout) {
        Self::start("nc", &["-N", "127.0.0.1", &server.address.port().to_string()])
    }

    /// `socat`, which ends its side when its input ends, and then waits for the server's end.
    fn socat(server: &Server) -> (Self, ChildStdin, ChildStdout) {
        Self::start("socat", &["-t", "60", "-", &format!("TCP:127.0.0.1:{}", server.address.port())])
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that comes out, within the limit.
fn to_end(mut output: ChildStdout) -> Vec<u8> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = output.read_to_end(&mut all);
        let _ = sender.send(all);
    });
    receiver.recv_timeout(LIMIT).expect("the client's end")
}

/// What comes out when this goes in and then the end.
fn exchange((client, mut input, output): (Client, ChildStdin, ChildStdout), bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.to_vec();
    let writer = thread::spawn(move || input.write_all(&bytes).unwrap()); // and ends the input
    let back = to_end(output);
    writer.join().unwrap();
    drop(client);
    back
}

/// Bytes that repeat nowhere near, from a seed (xorshift).
struct Noise(u64);

impl Noise {
    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A checksum of a stream (FNV-1a).
struct Checksum(u64);

impl Checksum {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[test]
#[ignore = "needs nc; .ci/run installs it"]
fn nc_is_told_a_fortune() {
    let server = Server::start(&["fortune", "--listen", "127.0.0.1:0"]);
    for _ in 0..20 {
        let fortune = String::from_utf8(exchange(Client::nc(&server), b"")).unwrap();
        assert!(fortune.ends_with('\n') && fortune.len() > 10, "{fortune:?}");
    }
}

#[test]
#[ignore = "needs nc; .ci/run installs it"]
fn nc_gets_back_what_it_sends() {
    let server = Server::start(&["echo", "--listen", "127.0.0.1:0"]);
    assert_eq!(exchange(Client::nc(&server), b"hello\n"), b"hello\n");
    assert_eq!(exchange(Client::nc(&server), b""), b"");
}

#[test]
#[ignore = "needs socat; .ci/run installs it"]
fn socat_ends_its_side_and_still_gets_everything() {
    let server = Server::start(&["echo", "--listen", "127.0.0.1:0"]);
    for length in [0, 1, 1000, 1 << 20] {
        let mut bytes = vec![0; length];
        Noise(42).fill(&mut bytes);
        assert!(exchange(Client::socat(&server), &bytes) == bytes, "{length} bytes");
    }
}

#[test]
#[ignore = "needs socat; .ci/run installs it"]
fn every_byte_value_passes() {
    let server = Server::start(&["echo", "--listen", "127.0.0.1:0"]);
    let all: Vec<u8> = (0..=255).cycle().take(256 * 300).collect();
    assert_eq!(exchange(Client::socat(&server), &all), all);
}

/// The client reads nothing until all its bytes are under way: the server stops reading, and goes on when it does.
#[test]
#[ignore = "needs socat; .ci/run installs it"]
fn a_slow_reader_gets_everything() {
    let server = Server::start(&["echo", "--listen", "127.0.0.1:0"]);
    let (_client, mut input, mut output) = Client::socat(&server);
    let mut bytes = vec![0; 8 << 20];
    Noise(7).fill(&mut bytes);
    let sent = bytes.clone();
    let writer = thread::spawn(move || input.write_all(&sent).unwrap());
    let mut back = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = output.read(&mut piece).unwrap();
        if length == 0 {
            break;
        }
        back.extend_from_slice(&piece[..length]);
        thread::sleep(std::time::Duration::from_millis(2)); // what makes it slow
    }
    writer.join().unwrap();
    assert!(back == bytes, "{} of {} bytes came back", back.len(), bytes.len());
}

#[test]
#[ignore = "needs socat; .ci/run installs it"]
fn a_hundred_mebibytes_come_back_as_they_went() {
    const TOTAL: usize = 100 << 20;
    let server = Server::start(&["echo", "--listen", "127.0.0.1:0"]);
    let (_client, mut input, mut output) = Client::socat(&server);
    let writer = thread::spawn(move || {
        let (mut noise, mut sum, mut piece) = (Noise(9), Checksum::new(), vec![0; 64 << 10]);
        for _ in 0..TOTAL / piece.len() {
            noise.fill(&mut piece);
            sum.add(&piece);
            input.write_all(&piece).unwrap();
        }
        sum.0
    });
    let (mut sum, mut length, mut piece) = (Checksum::new(), 0, vec![0; 64 << 10]);
    loop {
        let read = output.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        sum.add(&piece[..read]);
        length += read;
    }
    assert_eq!(length, TOTAL);
    assert_eq!(sum.0, writer.join().unwrap());
}
