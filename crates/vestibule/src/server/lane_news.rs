use super::core::{Listening, ServerCore};
use super::proxied::{LaneNews, Proxied, ProxiedClient};
use crate::acceptor::AcceptErrorClass;
use crate::error::{Error, SocketError};
use crate::proxy::{BindFailed, BindFault};
use std::rc::Rc;

/// Listening through a proxy: what becomes of the BINDs.
impl ServerCore {
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
        if proxied.lane(lane).is_none() {
            return; // it was taken already
        }
        if !self.take_client(proxied, lane) {
            let _ = proxied.bindings.borrow_mut().failed(lane, BindFault::Other, self.now()); // it is asked for again
            proxied.set_lane(lane, None);
        }
        self.accept_batch();
    }

    /// Takes the client of a lane, if one has come.
    pub(super) fn take_client(&self, proxied: &Proxied, lane: usize) -> bool {
        let client = proxied.lane(lane).and_then(|socket| socket.take_client());
        let Some((transport, peer, local)) = client else { return false };
        let client = ProxiedClient { lane, transport, peer, local, came: self.now() };
        proxied.clients.borrow_mut().push_back(client);
        proxied.bindings.borrow_mut().client_came(lane);
        proxied.set_lane(lane, None);
        true
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
}
