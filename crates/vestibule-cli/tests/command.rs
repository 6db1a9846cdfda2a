//! The program as a person uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::thread;
use support::{LIMIT, Server, vestibule};

fn fortune_of(server: &Server) -> String {
    let mut text = String::new();
    server.connect().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn fortune_tells_each_client_one_and_ends_the_connection() {
    let server = Server::start(&["fortune", "--listen", "127.0.0.1:0", "-v"]);
    assert_eq!(server.first_line, format!("listening on 127.0.0.1:{}", server.address.port()));
    let fortunes: std::collections::HashSet<String> = (0..60).map(|_| fortune_of(&server)).collect();
    assert!(fortunes.len() > 3, "{fortunes:?}");
    assert!(fortunes.iter().all(|fortune| fortune.len() > 10 && fortune.ends_with('\n')));
    for _ in 0..60 {
        let line = server.log.recv_timeout(LIMIT).unwrap();
        assert!(line.starts_with("127.0.0.1:") && line.contains(": told fortune "), "{line}");
    }
    assert!(server.end(Signal::TERM).success());
}

#[test]
fn fortunes_come_from_a_file() {
    let mut separated = tempfile::NamedTempFile::new().unwrap();
    separated.write_all(b"one\nline\n%\n\n%\n").unwrap();
    let path = separated.path().to_str().unwrap();
    let server = Server::start(&["fortune", "--listen", "127.0.0.1:0", "--file", path]);
    assert_eq!(fortune_of(&server), "one\nline\n");

    let mut lines = tempfile::NamedTempFile::new().unwrap();
    lines.write_all(b"only line\n\n").unwrap();
    let path = lines.path().to_str().unwrap();
    let server = Server::start(&["fortune", "--listen", "[::1]:0", "--file", path]);
    assert_eq!(server.address.ip().to_string(), "::1");
    let mut text = String::new();
    std::net::TcpStream::connect(server.address).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "only line\n");
}

#[test]
fn echo_sends_everything_back() {
    let server = Server::start(&["echo", "--listen", "*:0", "--verbose"]);
    let mut client = server.connect();
    let mut reader = client.try_clone().unwrap();
    let data: Vec<u8> = (0..5_000_000_usize).map(|number| ((number * 31) >> 3).to_le_bytes()[0]).collect();
    let expected = data.clone();
    let reading = thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    client.write_all(&data).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(reading.join().unwrap() == expected);
    let line = server.log.recv_timeout(LIMIT).unwrap();
    assert!(line.contains("echoed 5000000 bytes in "), "{line}");
    assert!(server.end(Signal::INT).success());
}

#[test]
fn a_signal_ends_it_while_clients_are_connected() {
    let server = Server::start(&["echo", "--listen", "127.0.0.1:0"]);
    let mut client = server.connect();
    client.write_all(b"x").unwrap();
    let mut byte = [0];
    client.read_exact(&mut byte).unwrap();
    client.write_all(b"unread perhaps").unwrap();
    assert!(server.end(Signal::TERM).success());
    client.read_to_end(&mut Vec::new()).expect("an end, not a reset");
}

#[test]
fn what_cannot_be_listened_on_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listen, words) in [
        (address.as_str(), format!("vestibule: cannot listen on {address}: address already in use\n")),
        (
            "192.0.2.1:80",
            "vestibule: cannot listen on 192.0.2.1:80: cannot assign requested address\n".into(),
        ),
    ] {
        let output = vestibule(&["echo", "--listen", listen]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), words);
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn what_is_no_address_is_told_with_the_usage() {
    let output = vestibule(&["fortune", "--listen", "localhost"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("`localhost` is not ADDRESS:PORT"), "{text}");
    let output = vestibule(&["fortune", "--file", "/nonexistent/fortunes"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("vestibule: cannot take fortunes from /nonexistent/fortunes: "), "{text}");
}
