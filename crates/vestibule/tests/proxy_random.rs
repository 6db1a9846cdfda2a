//! Proxies that answer anything, in any parts: every attempt has one end, which depends on the bytes alone, and leaves nothing.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use scripted_proxy::{BEGUN, HOST, METHOD, Play, REACHED, once};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use support::{World, settle, until};
use vestibule::{
    HostAddress, ListenOptions, NetworkProxy, ProxyType, ServerState, SocketError, SocketState, TcpServer,
    TcpSocket,
};

/// Something that a proxy may say, with a few bytes wrong, cut somewhere.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let name = b"\x05\0\x05\0\0\x03\x05there\0\x50data".to_vec();
    let bind = [METHOD, REACHED, &[5, 0, 0, 4], &[0xfd; 18], b"data"].concat();
    let valid = prop_oneof![
        Just([METHOD, REACHED, b"data"].concat()),
        Just(name),
        Just(bind),
        Just(b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\ndata".to_vec()),
        Just(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204\r\n\r\ndata".to_vec()),
        Just(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno".to_vec()),
    ];
    let wrong = vec((any::<usize>(), any::<u8>()), 0..3);
    let changed = (valid, wrong, any::<usize>(), any::<bool>()).prop_map(|(mut bytes, wrong, cut, whole)| {
        for (place, byte) in wrong {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        if !whole {
            bytes.truncate(cut % bytes.len());
        }
        bytes
    });
    prop_oneof![8 => changed, 1 => vec(any::<u8>(), 0..100)]
}

fn proxy_types() -> impl Strategy<Value = ProxyType> {
    prop_oneof![Just(ProxyType::Socks5), Just(ProxyType::Http)]
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// One test at a time: the descriptors are the process's.
fn leaves_no_descriptor(test: impl FnOnce()) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    test();
    assert_eq!(open(), before);
}

/// Says the answer in parts of these sizes.
fn say_in_parts(far: &TcpSocket, answer: &[u8], sizes: &[usize], play: &Play) {
    let mut rest = answer;
    for size in sizes.iter().copied().chain([answer.len()]) {
        let (part, behind) = rest.split_at(size.min(rest.len()));
        if far.state() != SocketState::Connected {
            return; // the attempt is over, and told so
        }
        play.says(far, part);
        rest = behind;
    }
}

/// How an attempt ends, with what was told and what was received.
fn attempt(
    seed: u64,
    proxy_type: ProxyType,
    answer: &[u8],
    sizes: &[usize],
    ends: bool,
) -> (String, Vec<u8>) {
    let play = Play::new(&World::simulation(seed), proxy_type);
    let far = play.begin(HOST);
    settle(&play.event_loop);
    say_in_parts(&far, answer, sizes, &play);
    settle(&play.event_loop);
    if ends {
        far.disconnect_from_host();
        play.until_over();
    } else if play.socket.state() == SocketState::Connecting {
        assert_eq!(play.log.take(), BEGUN);
        play.socket.abort();
        assert_eq!(play.log.take(), "unconnected finished");
        until(&play.event_loop, || far.state() == SocketState::Unconnected);
        return ("waiting".to_owned(), Vec::new());
    }
    settle(&play.event_loop);
    let told = once(&play.log.take());
    let end = told.strip_prefix(BEGUN).unwrap().trim().to_owned();
    let connected = end.starts_with("connected stands");
    let failed = end == format!("unconnected {:?}", play.socket.error());
    assert!(connected != failed, "{end}");
    assert_eq!(
        (end.matches("unconnected").count(), end.matches("stands").count()),
        (usize::from(failed || ends), usize::from(connected))
    );
    (end, play.socket.read_all())
}

/// How listening in the background ends, which the proxy answers so; the proxy's side of every other BIND ends at once.
fn listening(seed: u64, answer: &[u8], sizes: &[usize]) -> Vec<Result<(), SocketError>> {
    let play = Play::new(&World::simulation(seed), ProxyType::Socks5);
    let server = TcpServer::new(&play.event_loop);
    server.set_proxy(NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", play.proxy.server_port()));
    let told = Rc::new(RefCell::new(Vec::new()));
    let list = Rc::clone(&told);
    server.listening_changed().connect(move |_, result| list.borrow_mut().push(result));
    server.listen_with(ListenOptions::new((HostAddress::ANY_IPV4, 0)).in_background(true)).unwrap();
    assert_eq!(server.state(), ServerState::Starting);
    let far = play.proxy_side();
    say_in_parts(&far, answer, sizes, &play);
    far.disconnect_from_host();
    until(&play.event_loop, || !told.borrow().is_empty());
    let first = told.borrow()[0];
    assert_eq!(server.state() == ServerState::Closed, first.is_err());
    server.close();
    settle(&play.event_loop);
    assert_eq!((server.state(), server.bound_addresses()), (ServerState::Closed, vec![]));
    let told = told.take();
    assert_eq!(told.len(), 1, "{told:?}");
    told
}

#[test]
fn every_attempt_to_connect_has_one_end_that_depends_on_the_bytes_alone() {
    leaves_no_descriptor(|| {
        proptest!(config(), |(seed in any::<u64>(), other in any::<u64>(), proxy_type in proxy_types(), answer in answers(),
            sizes in vec(0..12_usize, 0..8), ends in any::<bool>())| {
            let end = attempt(seed, proxy_type, &answer, &sizes, ends);
            assert_eq!(end, attempt(other, proxy_type, &answer, &[], ends));
        });
    });
}

#[test]
fn every_try_to_listen_in_the_background_has_one_end_that_depends_on_the_bytes_alone() {
    leaves_no_descriptor(|| {
        proptest!(config(), |(seed in any::<u64>(), other in any::<u64>(), answer in answers(), sizes in vec(0..12_usize, 0..8))| {
            let end = listening(seed, &answer, &sizes);
            assert_eq!(end, listening(other, &answer, &[]));
        });
    });
}
