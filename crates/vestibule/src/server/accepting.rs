use super::core::{Listening, Pending, ServerCore};
use super::incoming_connection::IncomingConnection;
use super::proxied::ProxiedClient;
use crate::acceptor::{Course, Crowd};
use crate::address::Kind;
use crate::admission::{Count, RefusalReason, Reservation};
use crate::driver::Transport;
use rustix::io::Errno;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Of how many connections one is asked how long it has waited in the kernel's queue.
const SAMPLED: u64 = 64;

impl ServerCore {
    /// Accepts the clients that wait, as far as the acceptor allows.
    pub(crate) fn accept_batch(self: &Rc<Self>) {
        if self.yields.take() {
            return self.update_credit(); // the system will tell of the clients again
        }
        if self.leaves_clients_to_others() {
            self.crowd.set(Crowd::default()); // who is left over then does not come alone
            return self.update_credit();
        }
        let batch = Batch { core: self, size: Cell::new(0), outer: self.accepting.replace(true) };
        let only_one = self.takes_one();
        // What was decided holds for so many clients, unless something is told meanwhile.
        let mut course = self.course();
        let mut room = course.credit();
        self.decided.set(true);
        while let Some(listening) = self.listening.get() {
            if only_one && batch.size.get() > 0 {
                return self.update_credit(); // the system tells of others by itself
            }
            let lets_in = matches!(course, Course::Accept(_));
            if room == 0 || !lets_in || !self.decided.replace(true) {
                course = self.course();
                room = course.credit();
            }
            room = room.saturating_sub(1);
            let place = match course {
                Course::Accept(_) => self.admission.borrow().take(|| self.now()),
                Course::Refuse(reason, _) => Err(reason),
                Course::Stop(_) => {
                    if batch.size.get() == 0 {
                        self.ask_neighbours_to_yield();
                    }
                    return self.update_credit();
                }
            };
            if place.is_err() && matches!(course, Course::Accept(_)) {
                return self.update_credit(); // a server on another thread was faster
            }
            let accepted = self.accept_next(listening);
            batch.size.set(batch.size.get() + u32::from(accepted.is_ok()));
            match (accepted, place) {
                (Ok(client), Ok(place)) => self.arrived(client, place),
                (Ok(client), Err(reason)) => {
                    self.note_accept();
                    self.refuse(client.transport, client.peer, reason);
                }
                (Err(Errno::AGAIN), place) => {
                    drop(place);
                    let mut crowd = self.crowd.get();
                    crowd.emptied(self.event_loop.turn_number(), batch.size.get());
                    self.crowd.set(crowd);
                    return self.queue_is_empty();
                }
                (Err(errno), place) => {
                    drop(place);
                    self.accept_failed(errno);
                }
            }
        }
    }

    /// Whether this batch is of one client, since they come alone; a draining server has to know when nobody waits.
    fn takes_one(&self) -> bool {
        let mut crowd = self.crowd.get();
        let takes_one = crowd.takes_one(self.event_loop.turn_number());
        self.crowd.set(crowd);
        takes_one && self.drain.borrow().is_none()
    }

    /// Clients are there, but another server took the last place of a shared limit: the next one is not for the same again,
    /// though the system may tell of its clients first every time.
    fn ask_neighbours_to_yield(&self) {
        let admission = self.admission.borrow();
        let Some(shared) = &admission.limits().shared else { return };
        let neighbours = self.event_loop.servers.select(|server| {
            !std::ptr::eq(server, self) && server.admission.borrow().limits().shares(shared)
        });
        for neighbour in neighbours {
            neighbour.yields.set(true);
        }
    }

    /// Accepts the next client: from the kernel's queue, or of those that have come through the proxy.
    fn accept_next(self: &Rc<Self>, listening: Listening) -> Result<AcceptedClient, Errno> {
        if let Some(token) = listening.token {
            let (transport, peer) = self.event_loop.driver.borrow_mut().accept(token)?;
            return Ok(AcceptedClient { transport, peer, local: self.local_address(), came: None });
        }
        let client = self.next_proxied_client().ok_or(Errno::AGAIN)?;
        let ProxiedClient { transport, peer, local, came, .. } = client;
        if self.hook.borrow().is_some() {
            transport.make_blocking()?;
        }
        Ok(AcceptedClient { transport, peer, local: Some(local), came: Some(came) })
    }

    /// A client was accepted, whatever becomes of it.
    fn note_accept(self: &Rc<Self>) {
        let recovered = self.acceptor.borrow_mut().accepted(self.event_loop.turn_number());
        if recovered {
            self.note_recovery();
        }
    }

    /// A client was accepted, in a place of its own: looks whether it is let in.
    fn arrived(self: &Rc<Self>, client: AcceptedClient, place: Reservation) {
        self.note_accept();
        let reason = self.look_at_arrival(&client);
        let AcceptedClient { transport, peer, local, came } = client;
        if let Some(reason) = reason {
            drop(place);
            return self.refuse(transport, peer, reason);
        }
        let (rate, now, permit) = {
            let admission = self.admission.borrow();
            let now = if admission.needs_time() { self.now() } else { self.ledger.began() };
            (admission.limits().rate, now, admission.let_in(place, peer.ip(), now))
        };
        match permit {
            Ok(permit) => {
                self.acceptor.borrow_mut().let_in(rate, now);
                let connection = IncomingConnection::new(transport, permit, peer, local, self.timeouts.get());
                self.let_in(if came.is_some() { connection.through_proxy() } else { connection });
            }
            Err(reason) => self.refuse(transport, peer, reason),
        }
    }

    /// Hands a connection to the hook, or appends it; then tells it.
    fn let_in(self: &Rc<Self>, connection: IncomingConnection) {
        let open = self.ledger.open() as u64;
        self.ledger.write(|counts| {
            counts.add(Count::Accepted, 1);
            counts.set(Count::MostOpen, counts.get(Count::MostOpen).max(open));
        });
        let hook = self.hook.borrow().clone();
        match hook {
            Some(hook) => {
                let view = self.view();
                if self.call(|| hook(&view, connection.shared())).is_none() {
                    return;
                }
            }
            None => self.append(Pending::Incoming(connection)),
        }
        self.emit(&self.new_connection, ());
    }

    /// Appends to the pending list, and tells it.
    pub(super) fn append(self: &Rc<Self>, connection: Pending) {
        self.pending.borrow_mut().push_back(connection);
        self.acceptor.borrow_mut().appended();
        self.count_pending();
        if !self.accepting.get() {
            self.update_credit();
        }
        self.emit(&self.pending_connection_available, ());
    }

    pub(super) fn count_pending(&self) {
        let pending = self.pending.borrow().len() as u64;
        self.ledger.write(|counts| counts.set(Count::Pending, pending));
    }

    /// Why a connection is not worth having, if it is not.
    fn look_at_arrival(&self, client: &AcceptedClient) -> Option<RefusalReason> {
        let admission = self.admission.borrow();
        let limits = admission.limits();
        let sampled = self.acceptor.borrow().accepted_in_all() % SAMPLED == 1;
        if !limits.looks_at_arrivals() && !sampled {
            return None;
        }
        let mut arrival = self.event_loop.driver.borrow().arrival(&client.transport)?;
        if let Some(came) = client.came {
            arrival.age = Some(self.now().saturating_duration_since(came)); // the connection is older
        }
        if let Some(age) = arrival.age {
            self.count_age(age);
        }
        if limits.skip_dead && arrival.dead {
            return Some(RefusalReason::Dead);
        }
        limits.queue_age.filter(|most| arrival.age > Some(*most)).map(|_| RefusalReason::TooOld)
    }

    fn count_age(&self, age: Duration) {
        let age = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        self.ledger.write(|counts| {
            counts.add(Count::AgesMeasured, 1);
            counts.set(Count::AgesTogether, counts.get(Count::AgesTogether).saturating_add(age));
            counts.set(Count::GreatestAge, counts.get(Count::GreatestAge).max(age));
        });
    }

    /// The address on this side of accepted connections, if it is one for all.
    fn local_address(&self) -> Option<SocketAddr> {
        let endpoint = self.endpoint();
        match endpoint.address.0 {
            Kind::V4(address) if !address.is_unspecified() => Some((address, endpoint.port).into()),
            _ => None,
        }
    }
}

/// A client that was accepted and is not let in yet.
struct AcceptedClient {
    transport: Transport,
    peer: SocketAddr,
    /// The address on this side, if it is known.
    local: Option<SocketAddr>,
    /// When it came, if through a proxy.
    came: Option<Instant>,
}

/// A batch of accepts, counted when it ends, also by a panic.
struct Batch<'a> {
    core: &'a ServerCore,
    /// How many clients were accepted.
    size: Cell<u32>,
    /// Whether it is within another, in a wait of a slot.
    outer: bool,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.core.accepting.set(self.outer);
        self.core.decided.set(false); // for an outer one
        self.core.note_batch(self.size.get());
        if let Some(magnitude) = self.size.get().checked_ilog2() {
            self.core.ledger.write(|counts| counts.add_in_row(Count::Batches, magnitude.min(4) as usize));
        }
    }
}
