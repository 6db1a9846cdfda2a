//! A client process that is stopped in the middle of big exchanges: it costs the server nothing, and is not
//! forgotten.
//!
//! 1. A process of its own has 6 connections, and sends 24 MiB on each while it reads what comes back.
//! 2. When a MiB has come back on each, SIGSTOP stops the process: the kernel's buffers fill up, then the
//!    server's.
//! 3. For two seconds the server must do nothing; then other clients are served as always.
//! 4. SIGCONT: everything arrives, each byte where it belongs. Or instead:
//! 5. SIGKILL: the kernel ends the connections; they are gone from the counts, and so are their descriptors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod support;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::process::{Signal, getpid, kill_process};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::client_process::{ClientProcess, hear, part, say};
use support::noise::Noise;
use support::{LIMIT, Server, until};

const CLIENTS: usize = 6;
/// More than the kernel's buffers hold.
const LENGTH: usize = 24 << 20;
/// How much has come back when they are stopped.
const MIDDLE: usize = 1 << 20;

/// Sends noise and compares what comes back; tells how far it has come.
fn exchange(mut client: TcpStream, seed: u64, length: usize, progress: &(dyn Fn(usize) + Sync)) {
    let bytes = Noise::new(seed).bytes(length);
    thread::scope(|scope| {
        let mut sender = client.try_clone().unwrap();
        let sent = &bytes;
        scope.spawn(move || {
            sender.write_all(sent).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let (mut piece, mut at) = (vec![0; 64 << 10], 0);
        loop {
            let length = client.read(&mut piece).unwrap();
            if length == 0 {
                break;
            }
            assert!(bytes[at..].starts_with(&piece[..length]), "wrong bytes after {at}");
            at += length;
            progress(at);
        }
        assert_eq!(at, length, "all comes back");
    });
}

#[test]
#[ignore = "the client process of the tests beside it, which start it"]
fn plays_the_clients() {
    let Some((_, address)) = part() else { return };
    let all = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        for seed in 0..CLIENTS {
            let client = TcpStream::connect(address).unwrap();
            set_socket_recv_buffer_size(&client, 128 << 10).unwrap(); // or it might grow to hold everything
            let (all, is_stopped) = (&all, AtomicBool::new(false));
            let stop_in_the_middle = move |at| {
                if at >= MIDDLE && !is_stopped.swap(true, Ordering::Relaxed) && all.wait().is_leader() {
                    kill_process(getpid(), Signal::STOP).unwrap(); // it stops all threads, wherever they are
                }
            };
            scope.spawn(move || exchange(client, seed as u64, LENGTH, &stop_in_the_middle));
        }
    });
    say("all is back");
    assert_eq!(hear(), "end");
}

/// A client process that is stopped in the middle, and all that happens meanwhile.
fn stop_clients(server: &Server) -> ClientProcess {
    let clients = ClientProcess::start("plays_the_clients", "", server.address);
    clients.until_stopped();
    let mut cpu = server.cpu_time();
    until("all buffers are full", || {
        thread::sleep(Duration::from_millis(100)); // in which bytes that can go on would
        let before = std::mem::replace(&mut cpu, server.cpu_time());
        cpu.saturating_sub(before) < Duration::from_millis(1)
    });

    let (begun, cpu, rests) = (Instant::now(), server.cpu_time(), server.rests());
    thread::sleep(Duration::from_secs(2)); // the time over which nothing is to be done
    let (burnt, rests) = (server.cpu_time().saturating_sub(cpu), server.rests() - rests);
    assert!(burnt * 100 < begun.elapsed(), "{burnt:?} of CPU in {:?}", begun.elapsed());
    assert!(rests < 20, "{rests} wake-ups in two seconds");

    let begun = Instant::now();
    for seed in 100..130 {
        exchange(server.connect(), seed, 100_000, &|_| {});
    }
    println!("stopped: {burnt:?} of CPU in 2 s, {rests} wake-ups; 30 others in {:?}", begun.elapsed());
    server.until_counts("only the stopped ones are there", |counts| counts.open() == CLIENTS as u64);
    clients
}

#[test]
fn stopped_clients_cost_nothing_and_get_everything_when_they_go_on() {
    let server = Server::echo("");
    let before = server.descriptors();
    let mut clients = stop_clients(&server);
    let begun = Instant::now();
    clients.signal(Signal::CONT);
    clients.expect("all is back");
    println!("continued: all is back in {:?}", begun.elapsed());
    clients.tell("end");
    assert!(clients.wait().success());
    until("all descriptors are back", || server.descriptors() == before);
    let counts = server.end_and_count();
    let bytes = (CLIENTS * LENGTH + 30 * 100_000) as u64;
    assert_eq!((counts.open(), counts.of("received"), counts.of("sent")), (0, bytes, bytes), "{counts}");
}

#[test]
fn clients_that_are_killed_while_stopped_leave_nothing_behind() {
    let server = Server::echo("");
    let before = server.descriptors();
    let mut clients = stop_clients(&server);
    let begun = Instant::now();
    clients.signal(Signal::KILL);
    assert!(!clients.wait().success());
    until("all descriptors are back", || server.descriptors() == before);
    println!("killed: all descriptors are back in {:?}", begun.elapsed());
    assert!(begun.elapsed() < LIMIT / 4);
    exchange(server.connect(), 1000, 100_000, &|_| {});
    let counts = server.end_and_count();
    assert_eq!((counts.open(), counts.accepted()), (0, CLIENTS as u64 + 31), "{counts}");
    assert!(counts.of("received") < (CLIENTS * LENGTH) as u64, "it was in the middle: {counts}");
}
