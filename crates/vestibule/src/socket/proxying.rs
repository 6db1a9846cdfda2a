use super::core::SocketCore;
use super::failure::Failure;
use super::read_buffer::ReadBuffer;
use super::route::{Route, Talk};
use super::tcp_socket::TcpSocket;
use super::telling::Step;
use crate::address::Endpoint;
use crate::driver::{Interest, Readiness, SocketOption, Token, Transport};
use crate::error::Error;
use crate::event_loop::RECEIVE_SIZE;
use crate::proxy::{
    NetworkProxy, NetworkProxyFactory, NetworkProxyQuery, Progress, ProxyCapabilities, ProxyType, Request,
    Way, is_this_host, way_to_connect,
};
use crate::resolver::literal;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// Going through a proxy: what is said to it on the connection that was made to it.
impl SocketCore {
    /// The way to a host; none for a direct one.
    pub(super) fn route_to(&self, host: &str, port: u16) -> Result<Option<Box<Route>>, Failure> {
        if is_this_host(host) {
            return Ok(None);
        }
        let outgoing = self.outgoing();
        let own = outgoing.proxy.borrow().clone();
        let way = if own.proxy_type() == ProxyType::Default {
            let tag = outgoing.protocol_tag.borrow().clone();
            let query = NetworkProxyQuery::for_socket(host, port).with_protocol_tag(tag);
            way_to_connect(NetworkProxyFactory::proxy_for_query(&query))
        } else {
            way_to_connect([own])
        };
        let Way::Through(proxy) = way.ok_or(Failure::NoWay)? else { return Ok(None) };
        let spelled_out = literal(host, port);
        if let Some(Err(error)) = spelled_out {
            return Err(Failure::NotFound(error)); // the proxy might take it for an address
        }
        let there = proxy.capabilities().contains(ProxyCapabilities::HOST_NAME_LOOKUP);
        let resolves_here = !there && spelled_out.is_none();
        Ok(Some(Box::new(Route::new(proxy, Request::Connect(host.to_owned(), port), resolves_here))))
    }

    fn with_route<R>(&self, change: impl FnOnce(&mut Route) -> R) -> Option<R> {
        self.with_attempt(|attempt| attempt.route.as_deref_mut().map(change)).flatten()
    }

    /// The connection to the proxy stands, if it is one.
    pub(super) fn begin_talk(self: &Rc<Self>, token: Token) -> bool {
        let begun = self.with_route(|route| route.talk = Some(Talk { token, unsent: Vec::new() })).is_some();
        if begun {
            let deadline = self.with_attempt(|attempt| {
                attempt.race = None;
                attempt.deadline
            });
            self.wake_at(deadline.flatten());
            self.say();
        }
        begun
    }

    /// The connection on which a proxy is talked to.
    pub(super) fn talk_token(&self) -> Option<Token> {
        self.with_route(|route| route.talk.as_ref().map(|talk| talk.token)).flatten()
    }

    /// Sends what the proxy is to be told, as far as there is room, and lets it answer.
    pub(super) fn say(self: &Rc<Self>) {
        let next = self.with_route(|route| {
            let (talk, handshake) = (route.talk.as_mut()?, route.handshake.as_mut()?);
            talk.unsent.append(&mut handshake.take_output());
            Some((talk.token, std::mem::take(&mut talk.unsent), handshake.wants()))
        });
        let Some((token, mut bytes, wants)) = next.flatten() else { return };
        if !bytes.is_empty() {
            let sent = self.event_loop.driver.borrow_mut().send(token, &bytes, false);
            match sent {
                Ok(length) => drop(bytes.drain(..length.min(bytes.len()))),
                Err(errno) => return self.give_up(Failure::System(errno)),
            }
            self.with_route(|route| route.talk.as_mut().map(|talk| talk.unsent = bytes));
        }
        let credit = u32::try_from(wants).unwrap_or(u32::MAX);
        self.event_loop.driver.borrow_mut().grant_bytes(token, credit);
    }

    /// The loop received something from the proxy.
    pub(super) fn deliver_from_proxy(self: &Rc<Self>, mut buffer: Box<ReadBuffer>) {
        let taken = self.hear(buffer.unread());
        buffer.consume(taken);
        self.keep_surplus(buffer);
    }

    /// Takes what is the proxy's of these bytes, and tells how many that were.
    fn hear(self: &Rc<Self>, bytes: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let heard = self.with_route(|route| route.handshake.as_mut().map(|it| it.receive(rest)));
            let Some(Some(heard)) = heard else { return taken };
            let (length, progress) = match heard {
                Ok(heard) => heard,
                Err(refusal) => {
                    self.give_up(Failure::Refused(refusal));
                    return bytes.len();
                }
            };
            taken += length;
            match progress {
                Progress::GoesOn if length == 0 || taken >= bytes.len() => {
                    self.say();
                    return taken;
                }
                Progress::GoesOn => self.say(),
                Progress::Bound(at) => self.bound_by_proxy(at),
                Progress::ClientCame(client) => {
                    self.client_came(client);
                    return taken;
                }
                Progress::Connected => {
                    self.reached();
                    return taken;
                }
            }
        }
    }

    /// The proxy waits for a client, for as long as that takes.
    fn bound_by_proxy(self: &Rc<Self>, at: SocketAddr) {
        self.with_route(|route| route.bound = Some(at));
        self.with_attempt(|attempt| attempt.deadline = None);
        self.wake_at(None);
        self.note_attempt(Step::Bound);
        self.say();
    }

    /// What comes from now on is the client's, and stays where it is.
    fn client_came(self: &Rc<Self>, client: SocketAddr) {
        self.with_route(|route| route.client = Some(client));
        if let Some(token) = self.talk_token() {
            self.event_loop.driver.borrow_mut().hold(token, true);
        }
        self.note_attempt(Step::Connected);
    }

    /// The proxy has reached the host: the connection to it is the one to the host.
    fn reached(self: &Rc<Self>) {
        let unknown = super::core::NO_PEER;
        let ends = self.with_route(|route| Some((route.talk.as_ref()?.token, route.far_end(unknown))));
        if let Some((token, peer)) = ends.flatten() {
            self.established(token, peer);
        }
    }

    /// What came behind the proxy's last word is the peer's first.
    fn keep_surplus(self: &Rc<Self>, buffer: Box<ReadBuffer>) {
        let surplus = self.has_connection() && !buffer.is_empty();
        if surplus {
            self.add_input(Box::new(ReadBuffer::own(buffer.unread())));
        }
        self.event_loop.buffers.give_read_buffer(buffer);
        self.tell();
        if surplus && self.has_connection() && self.bytes_available() > 0 {
            self.tell_ready_read();
        }
    }

    /// The proxy has ended the connection; true if it was one to a proxy.
    pub(super) fn proxy_ended(self: &Rc<Self>) -> bool {
        let talks = self.talk_token().is_some();
        if talks {
            self.give_up(Failure::ProxyEnded);
            self.tell();
        }
        talks
    }

    /// What a wait for the talk waits for.
    pub(super) fn talk_interest(&self) -> Option<Interest> {
        self.with_route(|route| {
            let talk = route.talk.as_ref()?;
            let (readable, writable) = (route.wants() > 0, !talk.unsent.is_empty());
            Some(Interest { token: talk.token, readable, writable, end: false })
        })
        .flatten()
    }

    /// A wait has found the connection to the proxy ready.
    pub(super) fn talk(self: &Rc<Self>, found: Readiness) {
        if found.writable {
            self.say();
        }
        let wants = self.with_route(|route| route.wants()).unwrap_or(0).min(RECEIVE_SIZE);
        if !found.readable || wants == 0 || self.talk_token() != Some(found.token) {
            return;
        }
        let mut buffer = self.event_loop.buffers.read_buffer();
        let received = {
            let room = buffer.room().get_mut(..wants).unwrap_or_default();
            self.event_loop.driver.borrow_mut().receive(found.token, room)
        };
        match received {
            Ok(length) if length > 0 => {
                buffer.received(length);
                return self.deliver_from_proxy(buffer);
            }
            Ok(_) => self.give_up(Failure::ProxyEnded),
            Err(Errno::AGAIN) => {}
            Err(errno) => self.give_up(Failure::System(errno)),
        }
        self.event_loop.buffers.give_read_buffer(buffer);
    }
}

/// For a server that listens through a proxy: one BIND.
impl SocketCore {
    /// Asks a proxy for a BIND. `Bound` is told when it stands, `connected` when a client has come.
    pub(crate) fn begin_bind(
        self: &Rc<Self>,
        proxy: NetworkProxy,
        endpoint: Endpoint,
        limit: Duration,
        no_delay: bool,
    ) {
        let outgoing = self.outgoing();
        outgoing.limit.set(Some(limit));
        outgoing.options.borrow_mut().set(SocketOption::NoDelay(no_delay));
        let (host, port) = (proxy.host_name().to_owned(), proxy.port());
        self.begin_attempt(&host, port);
        self.set_out(Some(Box::new(Route::new(proxy, Request::Bind(endpoint), false))));
    }

    /// Where the proxy waits for a client.
    pub(crate) fn bound_at(&self) -> Option<SocketAddr> {
        self.with_route(|route| route.bound).flatten()
    }

    /// The connection of the client that has come, with its address and the one that it came to.
    pub(crate) fn take_client(self: &Rc<Self>) -> Option<(Transport, SocketAddr, SocketAddr)> {
        let (token, client, bound) = self
            .with_route(|route| Some((route.talk.as_ref()?.token, route.client?, route.bound?)))
            .flatten()?;
        let transport = self.event_loop.driver.borrow_mut().release(token);
        let entry = self.event_loop.sockets.remove(token);
        self.with_attempt(|attempt| attempt.running.clear());
        self.cancel_connecting();
        drop(entry);
        Some((transport?, client, bound))
    }

    /// What a client that came through a proxy connected to.
    pub(crate) fn set_local(&self, local: Option<SocketAddr>) {
        self.outgoing().local.set(local);
    }

    /// Why the BIND failed, and whether the proxy has said so.
    pub(crate) fn take_failure(&self) -> Option<(Error, bool)> {
        let outgoing = self.outgoing_if_any()?;
        let failure = outgoing.failure.take();
        failure.map(|error| (error, outgoing.refused.get()))
    }
}

impl TcpSocket {
    /// The proxy for the next [`connect_to_host`](Self::connect_to_host). Default: of type
    /// [`Default`](ProxyType::Default), what the application uses. The reference's `setProxy`.
    ///
    /// A name is looked up by the proxy, unless it [cannot](crate::ProxyCapabilities::HOST_NAME_LOOKUP). This host itself is
    /// always connected to directly. Through a proxy, [`peer_addr`](Self::peer_addr) knows an address only if the host was
    /// given as one, and [`local_addr`](Self::local_addr) is this side of the connection to the proxy.
    ///
    /// The proxy's refusals are told as errors of the connection, with its name in the text:
    /// `cannot connect to example.com:80 through socks5://127.0.0.1:1080: the proxy does not allow it`. In the
    /// [`connect_timeout`](Self::connect_timeout) everything is included.
    ///
    /// ```no_run
    /// use vestibule::{NetworkProxy, ProxyType, TcpSocket};
    ///
    /// let socket = TcpSocket::standalone();
    /// socket.set_proxy(NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", 1080));
    /// socket.connect_to_host("example.com", 80)?;
    /// assert!(socket.wait_for_connected(None)?);
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn set_proxy(&self, proxy: NetworkProxy) {
        let earlier = self.core().outgoing().proxy.replace(proxy);
        drop(earlier);
    }

    /// The proxy of the socket's own; the reference's `proxy`.
    pub fn proxy(&self) -> NetworkProxy {
        self.core().outgoing_if_any().map(|outgoing| outgoing.proxy.borrow().clone()).unwrap_or_default()
    }

    /// Names the protocol that will be spoken, such as `http`, for whoever chooses the application's proxy; the reference's
    /// `setProtocolTag`.
    pub fn set_protocol_tag(&self, tag: impl Into<String>) {
        let earlier = self.core().outgoing().protocol_tag.replace(tag.into());
        drop(earlier);
    }

    /// The protocol that will be spoken, empty unless it was said; the reference's `protocolTag`.
    pub fn protocol_tag(&self) -> String {
        self.core()
            .outgoing_if_any()
            .map(|outgoing| outgoing.protocol_tag.borrow().clone())
            .unwrap_or_default()
    }
}
