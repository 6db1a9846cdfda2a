//! What decides which proxy is used: proxies themselves, and the application's proxy, factory and system configuration.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod proxy_turns;
mod support;

use proxy_turns::{
    HOST, Turn, answering, connects_directly, failure, listens_directly, proxy, server, simulated_socket,
    taken,
};
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use support::{Refusing, settle, until};
use vestibule::{
    HostAddress, NetworkProxy, NetworkProxyFactory as Factory, NetworkProxyQuery, ProxyCapabilities,
    ProxyQueryType, ProxyType, ServerState, SocketError, SocketState, TcpSocket,
};

#[test]
fn a_proxy_is_what_it_was_made_of() {
    let mut one = NetworkProxy::default();
    assert_eq!(
        (one.proxy_type(), one.host_name(), one.port(), one.user(), one.password()),
        (ProxyType::Default, "", 0, "", "")
    );
    assert_eq!(NetworkProxy::NONE, NetworkProxy::new(ProxyType::None, "", 0));
    let parts: [fn(&mut NetworkProxy); 6] = [
        |it| it.set_proxy_type(ProxyType::Http),
        |it| it.set_host_name("proxy.test"),
        |it| it.set_port(1080),
        |it| it.set_user("me"),
        |it| it.set_password("secret"),
        |it| it.set_capabilities(ProxyCapabilities::empty()),
    ];
    for part in parts {
        let before = one.clone();
        part(&mut one);
        assert_ne!(one, before);
    }
    assert_eq!(
        (one.host_name(), one.port(), one.user(), one.password()),
        ("proxy.test", 1080, "me", "secret")
    );
    assert_eq!(one.to_string(), "http://proxy.test:1080");
    assert!(!format!("{one:?}").contains("secret"), "{one:?}");
}

#[test]
fn capabilities_follow_the_type_unless_they_were_set() {
    use ProxyCapabilities as C;
    let mut one = NetworkProxy::default();
    let here = C::TUNNELING | C::LISTENING | C::UDP_TUNNELING;
    let caching = C::CACHING | C::HOST_NAME_LOOKUP;
    for (proxy_type, capabilities) in [
        (ProxyType::None, here | C::SCTP_TUNNELING | C::SCTP_LISTENING),
        (ProxyType::Socks5, here | C::HOST_NAME_LOOKUP),
        (ProxyType::Http, caching | C::TUNNELING),
        (ProxyType::HttpCaching, caching),
        (ProxyType::FtpCaching, caching),
        (ProxyType::Default, here | C::SCTP_TUNNELING | C::SCTP_LISTENING),
    ] {
        one.set_proxy_type(proxy_type);
        assert_eq!((one.capabilities(), C::of(proxy_type)), (capabilities, capabilities), "{proxy_type}");
        assert_eq!(one.is_caching_proxy(), capabilities.contains(C::CACHING));
        assert_eq!(one.is_transparent_proxy(), capabilities.contains(C::TUNNELING));
    }
    let mut same = one.clone();
    same.set_capabilities(one.capabilities());
    assert_eq!(one, same, "it does not matter where they come from");
    same.set_proxy_type(ProxyType::HttpCaching);
    assert_eq!(same.capabilities(), one.capabilities(), "they were set");
}

#[test]
fn proxy_factory_and_system_configuration_take_each_others_place() {
    let _turn = Turn::begin();
    let query = NetworkProxyQuery::for_socket(HOST, 80);
    let socks5 = proxy(ProxyType::Socks5, 1);
    assert_eq!(NetworkProxy::application_proxy(), NetworkProxy::NONE);
    assert_eq!(
        (Factory::uses_system_configuration(), TcpSocket::standalone().proxy()),
        (false, NetworkProxy::default())
    );
    for _ in 0..2 {
        NetworkProxy::set_application_proxy(socks5.clone());
        assert_eq!(NetworkProxy::application_proxy(), socks5);
        assert_eq!(Factory::proxy_for_query(&query), std::slice::from_ref(&socks5));
        Factory::use_system_configuration(false);
        assert_eq!(NetworkProxy::application_proxy(), socks5, "it was not in use");
        let queries = answering(&[proxy(ProxyType::Http, 2)]);
        Factory::use_system_configuration(false);
        assert_eq!(NetworkProxy::application_proxy(), NetworkProxy::NONE);
        assert_eq!(Factory::proxy_for_query(&query), [proxy(ProxyType::Http, 2)]);
        assert_eq!(taken(&queries), std::slice::from_ref(&query));
        Factory::use_system_configuration(true);
        assert_eq!(
            (Factory::uses_system_configuration(), NetworkProxy::application_proxy()),
            (true, NetworkProxy::NONE)
        );
        assert_eq!(Factory::proxy_for_query(&query).last(), Some(&NetworkProxy::NONE));
        assert_eq!((taken(&queries), Arc::strong_count(&queries)), (vec![], 1), "the factory is gone");
    }
    Factory::use_system_configuration(false);
    assert_eq!(Factory::proxy_for_query(&query), [NetworkProxy::NONE]);
    NetworkProxy::set_application_proxy(NetworkProxy::new(ProxyType::Default, "there", 1));
    assert_eq!(NetworkProxy::application_proxy(), NetworkProxy::NONE);
}

#[test]
fn a_factory_is_asked_once_for_each_call_and_is_told_what_for() {
    let _turn = Turn::begin();
    let queries = answering(&[NetworkProxy::NONE]);
    let (_event_loop, server) = server();
    assert!(listens_directly(&server));
    let kept = Refusing::at(Ipv4Addr::UNSPECIFIED); // from other sockets
    let port = kept.port;
    server.listen(HostAddress::ANY_IPV4, port).unwrap();
    assert_eq!(taken(&queries), [NetworkProxyQuery::for_server(0), NetworkProxyQuery::for_server(port)]);
    let query = NetworkProxyQuery::for_server(port);
    assert_eq!((query.query_type(), query.local_port()), (ProxyQueryType::TcpServer, Some(port)));
    assert_eq!((query.peer_host_name(), query.peer_port(), query.protocol_tag()), ("", None, ""));
    let (_event_loop, socket) = simulated_socket();
    assert!(connects_directly(&socket));
    socket.set_protocol_tag("imap");
    assert_eq!(socket.protocol_tag(), "imap");
    assert!(connects_directly(&socket));
    let query = NetworkProxyQuery::for_socket(HOST, 80);
    assert_eq!((query.query_type(), query.local_port()), (ProxyQueryType::TcpSocket, None));
    assert_eq!((query.peer_host_name(), query.peer_port(), query.protocol_tag()), (HOST, Some(80), ""));
    assert_eq!(taken(&queries), [query.clone(), query.with_protocol_tag("imap")]);
}

#[test]
fn a_panic_of_a_factory_comes_out_of_listen_and_leaves_the_server_usable() {
    let _turn = Turn::begin();
    Factory::set_application_proxy_factory(|_: &NetworkProxyQuery| panic!("the factory's"));
    let (_event_loop, server) = server();
    for _ in 0..2 {
        assert!(catch_unwind(AssertUnwindSafe(|| server.listen(HostAddress::ANY_IPV4, 0))).is_err());
        assert_eq!((server.is_listening(), server.state()), (false, ServerState::Closed));
    }
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    server.close();
    NetworkProxy::set_application_proxy(NetworkProxy::NONE);
    assert!(listens_directly(&server));
}

// Nothing has begun when the factory is asked.
#[test]
fn a_panic_of_a_factory_comes_out_of_connect_to_host_and_leaves_the_socket_usable() {
    let _turn = Turn::begin();
    Factory::set_application_proxy_factory(|_: &NetworkProxyQuery| panic!("the factory's"));
    let (event_loop, server) = server();
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    let socket = TcpSocket::new(&event_loop);
    assert!(catch_unwind(AssertUnwindSafe(|| socket.connect_to_host(HOST, 80))).is_err());
    settle(&event_loop);
    assert_eq!(socket.state(), SocketState::Unconnected);
    socket.connect_to_host("127.0.0.1", server.server_port()).unwrap();
    until(&event_loop, || socket.state() == SocketState::Connected);
}

/// It is called without any lock, so it may say something else.
#[test]
fn a_factory_may_take_itself_away() {
    let _turn = Turn::begin();
    Factory::set_application_proxy_factory(|_: &NetworkProxyQuery| {
        NetworkProxy::set_application_proxy(proxy(ProxyType::Socks5, 9));
        vec![NetworkProxy::application_proxy(), NetworkProxy::NONE]
    });
    let (_event_loop, socket) = simulated_socket();
    for _ in 0..2 {
        assert_eq!(failure(&socket).0, SocketError::ProxyConnectionRefused);
        assert_eq!(NetworkProxy::application_proxy(), proxy(ProxyType::Socks5, 9));
    }
}
