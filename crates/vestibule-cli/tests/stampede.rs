//! Everything at once, at random, for a while (5 seconds; a minute with `--ignored`; or `VESTIBULE_STAMPEDE`
//! seconds); then nothing is left of it.
//!
//! 1. Threads of this process and of others have many clients each. Each client does one thing at random: it
//!    talks, asks for more than it reads, ends its side and reads on, vanishes at once, vanishes in the
//!    middle, is reset, is silent for a while, or trickles.
//! 2. The other processes are killed at random moments, and new ones come. A well-behaved client talks all
//!    the time, and is always answered.
//! 3. The server has 70 connections at most, an idle time-out of 500 ms, and at each of these moments another
//!    number of descriptors, often too few.
//! 4. All clients go. The server's counts of what is open and pending go to zero, and its descriptors back to
//!    what they were at first; it still serves a hundred clients at once; and it ends when it is told to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod support;

use rustix::net::sockopt::set_socket_linger;
use rustix::process::Signal;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::client_process::{ClientProcess, part};
use support::crowd::Crowd;
use support::noise::Noise;
use support::{LIMIT, Server, raise_descriptor_limit, until};

const PROCESSES: usize = 4;
const THREADS: usize = 16;
const PLACES: u64 = 70;

/// What may happen to a client whom the server, or the crowd, has given up.
fn is_excused(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, TimedOut, WouldBlock};
    matches!(kind, BrokenPipe | ConnectionReset | NotConnected | TimedOut | WouldBlock)
}

/// Reads back what was sent; false when the end, an error or the time limit comes before all of it.
fn reads_back(client: &mut TcpStream, sent: &[u8]) -> bool {
    let (mut piece, mut at) = (vec![0; 16 << 10], 0);
    while at < sent.len() {
        match client.read(&mut piece) {
            Ok(0) => return false,
            Ok(length) => {
                assert!(sent[at..].starts_with(&piece[..length]), "wrong bytes after {at} of {}", sent.len());
                at += length;
            }
            Err(error) => {
                assert!(is_excused(error.kind()), "{error}");
                return false;
            }
        }
    }
    true
}

/// A client does one thing; panics when it gets wrong bytes.
fn misbehave(server: SocketAddr, chance: &mut Noise) {
    let Ok(mut client) = TcpStream::connect_timeout(&server, Duration::from_secs(2)) else { return };
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    client.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let pause = Duration::from_millis(chance.below(100));
    let seed = chance.next();
    let length = 1 + usize::try_from(chance.below(30_000)).unwrap();
    let bytes = Noise::new(seed).bytes(length);
    match chance.below(9) {
        0..=1 => {
            for _ in 0..chance.below(5) {
                if client.write_all(&bytes).is_err() || !reads_back(&mut client, &bytes) {
                    break;
                }
            }
        }
        2 => {
            let much = Noise::new(seed).bytes(1 << 20);
            for _ in 0..10 {
                let _ = client.write(&much); // and never reads
            }
        }
        3 => {
            let _ = client.write_all(&bytes);
            let _ = client.shutdown(Shutdown::Write);
            reads_back(&mut client, &bytes);
        }
        4 => {} // vanishes
        5 => {
            let _ = client.write_all(&bytes); // vanishes in the middle
            thread::sleep(pause / 10);
        }
        6 => {
            let _ = client.write_all(&bytes);
            thread::sleep(pause / 10);
            set_socket_linger(&client, Some(Duration::ZERO)).unwrap(); // is reset
        }
        7 => thread::sleep(pause * 8), // is silent, perhaps for too long
        _ => {
            for byte in bytes.iter().take(5) {
                let _ = client.write_all(&[*byte]);
                thread::sleep(pause); // trickles
            }
            reads_back(&mut client, &bytes[..5.min(length)]);
        }
    }
}

/// Clients misbehave in threads until it is the end; tells how many did.
fn rampage(server: SocketAddr, seed: u64, end: &AtomicBool) -> u64 {
    let number = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS as u64 {
            let number = &number;
            scope.spawn(move || {
                let mut chance = Noise::new(seed << 8 | thread);
                while !end.load(Ordering::Relaxed) {
                    misbehave(server, &mut chance);
                    number.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    number.into_inner()
}

/// Says hello until it is the end, each time on a new connection; tells how often, and the longest that it
/// took.
fn behave(server: SocketAddr, end: &AtomicBool) -> (u64, Duration) {
    let (mut number, mut longest) = (0_u64, Duration::ZERO);
    while !end.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let mut client = TcpStream::connect_timeout(&server, LIMIT).unwrap();
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.write_all(&number.to_be_bytes()).unwrap();
        let mut back = [0; 8];
        client.read_exact(&mut back).unwrap();
        assert_eq!(u64::from_be_bytes(back), number);
        longest = longest.max(begun.elapsed());
        number += 1;
    }
    (number, longest)
}

#[test]
#[ignore = "the client process of the tests beside it, which start it"]
fn plays_the_clients() {
    let Some((seed, address)) = part() else { return };
    rampage(address, seed.parse().unwrap(), &AtomicBool::new(false));
}

/// Ends the others also when this thread panics.
struct EndAll<'a>(&'a AtomicBool);

impl Drop for EndAll<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn stampede(seconds: u64) {
    raise_descriptor_limit();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut server = Server::echo("--max-connections 70 --idle-timeout 500ms --drain-timeout 10s");
    let before = server.descriptors();
    let (address, end) = (server.address, AtomicBool::new(false));
    let begun = Instant::now();
    let (mut killed, mut chance) = (0, Noise::new(seed));
    let (own, (answers, longest)) = thread::scope(|scope| {
        let end_all = EndAll(&end);
        let own = scope.spawn(|| rampage(address, seed << 16, &end));
        let good = scope.spawn(|| behave(address, &end));
        let mut processes = Vec::new();
        while begun.elapsed() < Duration::from_secs(seconds) {
            while processes.len() < PROCESSES {
                let part = chance.below(1 << 30).to_string();
                processes.push(ClientProcess::start("plays_the_clients", &part, address));
            }
            server.allow_descriptors(20 + chance.below(80));
            thread::sleep(Duration::from_millis(chance.below(400))); // a random moment
            let victim = usize::try_from(chance.below(PROCESSES as u64)).unwrap();
            let mut victim = processes.swap_remove(victim);
            assert!(!victim.has_ended(), "a client process has failed: {:?}", victim.last_words());
            victim.signal(Signal::KILL);
            victim.wait();
            killed += 1;
            assert!(!server.has_ended(), "the server is gone: {:?}", server.complaints());
        }
        for mut process in processes {
            assert!(!process.has_ended(), "a client process has failed: {:?}", process.last_words());
        }
        drop(end_all);
        (own.join().unwrap(), good.join().unwrap())
    });
    let over = Instant::now();
    until("all descriptors are back", || server.descriptors() == before);
    let quiet = over.elapsed();
    server
        .until_counts("nothing is open or pending", |counts| counts.open() == 0 && counts.of("pending") == 0);
    server.allow_descriptors(200);
    let mut crowd = Crowd::of(address);
    crowd.join(100);
    crowd.until_all_are_served();
    until("all descriptors are back again", || server.descriptors() == before);
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    let counts = server.last_counts();
    assert_eq!((counts.open(), counts.of("pending"), counts.of("panics")), (0, 0, 0), "{counts}");
    assert_eq!(counts.of("most"), PLACES, "{counts}");
    assert!(counts.of("out of resources") > 0, "descriptors sufficed: {counts}");
    assert!(counts.of("timed out") > 0, "nobody was silent: {counts}");
    let complaint = "vestibule: cannot accept now: out of resources";
    let strange: Vec<_> =
        server.complaints().into_iter().filter(|line| !line.starts_with(complaint)).collect();
    assert_eq!(strange, [] as [&str; 0]);
    println!(
        "{own} clients here, {killed} processes killed; {answers} answers, the longest took {longest:?}"
    );
    println!("{quiet:?} until all is quiet: {counts}");
}

/// How long it lasts, if somebody has said it.
fn seconds(default: u64) -> u64 {
    std::env::var("VESTIBULE_STAMPEDE").map_or(default, |text| text.parse().unwrap())
}

#[test]
fn nothing_is_left_of_a_small_stampede() {
    stampede(5);
}

#[test]
#[ignore = "takes a minute; .ci/run runs it"]
fn nothing_is_left_of_a_stampede_of_a_minute() {
    stampede(seconds(60));
}
