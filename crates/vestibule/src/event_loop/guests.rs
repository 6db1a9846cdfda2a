use super::core::LoopCore;
use crate::admission::{Bell, DrainPhase, Ledger};
use crate::driver::Token;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

/// How many connections are told of a drain, or cut, in one turn: the others have their turns in between.
const SLICE: usize = 64;

/// The servers that this loop has connections of, whose drains concern it; looked at in each turn, so that must be cheap.
#[derive(Default)]
pub(super) struct Guests(RefCell<Vec<Guest>>);

struct Guest {
    ledger: Arc<Ledger>,
    bell: Arc<Bell>,
    /// The number of the phase that was begun with.
    phase: u64,
    /// Where to go on with it.
    at: Option<usize>,
}

impl LoopCore {
    /// A connection of a server has come to this loop.
    pub(crate) fn host(&self, ledger: &Arc<Ledger>) {
        let mut guests = self.guests.0.borrow_mut();
        if let Some(guest) = guests.iter_mut().find(|guest| Arc::ptr_eq(&guest.ledger, ledger)) {
            if ledger.phase() == DrainPhase::Cutting && guest.phase == ledger.phase_number() {
                guest.at = Some(0); // it comes too late to be cut with the others
            }
            return;
        }
        guests.retain(|guest| Arc::strong_count(&guest.ledger) > 1 || guest.has_work());
        let bell = Arc::new(Bell::new(Waker::from(Arc::clone(&self.posted))));
        ledger.add_host(&bell);
        // A drain under way is looked at in the next turn.
        guests.push(Guest { ledger: Arc::clone(ledger), bell, phase: 0, at: None });
    }

    /// Whether a drain is to go on with connections of this loop.
    pub(super) fn has_guests_to_drain(&self) -> bool {
        self.guests.0.borrow().iter().any(Guest::has_work)
    }

    /// Tells the next few connections of draining servers, or cuts them.
    pub(super) fn drain_guests(self: &Rc<Self>) {
        let number = self.guests.0.borrow().len();
        for at in 0..number {
            let Some((ledger, phase, from)) = self.guests.next_slice(at) else { continue };
            let (found, next) = self.driver.borrow().connections_of(&ledger, from, SLICE);
            self.guests.set_progress(&ledger, next);
            for token in found {
                self.drain_connection(token, phase, &ledger);
            }
        }
    }

    fn drain_connection(self: &Rc<Self>, token: Token, phase: DrainPhase, ledger: &Ledger) {
        match (self.sockets.get(token), phase) {
            (Some(socket), DrainPhase::Telling) => socket.drain(),
            (Some(socket), DrainPhase::Cutting) => socket.cut_by_drain(ledger),
            (Some(socket), DrainPhase::None) => socket.end_drain(),
            // It lingers: the application has ended it long ago.
            (None, DrainPhase::Cutting) => self.departing.end(self, token),
            (None, _) => {}
        }
    }
}

impl Guests {
    /// The server at this place, what is to be done with its connections, and from which on.
    fn next_slice(&self, at: usize) -> Option<(Arc<Ledger>, DrainPhase, usize)> {
        let mut guests = self.0.borrow_mut();
        let guest = guests.get_mut(at)?;
        if !guest.has_work() {
            return None;
        }
        let ledger = Arc::clone(&guest.ledger);
        if guest.phase != ledger.phase_number() {
            ledger.await_phase(&guest.bell);
            guest.phase = ledger.phase_number();
            guest.at = Some(0);
        }
        let phase = DrainPhase::of(guest.phase);
        Some((ledger, phase, guest.at?))
    }

    fn set_progress(&self, ledger: &Arc<Ledger>, next: Option<usize>) {
        let mut guests = self.0.borrow_mut();
        let guest = guests.iter_mut().find(|guest| Arc::ptr_eq(&guest.ledger, ledger));
        if let Some(guest) = guest {
            guest.at = next;
        }
    }
}

impl Guest {
    fn has_work(&self) -> bool {
        self.at.is_some() || self.ledger.phase_number() != self.phase
    }
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guests").finish_non_exhaustive()
    }
}
