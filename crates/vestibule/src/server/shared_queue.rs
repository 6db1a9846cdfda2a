use super::core::ServerCore;
use crate::acceptor::{Lead, catches_up_at};
use crate::admission::{Bells, Ledger};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, lock};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// After so many accepts a member lets the others be woken before it: the system wakes in the order of registration, and so
/// always the same one first.
const ACCEPTS_A_TERM: u32 = 64;
/// How many of the others are compared with in one batch; with more members each comes in its turn.
const COMPARED: usize = 8;

/// One listening queue from which several servers accept, each on its thread.
///
/// A client wakes one of them. Who cannot let in those who wait passes the word on, because nobody else was woken for them.
#[derive(Debug)]
pub(crate) struct SharedQueue {
    members: Mutex<Vec<Arc<Place>>>,
    /// Changes with the members.
    version: AtomicUsize,
    /// With how many open connections a member has caught up with those that are held.
    catch_up_at: AtomicUsize,
    held: Bells,
}

/// What the members of a queue see of each other.
struct Place {
    ledger: Arc<Ledger>,
    waker: Waker,
    /// Whether it would let clients in.
    willing: AtomicBool,
    /// Whether it was told to look for clients.
    nudged: AtomicBool,
}

/// A server's part in a shared queue.
pub(super) struct QueueMember {
    queue: Arc<SharedQueue>,
    place: Arc<Place>,
    others: RefCell<Vec<Arc<Place>>>,
    version: Cell<usize>,
    lead: Cell<Lead>,
    /// How many it has accepted since it let the others go first.
    accepted: Cell<u32>,
    hand: Cell<usize>,
}

impl SharedQueue {
    pub(crate) fn new() -> Self {
        Self {
            members: Mutex::default(),
            version: AtomicUsize::new(0),
            catch_up_at: AtomicUsize::new(usize::MAX),
            held: Bells::new(),
        }
    }

    pub(super) fn join(self: &Arc<Self>, ledger: &Arc<Ledger>, waker: Waker) -> QueueMember {
        let place = Arc::new(Place {
            ledger: Arc::clone(ledger),
            waker,
            willing: AtomicBool::new(false),
            nudged: AtomicBool::new(false),
        });
        lock(&self.members).push(Arc::clone(&place));
        self.held.add(ledger.bell());
        self.version.fetch_add(1, Ordering::SeqCst);
        QueueMember {
            queue: Arc::clone(self),
            place,
            others: RefCell::default(),
            version: Cell::new(0),
            lead: Cell::default(),
            accepted: Cell::new(0),
            hand: Cell::new(0),
        }
    }

    fn leave(&self, place: &Arc<Place>) {
        lock(&self.members).retain(|member| !Arc::ptr_eq(member, place));
        self.version.fetch_add(1, Ordering::SeqCst);
    }
}

impl Place {
    fn nudge(&self) {
        self.nudged.store(true, Ordering::SeqCst);
        self.waker.wake_by_ref();
    }
}

impl QueueMember {
    /// The one of the others that would let clients in and has the fewest open.
    fn fewest(&self) -> Option<(usize, Arc<Place>)> {
        let version = self.queue.version.load(Ordering::SeqCst);
        let mut others = self.others.borrow_mut();
        if self.version.replace(version) != version {
            others.clear();
            let members = lock(&self.queue.members);
            others.extend(members.iter().filter(|it| !Arc::ptr_eq(it, &self.place)).cloned());
        }
        let from = self.hand.get();
        self.hand.set(from.wrapping_add(COMPARED) % others.len().max(1));
        let some = others.iter().cycle().skip(from).take(COMPARED.min(others.len()));
        let willing = some.filter(|place| place.willing.load(Ordering::SeqCst));
        let counted = willing.map(|place| (place.ledger.open(), place));
        counted.min_by_key(|(open, _)| *open).map(|(open, place)| (open, Arc::clone(place)))
    }

    /// With how many open connections another has caught up, and which it would be, if this one is ahead.
    fn ahead(&self) -> Option<(usize, Arc<Place>)> {
        let (fewest, place) = self.fewest()?;
        catches_up_at(self.place.ledger.open(), fewest).map(|at| (at, place))
    }

    /// Clients wait: whether they are left to somebody who is behind.
    fn leaves_clients(&self, now: impl FnOnce() -> Instant) -> bool {
        let behind = self.ahead();
        let lead = self.lead.get().clients_wait(behind.is_some(), now);
        self.lead.set(lead);
        let (Some(_), Some((at, place))) = (lead.until(), behind) else { return false };
        self.queue.held.wait(self.place.ledger.bell());
        self.queue.catch_up_at.fetch_min(at, Ordering::SeqCst);
        place.nudge();
        true
    }

    /// Until when clients are left to the others; not any more when those have caught up.
    fn held_until(&self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let until = self.lead.get().until()?;
        (now() < until && self.ahead().is_some()).then_some(until)
    }

    /// So many were accepted. Whether the others are to be woken before this one from now on.
    fn accepted(&self, number: u32) -> bool {
        if self.place.ledger.open() >= self.queue.catch_up_at.load(Ordering::Relaxed) {
            self.queue.catch_up_at.store(usize::MAX, Ordering::SeqCst);
            self.queue.held.ring();
        }
        let accepted = self.accepted.get() + number;
        let over = accepted >= ACCEPTS_A_TERM;
        self.accepted.set(if over { 0 } else { accepted });
        over
    }

    /// Whether it would let clients in from now on; if not any more, somebody else has to look after those who wait.
    fn set_willing(&self, willing: bool) {
        if self.place.willing.load(Ordering::Relaxed) != willing {
            self.place.willing.store(willing, Ordering::SeqCst);
            if !willing {
                self.pass_on();
            }
        }
    }

    fn pass_on(&self) {
        if let Some((_, place)) = self.fewest() {
            place.nudge();
        }
    }
}

/// Its clients are the others' from now on.
impl Drop for QueueMember {
    fn drop(&mut self) {
        self.queue.leave(&self.place);
        self.pass_on();
    }
}

impl ServerCore {
    /// Clients wait: whether they are left to a server on another thread, which has fewer.
    pub(super) fn leaves_clients_to_others(&self) -> bool {
        self.member.borrow().as_ref().is_some_and(|member| member.leaves_clients(|| self.now()))
    }

    pub(super) fn held_until(&self) -> Option<Instant> {
        self.member.borrow().as_ref().and_then(|member| member.held_until(|| self.now()))
    }

    /// A batch has ended in which so many were accepted.
    pub(super) fn note_batch(&self, number: u32) {
        let over = self.member.borrow().as_ref().is_some_and(|member| member.accepted(number));
        let token = self.listening.get().and_then(|listening| listening.token);
        if let (true, Some(token)) = (over, token) {
            self.event_loop.driver.borrow_mut().requeue(token);
        }
    }

    pub(super) fn set_willing(&self, willing: bool) {
        if let Some(member) = &*self.member.borrow() {
            member.set_willing(willing);
        }
    }

    pub(super) fn is_nudged(&self) -> bool {
        self.member.borrow().as_ref().is_some_and(|member| member.place.nudged.load(Ordering::SeqCst))
    }

    /// Another server of the queue has said that clients wait.
    pub(super) fn answer_nudge(self: &Rc<Self>) {
        let nudged = |member: &QueueMember| member.place.nudged.swap(false, Ordering::SeqCst);
        if self.member.borrow().as_ref().is_some_and(nudged) && self.granted.get() {
            self.accept_batch();
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("willing", &self.willing).finish_non_exhaustive()
    }
}
