use super::core::ServerCore;
use super::listen_options::ListenOptions;
use super::proxied::{LaneNews, Proxied, ProxiedNeeds};
use super::state::ServerState;
use crate::acceptor::Chance;
use crate::address::Endpoint;
use crate::driver::Readiness;
use crate::error::{Error, Operation, Result, SocketError};
use crate::event_loop::Also;
use crate::proxy::{NetworkProxy, NextBind};
use crate::socket::{SocketCore, SocketState, TcpSocket};
use std::rc::Rc;
use std::time::Instant;

/// Listening through a proxy: asking for BINDs, and waiting for them.
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

    /// Nobody is waited for any more; those who have come stay.
    pub(super) fn end_binding(&self) {
        if let Some(proxied) = self.proxied() {
            self.forget_retry(&proxied);
            let number = proxied.lanes.borrow().len();
            for lane in 0..number {
                self.take_client(&proxied, lane);
            }
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
