use super::core::{Listening, ServerCore};
use super::listen_options::ListenOptions;
use super::proxied::{LaneNews, Proxied, ProxiedClient, ProxiedNeeds};
use super::state::ServerState;
use crate::acceptor::{AcceptErrorClass, Chance};
use crate::address::Endpoint;
use crate::driver::Readiness;
use crate::error::{Error, Operation, Result, SocketError};
use crate::event_loop::Also;
use crate::proxy::{BindFailed, BindFault, NetworkProxy, NextBind};
use crate::socket::{SocketCore, SocketState, TcpSocket};
use std::rc::Rc;
use std::time::Instant;

/// Listening through a proxy: asking for BINDs, and what becomes of them.
impl ServerCore {
    pub(super) fn proxied(&self) -> Option<Rc<Proxied>> {
        self.proxied.borrow().clone()
    }

    /// Whether it listens, or tries to.
    pub(super) fn is_on(&self) -> bool {
        self.listening.get().is_some() || self.proxied.borrow().is_some()
    }

    pub(super) fn listen_through(self: &Rc<Self>, proxy: NetworkProxy, options: ListenOptions) -> Result<()> {
        let chance = Chance::new(self.event_loop.driver.borrow_mut().seed());
        let proxied = Rc::new(Proxied::new(proxy, options, chance));
        self.proxied.replace(Some(Rc::clone(&proxied)));
        self.set_state(ServerState::Starting);
        self.ask_for_binds();
        if options.in_background {
            return Ok(());
        }
        self.wait_for_bind(&proxied).map_err(|error| {
            self.end_proxied();
            self.update_state();
            self.noted(error)
        })
    }

    /// Blocks until the first BIND stands, or fails: that has a time limit.
    fn wait_for_bind(self: &Rc<Self>, proxied: &Rc<Proxied>) -> Result<()> {
        let wait = self.event_loop.begin_wait(None);
        loop {
            self.look_at_lanes();
            self.hear_lanes();
            if let Some(error) = proxied.failure.take() {
                return Err(error);
            }
            if proxied.has_begun.get() {
                return Ok(());
            }
            let Some(needs) = self.proxied_needs() else {
                return Err(Error::said(Operation::Listen, SocketError::Operation, "the server was closed"));
            };
            let ready = wait.round(&needs.interests, needs.also, needs.wake_at);
            let ready = ready.map_err(|error| {
                Error::system(Operation::Listen, error).at(proxied.options.endpoint).through(&proxied.proxy)
            })?;
            self.go_on_binding(&ready, wait.now());
        }
    }

    /// What a wait of this server has to wait for that listens through a proxy.
    pub(super) fn proxied_needs(&self) -> Option<ProxiedNeeds> {
        let proxied = self.proxied()?;
        let mut all =
            ProxiedNeeds { interests: Vec::new(), also: Also::Nothing, wake_at: proxied.retry_at.get() };
        for needs in proxied.sockets().iter().filter_map(|socket| socket.attempt_needs()) {
            all.interests.extend(needs.interests);
            if needs.also == Also::OtherThreads {
                all.also = Also::OtherThreads;
            }
            all.wake_at = [all.wake_at, needs.wake_at].into_iter().flatten().min();
        }
        Some(all)
    }

    /// Takes what is known of the proxy's name: the call that tells it may be behind the one that waits here.
    pub(super) fn look_at_lanes(&self) {
        for socket in self.proxied().iter().flat_map(|proxied| proxied.sockets()) {
            socket.look_at_lookup();
            socket.tell();
        }
    }

    /// A wait has found what of this may be a BIND's.
    pub(super) fn go_on_binding(self: &Rc<Self>, ready: &[Readiness], now: Instant) {
        let Some(proxied) = self.proxied() else { return };
        for socket in proxied.sockets() {
            socket.go_on_connecting(ready, now);
            socket.tell();
        }
        if proxied.retry_at.get().is_some_and(|at| now >= at) {
            self.ask_for_binds();
        }
        self.hear_lanes();
    }

    /// Does what the lanes' news ask for.
    pub(super) fn hear_lanes(self: &Rc<Self>) {
        while let Some(proxied) = self.proxied() {
            let news = proxied.news.borrow_mut().pop_front();
            match news {
                Some((lane, LaneNews::Stands)) => self.bind_stands(&proxied, lane),
                Some((lane, LaneNews::ClientCame)) => self.client_came(&proxied, lane),
                Some((lane, LaneNews::Failed)) => self.bind_failed(&proxied, lane),
                None => return,
            }
        }
    }

    /// Asks for the BINDs that are due.
    pub(super) fn ask_for_binds(self: &Rc<Self>) {
        let Some(proxied) = self.proxied().filter(|_| self.drain.borrow().is_none()) else { return };
        loop {
            let next = proxied.bindings.borrow_mut().next(self.now());
            match next {
                NextBind::Ask(lane, endpoint) => self.ask_for_bind(&proxied, lane, endpoint),
                NextBind::Wait(until) => return self.ask_later(&proxied, until),
                NextBind::Nothing => return proxied.retry_at.set(None),
            }
        }
    }

    fn ask_later(self: &Rc<Self>, proxied: &Rc<Proxied>, until: Instant) {
        if proxied.retry_at.replace(Some(until)) == Some(until) {
            return;
        }
        let server = Rc::downgrade(self);
        let timer = self.event_loop.call_at(until, move || {
            if let Some(server) = server.upgrade() {
                server.ask_for_binds();
            }
        });
        if let Some(earlier) = proxied.timer.replace(Some(timer)) {
            self.event_loop.kill_timer(earlier);
        }
    }

    fn ask_for_bind(self: &Rc<Self>, proxied: &Rc<Proxied>, lane: usize, endpoint: Endpoint) {
        let socket = TcpSocket::owning(SocketCore::new(&self.event_loop));
        let news = |news| {
            let (server, proxied) = (Rc::downgrade(self), Rc::downgrade(proxied));
            move || {
                if let (Some(server), Some(proxied)) = (server.upgrade(), proxied.upgrade()) {
                    proxied.news.borrow_mut().push_back((lane, news));
                    server.event_loop.add_stated(Rc::downgrade(&server));
                }
            }
        };
        let (stands, came, failed) =
            (news(LaneNews::Stands), news(LaneNews::ClientCame), news(LaneNews::Failed));
        socket.state_changed().connect(move |_, state| {
            if state == SocketState::Bound {
                stands();
            }
        });
        socket.connected().connect(move |_| came());
        socket.error_occurred().connect(move |_, _| failed());
        let core = Rc::clone(socket.core());
        proxied.set_lane(lane, Some(socket));
        let ListenOptions { proxy_timeout, no_delay, .. } = proxied.options;
        let known = proxied.addresses.borrow().clone();
        core.begin_bind(proxied.proxy.clone(), endpoint, proxy_timeout, no_delay, known);
    }

    /// The proxy waits for a client.
    fn bind_stands(self: &Rc<Self>, proxied: &Rc<Proxied>, lane: usize) {
        let Some(socket) = proxied.lane(lane) else { return };
        let Some(at) = socket.bound_at() else { return };
        proxied.addresses.replace(socket.proxy_addresses());
        let outcome = proxied.bindings.borrow_mut().bound(lane, at.into());
        if outcome.begins || outcome.moves {
            self.listening.set(Some(Listening { token: None, endpoint: at.into() }));
        }
        let is_told = proxied.has_begun.replace(true) || proxied.options.in_background;
        if outcome.begins {
            self.begin_accepting();
        }
        self.ask_for_binds();
        if outcome.begins && is_told {
            self.emit(&self.listening_changed, Ok(()));
        }
        let is_there = self.proxied().is_some_and(|present| Rc::ptr_eq(&present, proxied));
        if outcome.moves && is_there {
            self.emit(&self.address_changed, ());
        }
    }

    /// A client has come to the proxy, and its connection is this one now.
    fn client_came(self: &Rc<Self>, proxied: &Rc<Proxied>, lane: usize) {
        let client = proxied.lane(lane).and_then(|socket| socket.take_client());
        let now = self.now();
        if let Some((transport, peer, local)) = client {
            let client = ProxiedClient { lane, transport, peer, local, came: now };
            proxied.clients.borrow_mut().push_back(client);
            proxied.bindings.borrow_mut().client_came(lane);
        } else {
            let _ = proxied.bindings.borrow_mut().failed(lane, BindFault::Other, now); // asked for again in its time
        }
        proxied.set_lane(lane, None);
        self.accept_batch();
    }

    /// Whether a client waits here to be accepted.
    pub(super) fn has_proxied_client(&self) -> bool {
        self.proxied.borrow().as_ref().is_some_and(|proxied| !proxied.clients.borrow().is_empty())
    }

    /// The client that waits longest; another may come in its lane.
    pub(super) fn next_proxied_client(self: &Rc<Self>) -> Option<ProxiedClient> {
        let proxied = self.proxied()?;
        let client = proxied.clients.borrow_mut().pop_front()?;
        proxied.bindings.borrow_mut().accepted(client.lane);
        self.ask_for_binds();
        Some(client)
    }

    /// A BIND was refused, or has ended before a client came.
    fn bind_failed(self: &Rc<Self>, proxied: &Rc<Proxied>, lane: usize) {
        let failure = proxied.lane(lane).and_then(|socket| socket.take_failure());
        let Some((error, fault)) = failure else { return };
        let error = error.while_listening(proxied.options.endpoint);
        let outcome = proxied.bindings.borrow_mut().failed(lane, fault, self.now());
        proxied.set_lane(lane, None);
        proxied.addresses.take(); // they may be others now
        if !proxied.has_begun.get() {
            return self.never_began(proxied, error);
        }
        self.note_bind_failure(&error, outcome);
        if outcome.lost {
            self.listening.set(None);
            self.end_accepting();
            self.update_state();
        }
        self.ask_for_binds();
        if outcome.tell {
            self.emit(&self.accept_error, error.kind());
        }
    }

    /// Listening has failed: the call that waits for it says so, or a signal.
    fn never_began(self: &Rc<Self>, proxied: &Rc<Proxied>, error: Error) {
        if !proxied.options.in_background {
            proxied.failure.replace(Some(error));
            return;
        }
        self.end_proxied();
        self.update_state();
        let kind = self.noted(error).kind();
        self.emit(&self.listening_changed, Err(kind));
    }

    fn note_bind_failure(&self, error: &Error, outcome: BindFailed) {
        let resources = error.kind() == SocketError::SocketResource;
        self.ledger.count_failure(if resources {
            AcceptErrorClass::Resources
        } else {
            AcceptErrorClass::Unknown
        });
        if outcome.tell {
            crate::log::warning!("{error}; the server will ask the proxy again by itself");
            self.note(error.kind(), error.error_string());
        }
    }

    /// Nobody is waited for any more; those who have come stay.
    pub(super) fn end_binding(&self) {
        if let Some(proxied) = self.proxied() {
            self.forget_retry(&proxied);
            proxied.close_lanes();
        }
    }

    fn forget_retry(&self, proxied: &Proxied) {
        proxied.retry_at.set(None);
        if let Some(timer) = proxied.timer.take() {
            self.event_loop.kill_timer(timer);
        }
    }

    /// Lets go of the proxy, and of the clients that have come to it.
    pub(super) fn end_proxied(&self) {
        let Some(proxied) = self.proxied.take() else { return };
        self.forget_retry(&proxied);
        proxied.close_lanes();
        let clients = proxied.clients.take();
        drop(clients);
    }
}
