//! Every way in which listening through a SOCKS5 proxy fails: the kind and the texts of the reference, and nothing left over.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use support::socks5_script::{Script, Step};
use support::socks5_wire::reply;
use support::{BlackHole, LIMIT, Log, Refusing, until};
use vestibule::SocketError as E;
use vestibule::{
    Error, EventLoop, HostAddress, ListenOptions, NetworkProxy, ProxyType, ServerState, TcpServer,
};

/// The descriptors are those of the process, so the tests take turns.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

const PASSWORD: &str = "open sesame";
const GREETING: [u8; 3] = [5, 1, 0];
const GREETING_WITH_USER: [u8; 3] = [5, 1, 2];
const BIND: [u8; 10] = [5, 2, 0, 1, 0, 0, 0, 0, 0, 0];
const PROTOCOL: &str = "SOCKS version 5 protocol error";

/// What a failure has to look like.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    kind: E,
    text: &'a str,
    /// How the sentence ends.
    words: &'a str,
}

/// A server which never listened, whose listening has failed as it should.
fn check(server: &TcpServer, wanted: Wanted<'_>) {
    assert_eq!((server.server_error(), server.error_string()), (wanted.kind, wanted.text));
    assert!(!server.is_listening() && !server.is_accepting());
    assert_eq!((server.state(), server.server_port()), (ServerState::Closed, 0));
    assert_eq!((server.server_address(), server.bound_addresses()), (HostAddress::NULL, vec![]));
}

fn check_error(error: &Error, proxy: &NetworkProxy, wanted: Wanted<'_>) {
    assert_eq!((error.kind(), error.error_string()), (wanted.kind, wanted.text), "{error}");
    let sentence = error.to_string();
    assert!(sentence.starts_with(&format!("cannot listen on *:0 through {proxy}: ")), "{sentence}");
    assert!(sentence.ends_with(wanted.words), "{sentence}");
    assert!(!format!("{error:?}{sentence}").contains(PASSWORD));
}

/// Listening fails in both ways, in the same way.
fn fails(proxy: &NetworkProxy, limit: Duration, wanted: Wanted<'_>) {
    let event_loop = EventLoop::new().unwrap();
    let before = open_descriptors();
    let server = TcpServer::new(&event_loop);
    server.set_proxy(proxy.clone());
    let options = ListenOptions::new((HostAddress::ANY, 0)).proxy_timeout(limit);
    let error = server.listen_with(options).unwrap_err();
    check_error(&error, proxy, wanted);
    check(&server, wanted);
    fails_in_background(&event_loop, proxy, options.in_background(true), wanted);
    until(&event_loop, || open_descriptors() <= before); // a script's own end may come later, or a lookup's
    server.listen(HostAddress::LOCALHOST, 0).unwrap(); // nothing of the failure is in the way
}

fn fails_in_background(
    event_loop: &EventLoop,
    proxy: &NetworkProxy,
    options: ListenOptions,
    wanted: Wanted<'_>,
) {
    let server = TcpServer::new(event_loop);
    server.set_proxy(proxy.clone());
    let log = Log::default();
    let words = log.clone();
    server.state_changed().connect(move |_, state| words.add(state.to_string()));
    let words = log.clone();
    server.listening_changed().connect(move |_, outcome| words.add(format!("{outcome:?}")));
    let words = log.clone();
    server.accept_error().connect(move |_, _| words.add("accept_error"));
    server.listen_with(options).unwrap();
    assert_eq!((server.state(), server.is_listening(), log.len()), (ServerState::Starting, false, 0));
    until(event_loop, || log.len() >= 3);
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    let told = log.take();
    let outcome = format!("Err({:?})", wanted.kind);
    // Changes of the state are told in the next turn.
    let orders = [format!("starting closed {outcome}"), format!("starting {outcome} closed")];
    assert!(orders.contains(&told), "{told}");
    check(&server, wanted);
}

/// The steps of a proxy that lead to a failure, which is the same with these steps each time.
fn fails_after(steps: &[Step], with_user: bool, wanted: Wanted<'_>) {
    let before = open_descriptors();
    let script = Script::new([steps.to_vec(), steps.to_vec()]);
    let proxy = script.as_proxy();
    let proxy = if with_user { proxy.with_credentials("ali", PASSWORD) } else { proxy };
    fails(&proxy, LIMIT, wanted);
    script.finish();
    assert!(open_descriptors() <= before);
}

/// Greeted without a user, the proxy is asked for a BIND, and this is what it answers.
fn answer(bytes: Vec<u8>) -> Vec<Step> {
    vec![
        Step::Expect(GREETING.to_vec()),
        Step::Send(vec![5, 0]),
        Step::Expect(BIND.to_vec()),
        Step::Send(bytes),
    ]
}

/// The proxy answers the greeting so.
fn first_answer(with_user: bool, bytes: &[u8]) -> Vec<Step> {
    let greeting = if with_user { GREETING_WITH_USER } else { GREETING };
    vec![Step::Expect(greeting.to_vec()), Step::Send(bytes.to_vec())]
}

/// What is sent of the user and the password is answered so.
fn verdict(bytes: &[u8]) -> Vec<Step> {
    let mut message = b"\x01\x03ali\x0b".to_vec();
    message.extend(PASSWORD.bytes());
    let mut steps = first_answer(true, &[5, 2]);
    steps.extend([Step::Expect(message), Step::Send(bytes.to_vec())]);
    steps
}

fn then(mut steps: Vec<Step>, last: Step) -> Vec<Step> {
    steps.push(last);
    steps
}

#[test]
fn every_code_of_a_reply_has_its_kind_and_its_text() {
    let _alone = alone();
    for code in 1..=255 {
        let unknown = format!("the proxy answered with the unknown code {code:#04x}");
        let (kind, text, words) = match code {
            1 => (E::Network, "General SOCKSv5 server failure", "the proxy failed"),
            2 => (E::SocketAccess, "Connection not allowed by SOCKSv5 server", "the proxy does not allow it"),
            3 => (E::Network, "Network unreachable", "the network is unreachable from the proxy"),
            4 => (E::HostNotFound, "Host not found", "the proxy does not find the host"),
            5 => (E::ConnectionRefused, "Connection refused", "the host refused the proxy's connection"),
            6 => (E::Network, "TTL expired", "the time to live expired behind the proxy"),
            7 => (E::UnsupportedSocketOperation, "SOCKSv5 command not supported", "the command"),
            8 => (E::UnsupportedSocketOperation, "Address type not supported", "the type of the address"),
            _ => (E::Unknown, "Unknown SOCKSv5 proxy error code", unknown.as_str()),
        };
        let wanted = Wanted { kind, text, words };
        fails_after(&answer(reply(code, ([0, 0, 0, 0], 0).into())), false, wanted);
    }
}

#[test]
fn an_answer_against_the_protocol_is_a_protocol_error() {
    let _alone = alone();
    let named = [&[5, 0, 0, 3, 4][..], b"host", &[0, 80]].concat();
    for (steps, words) in [
        (first_answer(false, &[4, 0]), "it answers with the version 4, not 5"),
        (first_answer(false, b"HTTP/1.0 400 Bad Request\r\n\r\n"), "it answers with the version 72, not 5"),
        (answer(vec![4, 0, 0, 1, 127, 0, 0, 1, 0, 80]), "its reply has the version 4, not 5"),
        (answer(vec![5, 0, 9, 1, 127, 0, 0, 1, 0, 80]), "the reserved byte of its reply is not 0"),
        (answer(vec![5, 0, 0, 2, 127, 0, 0, 1, 0, 80]), "its reply has an address of the unknown type 2"),
        (answer(named), "its reply has a name for an address"),
    ] {
        fails_after(&steps, false, Wanted { kind: E::ProxyProtocol, text: PROTOCOL, words });
    }
}

#[test]
fn a_proxy_that_wants_other_credentials_says_so() {
    let _alone = alone();
    let not_accepted = "it does not accept the user and the password";
    for (steps, with_user, words) in [
        (first_answer(false, &[5, 0xff]), false, "it wants to know who asks"),
        (first_answer(true, &[5, 0xff]), true, "it does not take a user and a password"),
        (verdict(&[1, 1]), true, not_accepted),
        (verdict(&[1, 255]), true, not_accepted),
        (verdict(&[5, 0]), true, not_accepted),
    ] {
        let (kind, text) = (E::ProxyAuthenticationRequired, "Proxy authentication failed");
        fails_after(&steps, with_user, Wanted { kind, text, words });
    }
}

#[test]
fn a_method_that_was_not_offered_fails_at_once() {
    let _alone = alone();
    for (with_user, method) in [(false, 2), (true, 0), (false, 1), (true, 0x80)] {
        let words = &format!("it chose the method {method:#04x}, which was not offered");
        let wanted = Wanted { kind: E::SocketTimeout, text: "Network operation timed out", words };
        fails_after(&first_answer(with_user, &[5, method]), with_user, wanted);
    }
}

#[test]
fn a_proxy_that_ends_the_connection_early_is_told_as_such() {
    let _alone = alone();
    let talks = [
        vec![Step::Expect(GREETING.to_vec())],
        first_answer(false, &[5]),
        answer(vec![]),
        answer(vec![5, 0, 0, 1, 127, 0, 0, 1, 0]),
    ];
    for talk in talks {
        for (last, words) in
            [(Step::End, "the proxy closed the connection"), (Step::Reset, "connection reset by peer")]
        {
            let (kind, text) = (E::ProxyConnectionClosed, "Connection to proxy closed prematurely");
            fails_after(&then(talk.clone(), last), false, Wanted { kind, text, words });
        }
    }
    let closed = "the proxy closed the connection";
    let (kind, text) = (E::ProxyConnectionClosed, "Connection to proxy closed prematurely");
    fails_after(&then(verdict(&[1]), Step::End), true, Wanted { kind, text, words: closed });
}

#[test]
fn a_silent_proxy_is_waited_for_as_long_as_was_said() {
    let _alone = alone();
    let limit = Duration::from_millis(50);
    for steps in [vec![], first_answer(false, &[5]), answer(vec![]), answer(vec![5, 0, 0])] {
        let script = Script::new([steps.clone(), steps]);
        let (kind, text) = (E::SocketTimeout, "Network operation timed out");
        fails(&script.as_proxy(), limit, Wanted { kind, text, words: "connection timed out" });
        script.finish();
    }
    let hole = BlackHole::new();
    let proxy = NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", hole.port);
    let (kind, text) = (E::ProxyConnectionTimeout, "Connection to proxy timed out");
    fails(&proxy, limit, Wanted { kind, text, words: "connection timed out" });
}

#[test]
fn a_proxy_that_is_not_there_is_told_as_such() {
    let _alone = alone();
    let refusing = Refusing::new();
    let proxy = NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", refusing.port);
    let (kind, text) = (E::ProxyConnectionRefused, "Connection to proxy refused");
    fails(&proxy, LIMIT, Wanted { kind, text, words: "connection refused" });
    let proxy = NetworkProxy::new(ProxyType::Socks5, "no-such-host.invalid", 1080);
    fails(&proxy, LIMIT, Wanted { kind: E::ProxyNotFound, text: "Proxy host not found", words: "" });
}

#[test]
fn credentials_that_do_not_fit_are_never_sent() {
    let _alone = alone();
    let script = Script::new([vec![], vec![]]);
    let proxy = script.as_proxy().with_credentials("u".repeat(256), PASSWORD);
    let (kind, text) = (E::ProxyAuthenticationRequired, "Proxy authentication failed");
    let words = "user and password have room for 255 bytes each";
    fails(&proxy, LIMIT, Wanted { kind, text, words });
    assert!(script.finish().concat().is_empty());
}
