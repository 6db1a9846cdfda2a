//! How the program ends: SIGTERM drains it.
//!
//! 1. 9,000 clients in a process of their own: most have been served and are idle; some have asked and not
//!    read yet; some are in the middle of reading 24 MiB. SIGTERM comes.
//! 2. All idle ones see a clean end. The busy ones now read on, and get everything.
//! 3. The program ends before its drain time-out, with success, and had to cut nobody.
//!
//! Then, with clients that never read what they have asked for:
//!
//! 1. SIGTERM: new clients are refused, who is idle sees the end; but the program goes on until its drain
//!    time-out.
//! 2. Then, or at a second SIGTERM, those clients are cut and named.
//!
//! And who waits in the kernel's queue at SIGTERM is still served.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod support;

use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};
use rustix::process::Signal;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use support::burdens::{fill, is_reset_at_last};
use support::client_process::{ClientProcess, hear, part, say};
use support::crowd::Crowd;
use support::far_end::await_arrival;
use support::noise::Noise;
use support::{LIMIT, Server, raise_descriptor_limit, until};

/// Clients that have asked and not read.
const ASKING: usize = 100;
const ASKED: usize = 100_000;
/// Clients in the middle of an exchange.
const STREAMING: usize = 5;
const STREAM: usize = 24 << 20;
/// How much of it they have read when SIGTERM comes.
const MIDDLE: usize = 1 << 20;

/// All clients.
fn clients() -> usize {
    let descriptors = usize::try_from(raise_descriptor_limit()).unwrap();
    assert!(descriptors >= 1000, "{descriptors} descriptors are too few for a crowd");
    9000.min(descriptors - 100)
}

/// Compares what comes back with what was sent, until so many bytes have come.
fn compare(client: &mut TcpStream, sent: &[u8], at: &mut usize, until: usize) {
    let mut piece = vec![0; 64 << 10];
    while *at < until {
        let length = client.read(&mut piece).unwrap_or_else(|error| panic!("after {at} bytes: {error}"));
        assert!(length > 0, "the end comes after {at} bytes of {}", sent.len());
        assert!(sent[*at..].starts_with(&piece[..length]), "wrong bytes after {at}");
        *at += length;
    }
}

/// A client that is in the middle of its exchange when SIGTERM comes.
fn stream(mut client: TcpStream, seed: u64, middle: &Barrier, drain: &Barrier) {
    let sent = Noise::new(seed).bytes(STREAM);
    set_socket_recv_buffer_size(&client, 128 << 10).unwrap(); // or it might grow to hold everything
    thread::scope(|scope| {
        let (mut sender, bytes) = (client.try_clone().unwrap(), &sent);
        scope.spawn(move || {
            sender.write_all(bytes).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let mut at = 0;
        compare(&mut client, &sent, &mut at, MIDDLE);
        middle.wait();
        drain.wait();
        compare(&mut client, &sent, &mut at, STREAM);
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "a clean end");
    });
}

#[test]
#[ignore = "the client process of the tests beside it, which start it"]
fn plays_the_clients() {
    let Some((_, address)) = part() else { return };
    let mut crowd = Crowd::of(address);
    crowd.join(clients() - ASKING - STREAMING);
    crowd.until("all are served", |crowd| crowd.served == crowd.len());
    let mut asking: Vec<_> = (0..ASKING).map(|_| TcpStream::connect(address).unwrap()).collect();
    let question = Noise::new(99).bytes(ASKED);
    for client in &mut asking {
        client.set_read_timeout(Some(LIMIT)).unwrap();
        client.write_all(&question).unwrap();
    }
    let (middle, drain) = (Barrier::new(STREAMING + 1), Barrier::new(STREAMING + 1));
    thread::scope(|scope| {
        for seed in 0..STREAMING {
            let client = TcpStream::connect(address).unwrap();
            let (middle, drain) = (&middle, &drain);
            scope.spawn(move || stream(client, seed as u64, middle, drain));
        }
        middle.wait();
        crowd.awaits_end = true;
        say("ready");
        crowd.until("the drain begins", |crowd| crowd.ended > 0);
        drain.wait();
        crowd.until("all idle ones are ended", |crowd| crowd.ended == crowd.len());
        say("idle ones have seen the end");
    });
    say("streams are complete");
    for mut client in asking {
        let mut at = 0;
        compare(&mut client, &question, &mut at, ASKED);
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "a clean end");
    }
    say("answers are complete");
    assert_eq!(hear(), "end");
}

#[test]
fn a_drain_of_thousands_ends_the_idle_ones_and_lets_the_busy_ones_finish() {
    let clients = clients();
    let mut server = Server::echo("--drain-timeout 15s");
    let mut process = ClientProcess::start("plays_the_clients", "", server.address);
    process.expect("ready");
    let counts = server.until_counts("all are there", |counts| counts.open() == clients as u64);
    assert_eq!(counts.of("most"), clients as u64, "{counts}");

    let begun = Instant::now();
    server.signal(Signal::TERM);
    process.expect("idle ones have seen the end");
    let idle = begun.elapsed();
    process.expect("streams are complete");
    let streams = begun.elapsed();
    process.expect("answers are complete");
    let status = server.wait();
    let took = begun.elapsed();
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    let counts = server.last_counts();
    assert_eq!((counts.open(), counts.of("cut"), counts.of("pending")), (0, 0, 0), "{counts}");
    assert_eq!(counts.accepted(), clients as u64, "{counts}");
    assert_eq!(counts.of("received"), counts.of("sent"), "{counts}");
    assert_eq!(server.complaints(), [] as [&str; 0]);
    process.tell("end");
    assert!(process.wait().success());
    println!("drain of {clients}: idle ones {idle:?}, streams {streams:?}, the program {took:?}: {counts}");
}

/// Tries to connect until that is refused.
fn until_refused(server: &Server) {
    until("new clients are refused", || match TcpStream::connect(server.address) {
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => false, // it was in the queue as that was closed
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            true
        }
    });
}

fn is_ended_cleanly(client: &mut TcpStream) -> bool {
    client.read(&mut [0]).expect("the end, and no reset") == 0
}

/// The complaint about these clients, of which ten are named in any order.
fn assert_named(server: &Server, deaf: &[TcpStream]) {
    let complaints = server.complaints();
    let [line] = &complaints[..] else { panic!("{complaints:?}") };
    let words = format!("vestibule: {} connections did not end in time and were cut: ", deaf.len());
    let names = line.strip_prefix(&words).unwrap_or_else(|| panic!("{line}"));
    let names = if deaf.len() > 10 { names.strip_suffix(", …").expect("more than ten") } else { names };
    let names: std::collections::HashSet<_> = names.split(", ").map(str::to_owned).collect();
    let all = deaf.iter().map(|client| client.local_addr().unwrap().to_string()).collect();
    assert_eq!(names.len(), deaf.len().min(10), "{line}");
    assert!(names.is_subset(&all), "{line}");
}

#[test]
fn who_never_reads_is_cut_at_the_deadline_and_named() {
    let mut server = Server::echo("--drain-timeout 1500ms");
    let mut idle = server.connect();
    let mut deaf: Vec<_> = (0..12).map(|_| server.connect()).collect();
    fill(&mut deaf);
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert!(is_ended_cleanly(&mut idle));
    drop(idle);
    until_refused(&server);
    let refused = begun.elapsed();
    assert!(!server.has_ended());
    let status = server.wait();
    let took = begun.elapsed();
    assert!(status.success(), "{status}");
    assert!(took >= Duration::from_millis(1490), "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    let counts = server.last_counts();
    assert_eq!((counts.open(), counts.of("cut")), (0, 12), "{counts}");
    assert_named(&server, &deaf);
    assert!(deaf.iter_mut().all(is_reset_at_last));
    println!("deaf: new ones refused after {refused:?}, cut after {took:?}: {counts}");
}

#[test]
fn a_second_signal_ends_the_drain_at_once() {
    for second in [Signal::TERM, Signal::INT] {
        let mut server = Server::echo("--drain-timeout 1h");
        let mut deaf: Vec<_> = (0..3).map(|_| server.connect()).collect();
        fill(&mut deaf);
        server.signal(Signal::TERM);
        until_refused(&server);
        assert!(!server.has_ended());
        let begun = Instant::now();
        server.signal(second);
        let status = server.wait();
        let took = begun.elapsed();
        assert!(status.success(), "{status}");
        assert!(took < Duration::from_secs(2), "{took:?}");
        let counts = server.last_counts();
        assert_eq!((counts.open(), counts.of("cut")), (0, 3), "{counts}");
        assert_named(&server, &deaf);
        assert!(deaf.iter_mut().all(is_reset_at_last));
        println!("second signal: ended after {took:?}");
    }
}

#[test]
fn who_waits_in_the_queue_when_the_drain_begins_is_still_served() {
    const WAITING: usize = 50;
    let mut server = Server::echo("--max-connections 2 --drain-timeout 10s");
    let mut present: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut present {
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    let mut waiting: Vec<_> = (0..WAITING).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.write_all(b"waiting").unwrap();
        await_arrival(&*client); // who has said nothing is ended without an answer
    }
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert!(present.iter_mut().all(is_ended_cleanly));
    drop(present);
    for mut client in waiting {
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer and the end, and no reset");
        assert_eq!(answer, "waiting");
    }
    assert!(server.wait().success());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let counts = server.last_counts();
    assert_eq!((counts.accepted(), counts.of("most")), (2 + WAITING as u64, 2), "{counts}");
    assert_eq!((counts.of("cut"), counts.of("refused")), (0, 0), "{counts}");
    println!("queue: {WAITING} served, ended after {took:?}");
}

#[test]
fn clients_that_see_the_end_and_do_not_answer_it_delay_the_end_only_a_little() {
    let mut server = Server::echo("--drain-timeout 10s");
    let mut clients: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert!(clients.iter_mut().all(is_ended_cleanly));
    assert!(server.wait().success());
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let counts = server.last_counts();
    assert_eq!((counts.open(), counts.of("cut")), (0, 0), "{counts}");
    println!("unanswered ends: ended after {took:?}");
}

#[test]
fn a_drain_that_lacks_descriptors_serves_the_queue_all_the_same() {
    const WAITING: usize = 500;
    let mut server = Server::echo("--drain-timeout 10s");
    server.allow_descriptors(40);
    let mut crowd = Crowd::of(server.address);
    crowd.awaits_end = true;
    crowd.join(WAITING);
    crowd.until("some are served", |crowd| crowd.connected == WAITING && crowd.served >= 20);
    crowd.await_arrival();
    server.log.recv_timeout(LIMIT).expect("a complaint about descriptors");
    let begun = Instant::now();
    server.signal(Signal::TERM);
    crowd.until("all are served and ended", |crowd| crowd.ended == WAITING);
    assert!(server.wait().success());
    let (took, counts) = (begun.elapsed(), server.last_counts());
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!((counts.accepted(), counts.of("cut"), counts.open()), (WAITING as u64, 0, 0), "{counts}");
    println!("without descriptors: ended after {took:?}: {counts}");
}

#[test]
fn a_drain_keeps_to_the_rate() {
    let mut server = Server::echo("--rate 20 --drain-timeout 10s");
    let mut crowd = Crowd::of(server.address);
    crowd.awaits_end = true;
    crowd.join(50);
    crowd.until("those at once are served", |crowd| crowd.connected == 50 && crowd.served >= 20);
    crowd.await_arrival();
    let begun = Instant::now();
    server.signal(Signal::TERM);
    crowd.until("all are served and ended", |crowd| crowd.ended == 50);
    assert!(server.wait().success());
    let (took, counts) = (begun.elapsed(), server.last_counts());
    assert!(took > Duration::from_secs(1), "{took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!((counts.accepted(), counts.of("cut")), (50, 0), "{counts}");
    println!("at a rate: ended after {took:?}: {counts}");
}

#[test]
fn clients_that_have_left_the_queue_delay_a_drain_by_nothing() {
    const GONE: usize = 50;
    for reset in [false, true] {
        let mut server = Server::echo("--max-connections 1 --drain-timeout 10s");
        let mut present = server.connect();
        present.write_all(b"x").unwrap();
        present.read_exact(&mut [0]).unwrap();
        let mut waiting: Vec<_> = (0..GONE).map(|_| server.connect()).collect();
        for client in &mut waiting {
            client.write_all(b"x").unwrap();
            let at_once = reset.then_some(Duration::ZERO);
            set_socket_linger(&*client, at_once).unwrap();
        }
        drop(waiting);
        let begun = Instant::now();
        server.signal(Signal::TERM);
        assert!(server.wait().success());
        let (took, counts) = (begun.elapsed(), server.last_counts());
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert_eq!(
            (counts.accepted(), counts.of("most"), counts.open()),
            (1 + GONE as u64, 1, 0),
            "{counts}"
        );
        println!("gone, reset {reset}: ended after {took:?}: {counts}");
    }
}
