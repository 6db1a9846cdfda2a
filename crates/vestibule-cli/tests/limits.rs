//! The limits of the command line, and what it says of arguments that make no sense.
//!
//! 1. `--max-per-source`: from one address as many are served as may be, further ones see the end at once,
//!    which the last line counts; other addresses, and the same one when somebody has left, are served.
//! 2. `--rate`: as many at once as the rate says for a second, then one in each interval; those who wait are
//!    served.
//! 3. `--idle-timeout`: who is silent for so long goes, who says something now and then stays; the last line
//!    counts it.
//! 4. An argument that makes no sense is told with its name, what it was and what it may be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod support;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use support::crowd::Crowd;
use support::{LIMIT, Server, is_reset, vestibule};

/// A client with an address of its own choice.
fn connect_from(source: Ipv4Addr, server: SocketAddr) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((source, 0))).unwrap();
    connect(&socket, &server).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn is_served(client: &mut TcpStream) -> bool {
    let mut byte = [0];
    let is_served = client.write_all(b"x").is_ok() && client.read(&mut byte).is_ok_and(|length| length == 1);
    assert!(!is_served || byte == *b"x");
    is_served
}

/// Sends nothing, so that nothing but the server's end can come.
fn sees_the_end(client: &mut TcpStream) -> bool {
    client.read(&mut [0]).expect("the end, and no reset") == 0
}

#[test]
fn one_address_has_no_more_connections_than_it_may() {
    let server = Server::echo("--max-per-source 3 -v");
    let home = Ipv4Addr::LOCALHOST;
    let mut clients: Vec<_> = (0..3).map(|_| connect_from(home, server.address)).collect();
    assert!(clients.iter_mut().all(is_served));
    for _ in 0..4 {
        let mut refused = connect_from(home, server.address);
        assert!(sees_the_end(&mut refused));
        let line = server.log.recv_timeout(LIMIT).unwrap();
        let words = "refused, as many connections of this source are open as may be";
        assert_eq!(line, format!("{}: {words}", refused.local_addr().unwrap()));
    }
    for neighbour in 2..5 {
        assert!(is_served(&mut connect_from(Ipv4Addr::new(127, 0, 0, neighbour), server.address)));
    }
    assert!(clients.iter_mut().all(is_served), "refusals of others are no business of theirs");

    // When one leaves, its place is free as soon as the server has noticed: until then others are refused.
    clients.pop().unwrap();
    let (mut refusals, begun) = (4, Instant::now());
    loop {
        let mut next = connect_from(home, server.address);
        next.set_nonblocking(false).unwrap();
        if is_served(&mut next) {
            clients.push(next);
            break;
        }
        refusals += 1;
        assert!(begun.elapsed() < LIMIT, "the place is not free");
    }
    assert!(sees_the_end(&mut connect_from(home, server.address)));
    assert!(clients.iter_mut().all(is_served));
    drop(clients);
    let counts = server.end_and_count();
    assert_eq!(counts.of("refused"), refusals + 1, "{counts}");
    assert_eq!(counts.of("source"), refusals + 1, "{counts}");
    assert_eq!(counts.accepted(), 3 + 3 + 1, "{counts}");
    assert_eq!(counts.open(), 0, "{counts}");
}

#[test]
fn clients_are_let_in_at_the_rate_and_none_is_refused() {
    const RATE: usize = 50;
    const CLIENTS: usize = 130;
    let server = Server::echo(&format!("--rate {RATE}"));
    let begun = Instant::now();
    let mut crowd = Crowd::of(server.address);
    crowd.join(CLIENTS);
    crowd.until("the first second's are served", |crowd| crowd.served >= RATE);
    let first = begun.elapsed();
    let (cpu, rests) = (server.cpu_time(), server.rests());
    crowd.until_all_are_served();
    let (took, cpu, rests) = (begun.elapsed(), server.cpu_time().saturating_sub(cpu), server.rests() - rests);
    let least =
        Duration::from_secs(1) * u32::try_from(CLIENTS - RATE).unwrap() / u32::try_from(RATE).unwrap();
    assert!(took >= least, "{CLIENTS} clients in {took:?}, which should take {least:?}");
    assert!(
        took < least + Duration::from_secs(3),
        "{CLIENTS} clients in {took:?}, which should take {least:?}"
    );
    // It rests until the next may come: a few wake-ups for each.
    assert!(rests < (CLIENTS - RATE) as u64 * 5 + 50, "{rests} wake-ups");
    let counts = server.end_and_count();
    assert_eq!((counts.accepted(), counts.of("refused")), (CLIENTS as u64, 0), "{counts}");
    println!(
        "rate: {RATE} in {first:?}, {CLIENTS} in {took:?} (least {least:?}); {cpu:?} CPU, {rests} rests"
    );
}

#[test]
fn who_is_silent_for_too_long_goes_and_who_talks_stays() {
    const IDLE: Duration = Duration::from_secs(1);
    let server = Server::echo("--idle-timeout 1s");
    let mut talker = server.connect();
    let mut silent = server.connect();
    assert!(is_served(&mut silent));
    let spoke = Instant::now();
    while spoke.elapsed() < IDLE * 2 {
        assert!(is_served(&mut talker));
        std::thread::sleep(IDLE / 10); // a pause that is short enough
    }
    let error = silent.read(&mut [0]).expect_err("a reset");
    assert!(is_reset(error.kind()), "{error}");

    let mut never_spoke = server.connect();
    let begun = Instant::now();
    let error = never_spoke.read(&mut [0]).expect_err("a reset");
    let took = begun.elapsed();
    assert!(is_reset(error.kind()), "{error}");
    assert!(took >= IDLE * 19 / 20, "after {took:?} already");
    assert!(took < IDLE * 4, "only after {took:?}");
    let error = talker.read(&mut [0]).expect_err("a reset, for now it is silent too");
    assert!(is_reset(error.kind()), "{error}");
    let counts = server.end_and_count();
    assert_eq!((counts.accepted(), counts.of("timed out"), counts.open()), (3, 3, 0), "{counts}");
    println!("idle: gone after {took:?}: {counts}");
}

#[test]
fn an_idle_timeout_of_nothing_ends_who_is_silent_at_once() {
    let server = Server::echo("--idle-timeout 0s");
    let begun = Instant::now();
    // The reset may come before connecting has returned.
    let silent = TcpStream::connect(server.address).and_then(|mut silent| {
        silent.set_read_timeout(Some(LIMIT))?;
        silent.read(&mut [0])
    });
    let error = silent.expect_err("a reset");
    assert!(is_reset(error.kind()), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let counts = server.end_and_count();
    assert_eq!((counts.of("timed out"), counts.open()), (1, 0), "{counts}");
}

#[test]
fn limits_work_together() {
    let server = Server::echo("--max-connections 2 --max-per-source 1 --rate 1000 --idle-timeout 1m");
    let mut first = connect_from(Ipv4Addr::LOCALHOST, server.address);
    assert!(is_served(&mut first));
    assert!(sees_the_end(&mut connect_from(Ipv4Addr::LOCALHOST, server.address)));
    let mut second = connect_from(Ipv4Addr::new(127, 0, 0, 2), server.address);
    assert!(is_served(&mut second));
    // All places are taken: the third waits in the queue, and is served when one is free.
    let mut third = connect_from(Ipv4Addr::new(127, 0, 0, 3), server.address);
    third.write_all(b"x").unwrap();
    third.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(third.read(&mut [0]).is_err(), "it is not served");
    drop(first);
    third.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(third.read(&mut [0]).unwrap(), 1);
    drop((second, third));
    let counts = server.end_and_count();
    assert_eq!((counts.accepted(), counts.of("most"), counts.of("source")), (3, 2, 1), "{counts}");
}

#[test]
fn an_argument_that_makes_no_sense_is_told_with_its_name() {
    for (arguments, told) in [
        ("--max-connections many", "invalid value 'many' for '--max-connections <NUMBER>'"),
        ("--max-connections=-1", "invalid value '-1' for '--max-connections <NUMBER>'"),
        ("--max-per-source 4294967296", "invalid value '4294967296' for '--max-per-source <NUMBER>'"),
        ("--rate 1.5", "invalid value '1.5' for '--rate <NUMBER>'"),
        (
            "--idle-timeout 1d",
            "invalid value '1d' for '--idle-timeout <TIME>': no unit of time is called `d`: ms, s, m or h",
        ),
        (
            "--idle-timeout soon",
            "invalid value 'soon' for '--idle-timeout <TIME>': a time is a number and ms, s, m or h",
        ),
        ("--drain-timeout=-1s", "invalid value '-1s' for '--drain-timeout <TIME>': no such time"),
        ("--drain-timeout", "a value is required for '--drain-timeout <TIME>' but none was supplied"),
        ("--rate 1 --rate 2", "the argument '--rate <NUMBER>' cannot be used multiple times"),
        ("--max-conections 5", "unexpected argument '--max-conections' found"),
        ("surplus", "unexpected argument 'surplus' found"),
    ] {
        for command in ["echo", "fortune"] {
            let words: Vec<_> = [command].into_iter().chain(arguments.split_whitespace()).collect();
            let output = vestibule(&words).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{words:?}");
            assert_eq!(output.stdout, b"", "{words:?}");
            let text = String::from_utf8(output.stderr).unwrap();
            assert!(text.starts_with(&format!("error: {told}")), "{words:?}: {text}");
            assert!(text.contains("--help"), "{words:?} says how to learn more: {text}");
        }
    }
    let output = vestibule(&["serve"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: unrecognized subcommand 'serve'"), "{text}");
}
