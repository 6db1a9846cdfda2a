//! What slots may do while a connection through a proxy is made: end it, drop it, or make another, at every signal.
//!
//! 1. The signal is told; on the way to it the proxy's words are half heard, or bytes wait behind them.
//! 2. Its slot ends the attempt or the connection, and perhaps begins another.
//! 3. What was under way for the first must not touch the second, and nothing is told twice.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod scripted_proxy;
mod support;

use scripted_proxy::{HOST, METHOD, PORT, Play, REACHED};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use support::{World, settle, until};
use vestibule::{ProxyType, SocketState, TcpSocket};

const SIGNALS: [&str; 7] = ["looking up", "connecting", "found", "connected", "stands", "ready", "failed"];
const BOTH: [ProxyType; 2] = [ProxyType::Socks5, ProxyType::Http];

fn words(proxy_type: ProxyType, fails: bool) -> Vec<u8> {
    match (proxy_type, fails) {
        (ProxyType::Socks5, false) => [METHOD, REACHED, b"data"].concat(),
        (ProxyType::Socks5, true) => [METHOD, &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0], b"data"].concat(),
        (_, false) => b"HTTP/1.1 200 OK\r\n\r\ndata".to_vec(),
        (_, true) => b"HTTP/1.1 403 No\r\n\r\ndata".to_vec(),
    }
}

/// Has something done at a signal, the first time that it comes.
fn at(signal: &'static str, socket: &TcpSocket, act: impl Fn(&TcpSocket) + 'static) -> Rc<Cell<bool>> {
    let done = Rc::new(Cell::new(false));
    let (once, act) = (Rc::clone(&done), Rc::new(act));
    let act = move |socket: &TcpSocket| {
        if !once.replace(true) {
            act(socket);
        }
    };
    match signal {
        "found" => drop(socket.host_found().connect(act)),
        "stands" => drop(socket.connected().connect(act)),
        "ready" => drop(socket.ready_read().connect(act)),
        "failed" => drop(socket.error_occurred().connect(move |socket, _| act(socket))),
        state => drop(socket.state_changed().connect(move |socket, now| {
            if now.to_string().starts_with(state) {
                act(socket);
            }
        })),
    }
    done
}

/// Runs the attempt up to its signal; the proxy's sides of the connections to it.
fn run(play: &Play, proxy_type: ProxyType, signal: &str, done: &Cell<bool>) -> Vec<TcpSocket> {
    play.socket.connect_to_host(HOST, PORT).unwrap();
    let (words, mut sides) = (words(proxy_type, signal == "failed"), Vec::new());
    until(&play.event_loop, || {
        if let Some(far) = play.proxy.next_pending_connection() {
            if !done.get() {
                far.write(&words);
            }
            sides.push(far);
        }
        done.get()
    });
    sides
}

on_both! {
    fn a_slot_may_abort_or_end_the_connection_at_every_signal(world: &World) {
        for proxy_type in BOTH {
            for signal in SIGNALS {
                for aborts in [true, false] {
                    let play = Play::new(world, proxy_type);
                    let end = if aborts { TcpSocket::abort } else { TcpSocket::disconnect_from_host };
                    let done = at(signal, &play.socket, end);
                    let mut sides = run(&play, proxy_type, signal, &done);
                    if !aborts {
                        // It is remembered until the connection stands.
                        until(&play.event_loop, || {
                            sides.extend(play.proxy.next_pending_connection().inspect(|far| {
                                far.write(&words(proxy_type, false));
                            }));
                            play.socket.state() == SocketState::Unconnected
                        });
                    }
                    assert_eq!(play.socket.state(), SocketState::Unconnected, "{proxy_type} {signal}");
                    until(&play.event_loop, || sides.iter().all(|far| far.state() == SocketState::Unconnected));
                    settle(&play.event_loop);
                    let told = play.log.take();
                    assert_eq!(told.matches("unconnected").count(), 1, "{proxy_type} {signal}: {told}");
                    assert!(told.matches("stands").count() <= 1, "{told}");
                }
            }
        }
    }

    fn a_slot_may_begin_another_attempt_at_every_signal(world: &World) {
        for proxy_type in BOTH {
            for next_type in [Some(ProxyType::Socks5), Some(ProxyType::Http), None] {
                for signal in SIGNALS {
                    again(world, proxy_type, next_type, signal);
                }
            }
        }
    }

    fn a_slot_may_drop_the_socket_at_every_signal(world: &World) {
        for proxy_type in BOTH {
            for signal in SIGNALS {
                let play = Play::new(world, proxy_type);
                let place = Rc::new(RefCell::new(None));
                let taken = Rc::clone(&place);
                // In the call itself it is not in its place yet, and stays.
                let done = at(signal, &play.socket, move |_| drop(taken.take()));
                play.socket.connect_to_host(HOST, PORT).unwrap();
                let in_the_call = done.get();
                place.replace(Some(play.socket));
                let far = support::next(&play.event_loop, &play.proxy);
                far.write(&words(proxy_type, signal == "failed"));
                until(&play.event_loop, || done.get() && (in_the_call || far.state() == SocketState::Unconnected));
                assert_eq!(place.borrow().is_some(), in_the_call, "{proxy_type} {signal}");
                settle(&play.event_loop);
            }
        }
    }
}

/// The slot aborts, and connects through another proxy, or directly.
fn again(world: &World, first: ProxyType, next: Option<ProxyType>, signal: &'static str) {
    let play = Play::new(world, first);
    let port = play.proxy.server_port();
    let done = at(signal, &play.socket, move |socket| {
        socket.abort();
        let mut proxy = socket.proxy();
        let host = if next.is_some() { "other.test" } else { "127.0.0.1" };
        proxy.set_proxy_type(next.unwrap_or(ProxyType::None));
        socket.set_proxy(proxy);
        socket.connect_to_host(host, port).unwrap();
        assert_eq!(socket.write(b"second"), 6);
    });
    let mut sides = run(&play, first, signal, &done);
    // The one that stays is the second: it is answered, and heard what was written in the slot.
    let mut answer = next.map_or(Vec::new(), |next| words(next, false));
    answer.extend(b" of the second");
    until(&play.event_loop, || {
        sides.extend(play.proxy.next_pending_connection());
        let local = |far: &&TcpSocket| far.state() == SocketState::Connected;
        let open: Vec<_> = sides.iter().filter(local).collect();
        let heard = open.iter().any(|far| far.bytes_available() > 0);
        open.len() == 1 && heard && (was_in_the_call(signal) || sides.len() == 2)
    });
    let far = sides.iter().find(|far| far.state() == SocketState::Connected).unwrap();
    far.write(&answer);
    let all = if next.is_some() { &b"data of the second"[..] } else { b" of the second" };
    until(&play.event_loop, || play.socket.bytes_available() >= all.len());
    assert_eq!(play.socket.read_all(), all, "{first} {next:?} {signal}");
    assert_eq!((play.socket.state(), play.socket.local_addr()), (SocketState::Connected, far.peer_addr()));
    until(&play.event_loop, || far.bytes_available() >= 6);
    let mut heard = far.read_all();
    until(&play.event_loop, || {
        heard.extend(far.read_all());
        heard.ends_with(b"second")
    });
}

/// These are told in the call that connects, before anything is said to the proxy in the first attempt.
fn was_in_the_call(signal: &str) -> bool {
    ["looking up", "connecting", "found"].contains(&signal)
}
