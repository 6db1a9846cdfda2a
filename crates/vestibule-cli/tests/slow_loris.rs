//! Clients that only want to be a burden, at a server with `--idle-timeout 1s`: others are served meanwhile,
//! and what the burdens took comes back.
//!
//! 1. 100 clients connect and send nothing. 20 trickle: a byte every 300 ms. 20 send and never read, until no
//!    more can be sent. 100 end their side at once and stay.
//! 2. Meanwhile another client talks all the time: it is answered each time, and never late.
//! 3. The silent ones and those who never read are ended by a reset, after their second; those who trickle
//!    get each byte back; those who have ended their side see the server's end at once and cost no
//!    descriptor.
//! 4. When the trickling ones leave, the server has as many descriptors as at first, and most of the memory
//!    is back. Then all that happens once more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::burdens::{fill, is_reset_at_last};
use support::{LIMIT, Server, raise_descriptor_limit, until};

const IDLE: Duration = Duration::from_secs(1);
const MANY: usize = 100;
const FEW: usize = 20;
const ROUNDS: usize = 2;

fn exchange(client: &mut TcpStream, bytes: &[u8]) {
    client.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    client.read_exact(&mut back).unwrap();
    assert!(back == bytes);
}

fn answer(client: &mut TcpStream) -> u8 {
    let mut byte = [0];
    client.read_exact(&mut byte).unwrap();
    byte[0]
}

/// What the talker has seen: how often it was answered, and the longest that an answer took.
struct Talk {
    answers: u32,
    longest: Duration,
}

/// Tells the talker to end, also when the test has failed.
struct EndTalk<'a>(&'a AtomicBool);

impl Drop for EndTalk<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Talks until it is told to end.
fn talk(mut client: TcpStream, end: &AtomicBool) -> Talk {
    let mut talk = Talk { answers: 0, longest: Duration::ZERO };
    while !end.load(Ordering::Relaxed) {
        let begun = Instant::now();
        exchange(&mut client, b"still there?");
        talk = Talk { answers: talk.answers + 1, longest: talk.longest.max(begun.elapsed()) };
        thread::sleep(Duration::from_millis(1)); // so that it is no burden itself
    }
    talk
}

/// All burdens at once, from their coming to their going.
fn burden(server: &Server) {
    let before = server.descriptors();
    let mut ended: Vec<_> = (0..MANY).map(|_| server.connect()).collect();
    for client in &mut ended {
        client.shutdown(Shutdown::Write).unwrap();
    }
    for client in &mut ended {
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "the server ends its side too");
    }
    until("those who have ended cost nothing", || server.descriptors() == before);

    let came = Instant::now();
    let silent: Vec<_> = (0..MANY).map(|_| server.connect()).collect();
    let mut tricklers: Vec<_> = (0..FEW).map(|_| server.connect()).collect();
    let mut deaf: Vec<_> = (0..FEW).map(|_| server.connect()).collect();
    thread::scope(|scope| {
        let trickle = scope.spawn(|| {
            for byte in 0..6 {
                for client in &mut tricklers {
                    client.write_all(&[byte]).unwrap();
                }
                for client in &mut tricklers {
                    assert_eq!(answer(client), byte);
                }
                thread::sleep(Duration::from_millis(300)); // which makes them trickle
            }
        });
        let filling = scope.spawn(|| {
            let sent = fill(&mut deaf);
            assert!(sent > FEW * (1 << 20), "{sent} bytes fill them all");
        });
        let gone = scope.spawn(|| {
            for mut client in silent {
                assert!(is_reset_at_last(&mut client), "who is silent is ended by a reset");
                assert!(came.elapsed() > IDLE * 19 / 20, "{:?}", came.elapsed());
            }
            assert!(came.elapsed() < LIMIT / 4, "they stayed for {:?}", came.elapsed());
        });
        for part in [gone, trickle, filling] {
            part.join().unwrap();
        }
    });
    // Only those who trickle are left.
    until("who never reads is gone", || server.descriptors() == before + FEW);
    for mut client in deaf {
        assert!(is_reset_at_last(&mut client), "who never reads is ended by a reset");
    }
    for client in &mut tricklers {
        exchange(client, b"they are still there");
    }
    drop((tricklers, ended));
    until("all of them are back", || server.descriptors() == before);
}

#[test]
fn burdens_go_and_others_are_served_meanwhile() {
    raise_descriptor_limit();
    let server = Server::echo("--idle-timeout 1s");
    let end = AtomicBool::new(false);
    let mut client = server.connect();
    exchange(&mut client, b"hello");
    let (talk, memory, peak) = thread::scope(|scope| {
        let talking = scope.spawn(|| talk(client, &end));
        let end_talk = EndTalk(&end);
        let mut memory = vec![server.resident()];
        for _ in 0..ROUNDS {
            burden(&server);
            memory.push(server.resident());
        }
        drop(end_talk);
        (talking.join().unwrap(), memory, server.most_resident())
    });
    assert!(talk.answers > 100, "{} answers", talk.answers);
    assert!(talk.longest < IDLE, "an answer took {:?}", talk.longest);
    let (first, last) = (memory[0], memory[ROUNDS]);
    assert!(peak > first + 2048, "{peak} KiB of memory at most, {first} at first: they were no burden");
    // The allocator keeps some of it; had a round left its memory behind, the last would stand at the peak.
    assert!(last < first + (peak - first) * 4 / 5, "KiB of memory: {memory:?}, {peak} at most");
    let counts = server.end_and_count();
    let each = (2 * MANY + 2 * FEW) as u64;
    assert_eq!((counts.accepted(), counts.open()), (1 + ROUNDS as u64 * each, 0), "{counts}");
    assert_eq!(counts.of("timed out"), (ROUNDS * (MANY + FEW)) as u64, "{counts}");
    println!(
        "{} answers, the longest took {:?}; KiB: {memory:?}, {peak} at most; {counts}",
        talk.answers, talk.longest
    );
}
