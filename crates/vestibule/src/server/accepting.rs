use super::arriving::AcceptedClient;
use super::core::{Pending, ServerCore};
use super::incoming_connection::IncomingConnection;
use crate::acceptor::{Course, Crowd};
use crate::admission::{Count, Reservation};
use rustix::io::Errno;
use std::cell::Cell;
use std::rc::Rc;

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
        self.ledger.count_let_in(0);
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
}

/// A batch of accepts, counted when it ends, also by a panic.
struct Batch<'a> {
    core: &'a Rc<ServerCore>,
    /// How many clients were accepted.
    size: Cell<u32>,
    /// Whether it is within another, in a wait of a slot.
    outer: bool,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.core.accepting.set(self.outer);
        self.core.decided.set(false); // for an outer one
        if std::thread::panicking() && self.core.has_proxied_client() && !self.core.resting.replace(true) {
            self.core.event_loop.add_resting(Rc::downgrade(self.core)); // nobody else tells of the others
        }
        self.core.note_batch(self.size.get());
        if let Some(magnitude) = self.size.get().checked_ilog2() {
            self.core.ledger.write(|counts| counts.add_in_row(Count::Batches, magnitude.min(4) as usize));
        }
    }
}
