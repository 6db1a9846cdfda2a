//! What a server does that loses its SOCKS5 proxy, or BINDs at it: it says so once, asks again, and listens again by itself.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::socks5::{OnBind, Proxy};
use support::socks5_script::{Script, Step};
use support::socks5_server::{behind, client, follow, listening, options, take_sorted};
use support::socks5_wire::reply;
use support::{LIMIT, next, settle, until};
use vestibule::{EventLoop, HostAddress, ServerState, SocketError, TcpServer};

/// A client comes and is let in.
fn visit(event_loop: &EventLoop, server: &TcpServer) {
    let mut client = client(event_loop, server);
    let socket = next(event_loop, server);
    assert_eq!(socket.peer_addr(), Some(client.local_addr()));
    client.send(event_loop, b"hello");
    until(event_loop, || socket.bytes_available() == 5);
    socket.write(&socket.read_all());
    assert_eq!(client.receive(event_loop, 5), b"hello");
}

#[test]
fn a_server_whose_proxy_comes_back_listens_again_by_itself() {
    let mut proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 3);
    let log = follow(&server);
    for _ in 0..3 {
        visit(&event_loop, &server);
        until(&event_loop, || server.bound_addresses().len() == 3);
        let (port, failures) = (server.server_port(), server.statistics().errors.unknown);
        assert_eq!(log.take(), "");
        proxy.kill();
        until(&event_loop, || server.statistics().errors.unknown >= failures + 8); // each BIND, and more tries
        assert_eq!(take_sorted(&log), ["ProxyConnectionClosed", "starting"], "once");
        assert_eq!((server.is_listening(), server.state()), (false, ServerState::Starting));
        assert_eq!((server.server_port(), server.bound_addresses()), (0, vec![]));
        assert_eq!(server.server_error(), SocketError::ProxyConnectionClosed);
        proxy.take_requests();
        proxy.start();
        until(&event_loop, || server.bound_addresses().len() == 3);
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        assert_eq!(take_sorted(&log), ["Ok(())", "listening"], "and it has not moved");
        assert_eq!(server.server_port(), port);
        assert_eq!(proxy.take_requests()[0], format!("bind 0.0.0.0:{port}"));
    }
    visit(&event_loop, &server);
}

#[test]
fn a_single_wait_outlasts_the_absence_of_the_proxy() {
    let mut proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 2);
    let log = follow(&server);
    visit(&event_loop, &server);
    until(&event_loop, || server.bound_addresses().len() == 2);
    let port = server.server_port();
    let client = thread::scope(|scope| {
        let visitor = scope.spawn(|| {
            proxy.kill();
            proxy.take_requests();
            proxy.start();
            TcpStream::connect(proxy.claim()).unwrap()
        });
        assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
        visitor.join().unwrap()
    });
    assert_eq!(take_sorted(&log), ["Ok(())", "ProxyConnectionClosed", "listening", "starting"]);
    let socket = server.next_pending_connection().unwrap();
    assert_eq!(socket.peer_addr(), Some(client.local_addr().unwrap()));
    assert_eq!((server.server_port(), &proxy.take_requests()[0]), (port, &format!("bind 0.0.0.0:{port}")));
}

#[test]
fn a_bind_that_the_proxy_gives_up_is_asked_for_again() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 1);
    let log = follow(&server);
    let port = server.server_port();
    for opened in 2..5 {
        until(&event_loop, || proxy.idle() == 1);
        proxy.close_idle();
        until(&event_loop, || log.len() == 4);
        assert_eq!(take_sorted(&log), ["Ok(())", "ProxyConnectionClosed", "listening", "starting"]);
        assert_eq!((server.server_port(), proxy.opened()), (port, opened));
    }
    visit(&event_loop, &server);
}

/// The proxy gives no port that was asked for, and after a client none that it has given before.
#[test]
fn a_refused_port_is_given_up_for_the_one_that_the_program_wanted() {
    const WANTED: u16 = 7000;
    let proxy = Proxy::new();
    proxy.on_bind(|port| if port == WANTED { OnBind::Elsewhere } else { OnBind::Refuse(1) });
    let (event_loop, server) = behind(proxy.as_proxy());
    let log = follow(&server);
    server.listen(HostAddress::ANY, WANTED).unwrap();
    until(&event_loop, || log.len() == 2);
    assert_eq!(take_sorted(&log), ["listening", "starting"]);
    let wanted = format!("bind 0.0.0.0:{WANTED}");
    assert_eq!(proxy.take_requests(), [wanted.as_str()]);
    for _ in 0..3 {
        let port = server.server_port();
        visit(&event_loop, &server);
        until(&event_loop, || log.len() == 5);
        assert_eq!(take_sorted(&log), ["Network", "Ok(())", "listening", "moved", "starting"]);
        assert_eq!(proxy.take_requests(), [format!("bind 0.0.0.0:{port}"), wanted.clone()]);
        assert_ne!(server.server_port(), port);
    }
}

/// The second of two BINDs is refused until the proxy is generous.
#[test]
fn a_bind_that_fails_beside_one_that_stands_does_not_stop_that() {
    let proxy = Proxy::new();
    let (generous, number) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let may = Arc::clone(&generous);
    proxy.on_bind(move |port| match (number.fetch_add(1, Ordering::Relaxed), port) {
        (1, _) => OnBind::Refuse(1),
        (2.., 0) if !may.load(Ordering::Relaxed) => OnBind::Refuse(1), // what it asks for then
        _ => OnBind::AsAsked,
    });
    let (event_loop, server) = behind(proxy.as_proxy());
    server.listen_with(options().proxy_binds(2)).unwrap();
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    let log = follow(&server);
    let port = server.server_port();
    for failures in [3, 5, 7] {
        until(&event_loop, || server.statistics().errors.unknown >= failures);
        assert_eq!((server.state(), server.is_accepting()), (ServerState::Listening, true));
        assert_eq!(server.server_port(), port);
        visit(&event_loop, &server);
    }
    assert_eq!((log.take(), server.server_error()), ("Network".into(), SocketError::Network));
    generous.store(true, Ordering::Relaxed);
    until(&event_loop, || server.bound_addresses().len() == 2);
    assert_eq!(log.len(), 0);
    visit(&event_loop, &server);
}

/// A server that asks for its proxy in vain is closed, or drained: it asks no more.
#[test]
fn who_has_given_up_the_proxy_does_not_ask_again() {
    for drains in [false, true] {
        let mut proxy = Proxy::new();
        let (event_loop, server) = listening(&proxy, 2);
        let log = follow(&server);
        let words = log.clone();
        server.drained().connect(move |_, report| words.add(format!("{}", report.left_in_queue)));
        proxy.kill();
        until(&event_loop, || server.statistics().errors.unknown >= 4);
        assert_eq!(take_sorted(&log), ["ProxyConnectionClosed", "starting"]);
        let (opened, failures) = (proxy.opened(), server.statistics().errors.unknown);
        if drains {
            server.drain(LIMIT);
        } else {
            server.close();
        }
        proxy.start();
        until(&event_loop, || server.state() == ServerState::Closed);
        settle(&event_loop);
        assert_eq!(take_sorted(&log), if drains { vec!["0", "closed", "draining"] } else { vec!["closed"] });
        assert_eq!((proxy.opened(), server.statistics().errors.unknown), (opened, failures));
        server.listen_with(options()).unwrap();
        visit(&event_loop, &server);
    }
}

/// 1. In a pause a client comes to the only BIND, and the proxy dies: the server knows nothing of that.
/// 2. The pause ends. The client is let in, and the next BIND fails.
#[test]
fn a_pause_hides_the_loss_of_the_proxy_until_it_ends() {
    let mut proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 1);
    let log = follow(&server);
    server.pause_accepting();
    let far = client(&event_loop, &server);
    until(&event_loop, || server.bound_addresses().is_empty());
    proxy.kill();
    settle(&event_loop);
    assert_eq!((log.take(), server.state(), proxy.opened()), ("paused".into(), ServerState::Paused, 1));
    server.resume_accepting();
    until(&event_loop, || server.statistics().errors.unknown >= 3);
    assert_eq!(server.statistics().accepted, 1);
    assert_eq!(next(&event_loop, &server).peer_addr(), Some(far.local_addr()));
    let told = take_sorted(&log);
    assert_eq!(told.iter().filter(|word| *word == "ProxyConnectionRefused").count(), 1, "{told:?}");
    assert_eq!(server.state(), ServerState::Starting);
    server.pause_accepting();
    proxy.start();
    until(&event_loop, || server.is_listening());
    assert_eq!(server.state(), ServerState::Paused);
    server.resume_accepting();
    visit(&event_loop, &server);
}

/// Some proxies say nothing when a port is taken: they close the connection, or let the client wait.
#[test]
fn a_port_that_is_asked_for_in_vain_is_given_up() {
    for silent in [OnBind::Close, OnBind::Ignore] {
        let proxy = Proxy::new();
        proxy.on_bind(move |port| if port == 0 { OnBind::Elsewhere } else { silent });
        let (event_loop, server) = behind(proxy.as_proxy());
        server.listen_with(options().proxy_timeout(Duration::from_millis(50))).unwrap();
        for _ in 0..2 {
            visit(&event_loop, &server);
            until(&event_loop, || !server.bound_addresses().is_empty());
        }
        let asked = proxy.take_requests();
        let fallen_back = asked.iter().filter(|request| *request == "bind 0.0.0.0:0").count();
        assert_eq!(fallen_back, 3, "at first, and twice after two tries: {asked:?}");
    }
}

/// A second reply that is begun and not ended: the client is the proxy's loss, the BIND is asked for again.
#[test]
fn a_second_reply_has_to_end_in_time() {
    let address = std::net::SocketAddr::from(([192, 0, 2, 7], 7));
    let said = [vec![5, 0], reply(0, address), vec![5, 0, 0]].concat();
    let script = Script::new([vec![Step::Send(said), Step::Leave]]);
    let (event_loop, server) = behind(script.as_proxy());
    let log = follow(&server);
    server.listen_with(options().proxy_timeout(Duration::from_millis(50))).unwrap();
    until(&event_loop, || server.state() == ServerState::Starting);
    assert_eq!(server.server_error(), SocketError::ProxyConnectionClosed);
    settle(&event_loop);
    assert!(log.take().contains("ProxyConnectionClosed"));
}

/// First one BIND has a client that may not come in, and the other is lost and will be asked for again later. Then a drain begins,
/// and a wait for its end, which must not look again and again.
#[test]
fn a_wait_for_the_end_of_a_drain_sleeps() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 2);
    server.set_max_pending_connections(0);
    let _client = client(&event_loop, &server);
    until(&event_loop, || server.kernel_queue().unwrap().depth == 1);
    proxy.on_bind(|_| OnBind::Close);
    proxy.close_idle();
    until(&event_loop, || server.statistics().errors.unknown >= 1);
    let time = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let before = time();
    server.drain(Duration::from_millis(500));
    assert!(!server.wait_for_new_connection(Some(LIMIT)).unwrap());
    let used = time() - before;
    assert_eq!((used.tv_sec, used.tv_nsec < 100_000_000), (0, true), "{used:?} of CPU in half a second");
}
