//! Every example does what its header says, as a program of its own.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod example_programs;

use example_programs::{LIMIT, Server, run};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::thread;
use std::time::Duration;

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(String::from).collect()
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
        assert_eq!(lines(&run("fortune_client", &["localhost", &server.port(), "20"])).len(), 20);
        assert_eq!(lines(&run("blocking_fortune_client", &["127.0.0.1", &server.port(), "20"])).len(), 20);
    }
}

#[test]
fn a_server_listens_on_all_addresses_unless_told() {
    let server = Server::start("fortune_server", &[]);
    assert_eq!(lines(&run("fortune_client", &["127.0.0.1", &server.port()])).len(), 1);
}

#[test]
fn the_wire_format_is_that_of_the_reference() {
    let server = Server::start("fortune_server", &["127.0.0.1:0"]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
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
