use super::core::{NO_PEER, SocketCore};
use super::failure::Failure;
use super::read_buffer::ReadBuffer;
use super::route::{Route, Talk};
use super::telling::Step;
use crate::driver::{Interest, Readiness, Token};
use crate::event_loop::{RECEIVE_SIZE, later};
use crate::proxy::Progress;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::rc::Rc;

/// What is said to a proxy on the connection that was made to it, before that is the program's.
impl SocketCore {
    pub(super) fn with_route<R>(&self, change: impl FnOnce(&mut Route) -> R) -> Option<R> {
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
        }
        // Who answers before having heard all is listened to afterwards.
        let credit = if bytes.is_empty() { u32::try_from(wants).unwrap_or(u32::MAX) } else { 0 };
        self.with_route(|route| route.talk.as_mut().map(|talk| talk.unsent = bytes));
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
                    if length > 0 {
                        self.limit_last_word();
                    }
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

    /// Once the proxy has begun its second reply, the rest may take no longer than any other answer.
    fn limit_last_word(self: &Rc<Self>) {
        let stands = self.with_route(|route| route.bound.is_some()) == Some(true);
        let limit = self.outgoing().limit.get().filter(|_| stands);
        let deadline = limit.map(|limit| later(self.now(), limit));
        let begins = self.with_attempt(|attempt| attempt.deadline.is_none() && deadline.is_some());
        if begins == Some(true) {
            self.with_attempt(|attempt| attempt.deadline = deadline);
            self.wake_at(deadline);
        }
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
        let ends = self.with_route(|route| Some((route.talk.as_ref()?.token, route.far_end(NO_PEER))));
        if let Some((token, peer)) = ends.flatten() {
            self.event_loop.driver.borrow_mut().grant_bytes(token, 0); // as much as the socket grants
            self.established(token, peer);
        }
    }

    /// What came behind the proxy's last word is the peer's first. It counts as received later: by the loop, or by the next wait.
    fn keep_surplus(self: &Rc<Self>, buffer: Box<ReadBuffer>) {
        if self.has_connection() && !buffer.is_empty() {
            self.outgoing().surplus.set(Some(Box::new(ReadBuffer::own(buffer.unread()))));
        }
        self.event_loop.buffers.give_read_buffer(buffer);
        self.tell();
        self.tell_later();
    }

    /// How much that is.
    pub(super) fn surplus(&self) -> usize {
        let Some(outgoing) = self.outgoing_if_any() else { return 0 };
        let surplus = outgoing.surplus.take();
        let length = surplus.as_deref().map_or(0, ReadBuffer::len);
        outgoing.surplus.set(surplus);
        length
    }

    /// Receives what came right behind a proxy's answer, telling nobody; false if nothing did.
    pub(super) fn receive_surplus(&self) -> bool {
        let surplus = self.outgoing_if_any().and_then(|outgoing| outgoing.surplus.take());
        surplus.map(|surplus| self.add_input(surplus)).is_some()
    }

    /// The same, and tells it.
    pub(super) fn tell_surplus(self: &Rc<Self>) -> bool {
        let received = self.receive_surplus();
        if received {
            self.tell_ready_read();
        }
        received
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
            let writable = !talk.unsent.is_empty();
            let readable = route.wants() > 0 && !writable;
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
