use crate::admission::{RefusalReason, Reservation};
use crate::server::Reply;

/// A client that is just being accepted: what was decided of it before.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Its place, or why it is refused.
    pub(super) place: Result<Reservation, RefusalReason>,
    /// Whether it is for a client who had come when a drain began.
    pub(super) draining: bool,
    number: u64,
}

/// The attempts that are under way, each by a listener, which makes it without the lock on the door.
#[derive(Default)]
pub(super) struct Attempts {
    under_way: usize,
    /// How many of them have a place.
    places: usize,
    /// How many there ever were.
    begun: u64,
    /// The numbers of the listeners that have to look again when one is over.
    passed_over: Vec<usize>,
    held: Vec<Held>,
}

/// An answer that is true when the attempts are over that had begun before.
struct Held {
    reply: Reply<()>,
    before: u64,
    left: usize,
}

/// What is to be done when an attempt is over, and the door is not locked any more.
pub(super) struct Afterwards {
    pub(super) passed_over: Vec<usize>,
    pub(super) replies: Vec<Reply<()>>,
}

impl Attempts {
    pub(super) fn begin(&mut self, place: Result<Reservation, RefusalReason>, draining: bool) -> Attempt {
        self.under_way += 1;
        self.places += usize::from(place.is_ok());
        self.begun += 1;
        Attempt { place, draining, number: self.begun }
    }

    pub(super) fn end(&mut self, attempt: &Attempt) -> Afterwards {
        self.under_way = self.under_way.saturating_sub(1);
        self.places = self.places.saturating_sub(usize::from(attempt.place.is_ok()));
        for held in self.held.iter_mut().filter(|held| attempt.number <= held.before) {
            held.left = held.left.saturating_sub(1);
        }
        let mut replies = Vec::new();
        while let Some(at) = self.held.iter().position(|held| held.left == 0) {
            replies.push(self.held.remove(at).reply);
        }
        Afterwards { passed_over: std::mem::take(&mut self.passed_over), replies }
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// How many places are only tried.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Another listener tries: this one looks again when that is over.
    pub(super) fn pass_over(&mut self, listener: usize) {
        if self.under_way > 0 && !self.passed_over.contains(&listener) {
            self.passed_over.push(listener);
        }
    }

    /// Keeps an answer until what has begun is over; gives it back if nothing has.
    pub(super) fn hold(&mut self, reply: Reply<()>) -> Option<Reply<()>> {
        if self.under_way == 0 {
            return Some(reply);
        }
        self.held.push(Held { reply, before: self.begun, left: self.under_way });
        None
    }
}
