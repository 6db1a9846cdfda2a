//! The program behind a SOCKS5 proxy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

#[path = "../../vestibule/tests/support/socks5.rs"]
#[allow(dead_code, unreachable_pub, reason = "the library's tests use it all")]
mod socks5;
#[path = "../../vestibule/tests/support/socks5_wire.rs"]
#[allow(dead_code, unreachable_pub, reason = "the library's tests use it all")]
mod socks5_wire;

use rustix::process::Signal;
use socks5::{OnBind, Proxy};
use std::io::{Read, Write};
use std::net::TcpStream;
use support::{LIMIT, Server, vestibule};

fn fortune_at(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn clients_come_through_the_proxy_and_the_port_is_told_when_it_changes() {
    let proxy = Proxy::new();
    proxy.on_bind(|_| OnBind::Elsewhere);
    let url = format!("socks5://127.0.0.1:{}", proxy.port);
    let server = Server::start(&["fortune", "--proxy", &url, "-v"]);
    assert_eq!(server.first_line, format!("listening on {} through {url}", server.address));
    let mut address = proxy.claim();
    assert_eq!(address, server.address);
    for _ in 0..5 {
        assert!(fortune_at(address).ends_with('\n'));
        let line = server.log.recv_timeout(LIMIT).unwrap();
        assert!(line.contains(": told fortune "), "{line}");
        let next = server.output.recv_timeout(LIMIT).unwrap();
        address = proxy.claim();
        assert_eq!(next, format!("listening on {address} through {url}"));
    }
    assert!(server.end(Signal::TERM).success());
}

/// A password in the file, in the environment, in the URL.
#[test]
fn a_password_comes_from_where_nobody_sees_it() {
    let proxy = Proxy::new();
    proxy.require("me", "se:cret@home");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"se:cret@home\nand a comment\n").unwrap();
    let (plain, file) = (format!("socks5://me@127.0.0.1:{}", proxy.port), file.path().to_str().unwrap());
    let spelled = format!("socks5://me:se%3Acret%40home@127.0.0.1:{}", proxy.port);
    let serves = |arguments: &[&str], variable: Option<&str>| {
        let mut command = vestibule(arguments);
        command.env_remove("VESTIBULE_PROXY_PASSWORD");
        if let Some(variable) = variable {
            command.env("VESTIBULE_PROXY_PASSWORD", variable);
        }
        Server::spawn(command)
    };
    for (arguments, variable) in [
        (vec!["fortune", "--proxy", &plain, "--proxy-password-file", file], None),
        (vec!["fortune", "--proxy", &plain], Some("se:cret@home")),
        (vec!["fortune", "--proxy", &spelled], Some("another, which counts for nothing")),
    ] {
        let server = serves(&arguments, variable);
        assert_eq!(server.address, proxy.claim());
        assert!(!fortune_at(server.address).is_empty());
        assert!(server.end(Signal::TERM).success());
    }
}

#[test]
fn what_cannot_be_done_is_told_without_the_password() {
    let complaint = |arguments: &[&str]| {
        let mut command = vestibule(arguments);
        let output = command.env_remove("VESTIBULE_PROXY_PASSWORD").output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    };
    let proxy = Proxy::new();
    proxy.require("me", "right");
    let url = format!("socks5://me:secret@127.0.0.1:{}", proxy.port);
    for (arguments, words) in [
        (vec!["--proxy", &url], "it does not accept the user and the password"),
        (vec!["--proxy", &url, "--listen", "127.0.0.1:0"], "no proxy listens there for it"),
        (vec!["--proxy", &url, "--workers", "2"], "behind a proxy there is one worker"),
        (vec!["--proxy", "http://me:secret@127.0.0.1:1"], "through a SOCKS5 proxy alone"),
        (vec!["--proxy", "me:secret@127.0.0.1"], "cannot read the proxy"),
        (
            vec!["--proxy", &url, "--proxy-password-file", "/nonexistent"],
            "cannot read the password in /nonexistent",
        ),
    ] {
        let arguments: Vec<_> = std::iter::once("echo").chain(arguments).collect();
        let complaint = complaint(&arguments);
        assert!(complaint.starts_with("vestibule: ") && complaint.contains(words), "{complaint}");
        assert!(!complaint.contains("secret"), "{complaint}");
    }
}
