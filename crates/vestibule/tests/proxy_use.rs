//! Which proxy of those that are to be used is used, and when none is.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod proxy_turns;
mod support;

use proxy_turns::{
    HOST, Turn, answering, cannot_listen, connects_directly, failure, listens_directly, proxy, server,
    simulated_socket, taken,
};
use support::{Refusing, settle, until};
use vestibule::{
    HostAddress, NetworkProxy, NetworkProxyFactory as Factory, NetworkProxyQuery, ProxyCapabilities,
    ProxyType, SocketError, SocketState, TcpSocket,
};

#[test]
fn nobody_is_asked_for_this_host_itself() {
    let _turn = Turn::begin();
    let refusing = Refusing::new();
    let queries = answering(&[proxy(ProxyType::Socks5, refusing.port)]);
    for own in [NetworkProxy::default(), proxy(ProxyType::Socks5, refusing.port), proxy(ProxyType::Http, 1)] {
        let (event_loop, server) = server();
        server.set_proxy(own.clone());
        assert_eq!(server.proxy(), own);
        server.listen(HostAddress::LOCALHOST, 0).unwrap();
        let socket = TcpSocket::new(&event_loop);
        socket.set_proxy(own.clone());
        for host in ["127.0.0.1", "127.0.0.2", "localhost", "LocalHost"] {
            socket.connect_to_host(host, server.server_port()).unwrap();
            until(&event_loop, || {
                matches!(socket.state(), SocketState::Connected | SocketState::Unconnected)
            });
            assert_eq!(socket.state() == SocketState::Connected, host != "127.0.0.2", "{host}");
            assert!(host != "127.0.0.2" || socket.error() == SocketError::ConnectionRefused);
            socket.abort();
        }
    }
    for host in ["::1", "x.localhost", "localhost.", "::ffff:127.0.0.1"] {
        let query = NetworkProxyQuery::for_socket(host, 80);
        assert_eq!(Factory::proxy_for_query(&query), [NetworkProxy::NONE], "{host}");
    }
    assert_eq!(taken(&queries), []);
}

#[test]
fn the_first_that_can_is_used_and_nothing_means_no_proxy() {
    let _turn = Turn::begin();
    let (refusing, other) = (Refusing::new(), Refusing::new());
    let refused = |proxy_type| proxy(proxy_type, refusing.port);
    let later = proxy(ProxyType::Socks5, other.port);
    let (_event_loop, server) = server();
    let (_another, socket) = simulated_socket();
    let caching = [proxy(ProxyType::HttpCaching, 9), proxy(ProxyType::FtpCaching, 9)];
    for answer in [
        vec![],
        vec![NetworkProxy::default()],
        vec![NetworkProxy::NONE, later.clone()],
        [&caching[..], &[NetworkProxy::default(), later.clone()]].concat(),
    ] {
        let _queries = answering(&answer);
        assert!(listens_directly(&server) && connects_directly(&socket), "{answer:?}");
    }
    let _queries = answering(&[proxy(ProxyType::Http, other.port), NetworkProxy::NONE]);
    assert!(listens_directly(&server));
    let _queries =
        answering(&[&caching[..], &[refused(ProxyType::Socks5), later, NetworkProxy::NONE]].concat());
    let (kind, text, sentence) = cannot_listen(&server);
    assert_eq!((kind, text), (SocketError::ProxyConnectionRefused, "Connection to proxy refused"));
    assert!(sentence.contains(&format!(" through {}: ", refused(ProxyType::Socks5))), "{sentence}");
    for proxy_type in [ProxyType::Socks5, ProxyType::Http] {
        let used = proxy(proxy_type, 9);
        let _queries = answering(&[&caching[..], &[used.clone(), NetworkProxy::NONE]].concat());
        let (kind, sentence) = failure(&socket);
        assert_eq!(kind, SocketError::ProxyConnectionRefused);
        assert!(sentence.starts_with(&format!("cannot connect to {HOST}:80 through {used}: ")), "{sentence}");
    }
}

#[test]
fn what_no_proxy_can_do_is_not_supported() {
    let _turn = Turn::begin();
    let mut forced = proxy(ProxyType::Http, 1);
    forced.set_capabilities(ProxyCapabilities::all());
    let mut crippled = proxy(ProxyType::Socks5, 1);
    crippled.set_capabilities(ProxyCapabilities::HOST_NAME_LOOKUP);
    let caching = [proxy(ProxyType::HttpCaching, 1), proxy(ProxyType::FtpCaching, 1)];
    let (_event_loop, server) = server();
    for one in [&caching[..], &[proxy(ProxyType::Http, 1), forced, crippled.clone()]].concat() {
        for own in [true, false] {
            server.set_proxy(if own { one.clone() } else { NetworkProxy::default() });
            NetworkProxy::set_application_proxy(if own { NetworkProxy::NONE } else { one.clone() });
            let (kind, text, _) = cannot_listen(&server);
            assert_eq!(
                (kind, text),
                (SocketError::UnsupportedSocketOperation, "Operation on socket is not supported")
            );
        }
    }
    NetworkProxy::set_application_proxy(NetworkProxy::NONE);
    server.set_proxy(NetworkProxy::default());
    assert!(listens_directly(&server));
    let (event_loop, socket) = simulated_socket();
    for one in [&caching[..], &[crippled]].concat() {
        socket.set_proxy(one);
        let (kind, sentence) = failure(&socket);
        assert_eq!(
            (kind, socket.error_string()),
            (SocketError::UnsupportedSocketOperation, "Operation on socket is not supported")
        );
        assert_eq!(
            sentence,
            "cannot connect to there.test:80: none of the proxies that are to be used can do it"
        );
        settle(&event_loop);
        assert_eq!(socket.state(), SocketState::Unconnected);
    }
}

#[test]
fn a_proxy_of_ones_own_beats_the_applications() {
    let _turn = Turn::begin();
    let refusing = Refusing::new();
    let queries = answering(&[proxy(ProxyType::Http, 1)]);
    let (_event_loop, server) = server();
    let (_another, socket) = simulated_socket();
    server.set_proxy(NetworkProxy::NONE);
    socket.set_proxy(NetworkProxy::NONE);
    assert!(listens_directly(&server) && connects_directly(&socket));
    server.set_proxy(proxy(ProxyType::Socks5, refusing.port));
    assert_eq!(cannot_listen(&server).0, SocketError::ProxyConnectionRefused);
    socket.set_proxy(proxy(ProxyType::Socks5, 9));
    assert_eq!(failure(&socket).0, SocketError::ProxyConnectionRefused);
    assert_eq!(taken(&queries), []);
    // It is the one of the next call, not of what stands.
    server.set_proxy(NetworkProxy::NONE);
    server.listen(HostAddress::ANY_IPV4, 0).unwrap();
    server.set_proxy(proxy(ProxyType::Http, 1));
    assert!(server.is_listening());
}
