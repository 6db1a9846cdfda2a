//! 200 clients, 64 descriptors: no CPU is burnt, nobody is forgotten, and the server goes on by itself.
//!
//! 1. The server has 64 descriptors; 200 clients connect, each sends a byte.
//! 2. It accepts until none is left, and says so once.
//! 3. For two seconds it must do nothing.
//! 4. One client after the other leaves: each release lets the next waiting one in at once.
//! 5. When all are gone, so are their descriptors.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{LIMIT, Server};

const CLIENTS: usize = 200;
const DESCRIPTORS: usize = 64;

/// What a client sends: 200 of them fit into a byte.
fn payload(number: usize) -> u8 {
    u8::try_from(number).unwrap()
}

fn answered(client: &mut TcpStream) -> u8 {
    let mut byte = [0];
    client.read_exact(&mut byte).expect("an answer");
    byte[0]
}

#[test]
fn running_out_of_descriptors_harms_nobody() {
    let server = Server::start(&["echo", "--listen", "127.0.0.1:0"]);
    let before = server.descriptors_below(DESCRIPTORS);
    server.limit_descriptors(DESCRIPTORS as u64);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.write_all(&[payload(number)]).unwrap();
    }
    let line = server.log.recv_timeout(LIMIT).unwrap();
    assert_eq!(line, "vestibule: cannot accept now: out of resources");
    assert_eq!(server.descriptors_below(DESCRIPTORS), DESCRIPTORS);

    let begun = server.cpu_time();
    std::thread::sleep(Duration::from_secs(2)); // the time over which nothing is to be done
    let burnt = server.cpu_time().saturating_sub(begun);
    assert!(burnt < Duration::from_millis(40), "{burnt:?} of CPU in 2 s");
    assert!(server.log.try_recv().is_err(), "it is told once");

    let room = DESCRIPTORS - before;
    let mut waits = Vec::new();
    for number in 0..CLIENTS {
        assert_eq!(answered(&mut clients[number]), payload(number));
        let begun = Instant::now();
        clients[number].shutdown(std::net::Shutdown::Both).unwrap();
        if number + room < CLIENTS {
            let next = &mut clients[number + room];
            let mut byte = [0];
            while next.peek(&mut byte).unwrap() == 0 {}
            waits.push(begun.elapsed());
        }
    }
    waits.sort();
    let median = waits[waits.len() / 2];
    assert!(median < Duration::from_millis(20), "{median:?} from a release to the next client's service");
    drop(clients);
    let begun = Instant::now();
    while server.descriptors_below(DESCRIPTORS) != before {
        assert!(
            begun.elapsed() < LIMIT,
            "{} descriptors, {before} before",
            server.descriptors_below(DESCRIPTORS)
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
