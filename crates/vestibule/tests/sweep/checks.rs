//! What holds after every step.

use crate::faults::class_of;
use crate::run::{Client, PORT, Run};
use crate::step::Step;
use std::time::{Duration, Instant};
use vestibule::{AcceptErrorClass, AcceptErrors, EventLoop, ServerState, Statistics};

/// The longest pause before accepting is tried again.
const LONGEST: Duration = Duration::from_millis(500);

/// What the test knows of the server.
#[allow(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub(crate) struct Known {
    pub(crate) connected: u64,
    pub(crate) drains: u64,
    pub(crate) paused: bool,
    pub(crate) pending_limit: usize,
    pub(crate) limit: Option<usize>,
    /// Whether clients over the limit are refused.
    pub(crate) refuses: bool,
    /// Whether they get a last word then.
    pub(crate) gives_a_word: bool,
    /// How many refused clients linger for it.
    lingering: u64,
    /// How many connections may be open for lack of descriptors.
    pub(crate) descriptors: Option<usize>,
    /// Sockets that were taken, and appended again.
    pub(crate) handed_back: u64,
    /// When the network began.
    began: Instant,
    /// Whether accepting has to be tried in the next turn, though resources are lacking.
    pub(crate) retry_now: bool,
    /// Whether a descriptor was released since accepting was tried and found none.
    released: bool,
    /// When accepting was last tried.
    tried: Duration,
    /// How many clients were lost with a listener.
    lost: u64,
    /// How many faults have happened, and as what.
    happened: usize,
    errors: AcceptErrors,
    /// What the server counted after the last step.
    counted: Statistics,
    before: Before,
}

/// How things were before a step.
#[allow(clippy::struct_excessive_bools, reason = "each is a state of its own")]
#[derive(Default)]
struct Before {
    accepts: u64,
    paused: bool,
    listening: bool,
    must_accept: bool,
    exhausted: bool,
    really_open: usize,
    told: u64,
}

impl Known {
    pub(crate) fn new(event_loop: &EventLoop) -> Self {
        let timer = event_loop.single_shot(LONGEST, |_| {});
        let began = event_loop.next_deadline().and_then(|at| at.checked_sub(LONGEST)).unwrap();
        event_loop.kill_timer(timer);
        Self {
            connected: 0,
            drains: 0,
            paused: false,
            pending_limit: 30,
            limit: None,
            refuses: false,
            gives_a_word: false,
            lingering: 0,
            descriptors: None,
            handed_back: 0,
            began,
            retry_now: false,
            released: false,
            tried: Duration::ZERO,
            lost: 0,
            happened: 0,
            errors: AcceptErrors::default(),
            counted: Statistics::default(),
            before: Before::default(),
        }
    }
}

impl Run<'_> {
    /// Connections that are open on the server's side, as the network knows it: all but those in the queue, for clients
    /// that have seen their end have left.
    pub(crate) fn really_open(&self) -> usize {
        self.network.open_connections() - self.network.queued(PORT)
    }

    /// The number of the client that is accepted next: they are in the order in which they come.
    pub(crate) fn first_in_queue(&self) -> u64 {
        self.known.connected - self.network.queued(PORT) as u64
    }

    pub(crate) fn before(&mut self, step: Step) {
        self.known.before = Before {
            accepts: self.network.accepts(),
            paused: self.known.paused,
            listening: self.server.is_listening(),
            must_accept: self.must_accept(step),
            exhausted: self.server.state() == ServerState::Exhausted,
            really_open: self.really_open(),
            told: self.told.errors.get(),
        };
    }

    pub(crate) fn check(&mut self, step: Step) {
        let first_in_queue = self.first_in_queue();
        if step.may_end() {
            self.clients.retain(|client| client.number >= first_in_queue || !client.is_over());
        }
        let counted = self.server.statistics();
        let earlier = std::mem::replace(&mut self.known.counted, counted);
        self.check_places(step, &earlier);
        self.check_clients();
        self.check_errors(&earlier);
        self.check_accepting(step);
        self.known.retry_now = self.is_retry_up_to_next_turn();
    }

    /// Permits are open connections, and never more than a limit lets in.
    fn check_places(&mut self, step: Step, earlier: &Statistics) {
        let counted = self.known.counted;
        // Refused clients have no place, and may linger for their last word.
        let refused = counted.refused_in_all() - earlier.refused_in_all();
        let may_linger = self.known.lingering + if self.known.gives_a_word { refused } else { 0 };
        let really = self.really_open() as u64;
        let lingering = really.checked_sub(counted.open).filter(|it| *it <= may_linger);
        assert!(
            lingering.is_some(),
            "{really} are open, {} places are taken, {may_linger} linger",
            counted.open
        );
        self.known.lingering = lingering.unwrap();
        let within = |number: u64, earlier: u64, limit: usize| number <= earlier.max(limit as u64);
        let limit = self.known.limit.unwrap_or(usize::MAX);
        assert!(within(counted.open, earlier.open, limit), "{} open, {limit} may be", counted.open);
        assert!(
            within(counted.most_open, earlier.most_open, limit),
            "for a moment more than {limit} were open"
        );
        let limit = self.known.pending_limit;
        if !matches!(step, Step::HandBack(_)) {
            assert!(within(counted.pending, earlier.pending, limit), "{} pending", counted.pending);
        }
        assert_eq!(counted.pending > 0, self.server.has_pending_connections());
        let descriptors = self.known.descriptors.unwrap_or(usize::MAX);
        assert!(really <= descriptors as u64, "{really} are open with {descriptors} descriptors");
    }

    /// Every client is served, refused, failed by its own error, lost with the listener, or still in the queue.
    fn check_clients(&mut self) {
        let counted = self.known.counted;
        assert_eq!(counted.accepted, self.told.new_connections.get());
        assert_eq!(counted.refused_in_all(), self.told.refused.get());
        let known = counted.accepted + counted.refused_in_all() + counted.errors.connection;
        let queued = self.network.queued(PORT) as u64;
        let lost = self.known.connected.checked_sub(known + queued).unwrap();
        if self.known.before.listening && !self.server.is_listening() {
            assert_eq!(queued, 0, "a queue without a listener");
            self.known.lost = lost;
        }
        assert_eq!(lost, self.known.lost, "a client was forgotten");
    }

    /// Each error that was scripted has happened, as what it is, and was told as often as it should be.
    fn check_errors(&mut self, earlier: &Statistics) {
        let errors = self.known.counted.errors;
        let accepts = self.network.accepts();
        while let Some(fault) = self.faults.get(self.known.happened).filter(|fault| fault.nth <= accepts) {
            self.known.happened += 1;
            match class_of(fault.errno) {
                AcceptErrorClass::Connection => self.known.errors.connection += 1,
                AcceptErrorClass::Resources => self.known.errors.resources += 1,
                AcceptErrorClass::Broken => self.known.errors.broken += 1,
                AcceptErrorClass::Unknown => self.known.errors.unknown += 1,
                AcceptErrorClass::Nothing => {}
            }
        }
        let resources = self.known.errors.resources;
        assert!(errors.resources >= resources, "{} of {resources} were counted", errors.resources);
        let others = |errors: &AcceptErrors| (errors.connection, errors.broken, errors.unknown);
        assert_eq!(others(&errors), others(&self.known.errors));
        let told = self.told.errors.get();
        assert_eq!(told, self.known.counted.episodes + errors.broken, "told once an episode");
        let arrived = |counted: &Statistics| counted.accepted + counted.refused_in_all();
        let same_episode = self.known.before.exhausted && arrived(earlier) == arrived(&self.known.counted);
        let again = told - self.known.before.told - (errors.broken - earlier.errors.broken);
        assert!(!same_episode || again == 0, "an episode was told again");
        assert!(self.known.counted.episodes <= errors.resources + errors.unknown);
    }

    /// Nobody is accepted in a pause; else whoever can be is.
    fn check_accepting(&mut self, step: Step) {
        let Before { accepts, paused, listening, must_accept, .. } = self.known.before;
        let tried = self.network.accepts() - accepts;
        let exhausted = self.known.before.exhausted && self.server.state() == ServerState::Exhausted;
        let closed = !step.accepts() && self.really_open() < self.known.before.really_open;
        self.known.released = exhausted && tried == 0 && (closed || self.known.released);
        if tried > 0 {
            self.known.tried = self.network.elapsed();
        }
        assert!(tried == 0 || step.accepts(), "accepted outside of a turn");
        assert!(tried == 0 || !paused, "accepted in a pause");
        assert!(tried > 0 || !must_accept, "the next client was not accepted");
        let broke = self.last_fault_was_broken() && tried > 0;
        assert!(!broke || (listening && !self.server.is_listening()), "a broken listener goes on");
        let state = self.server.state();
        assert_eq!(self.server.is_accepting(), self.server.is_listening() && !self.known.paused);
        assert_eq!(self.told.drained.get() + u64::from(state == ServerState::Draining), self.known.drains);
        let expected = match state {
            ServerState::Draining => state,
            _ if !self.server.is_listening() => ServerState::Closed,
            _ if self.known.paused => ServerState::Paused,
            ServerState::Exhausted => state,
            _ => ServerState::Listening,
        };
        assert_eq!(state, expected);
    }

    fn last_fault_was_broken(&self) -> bool {
        let accepts = self.network.accepts();
        let last = self.faults.iter().find(|fault| fault.nth == accepts);
        last.is_some_and(|fault| class_of(fault.errno) == AcceptErrorClass::Broken)
    }

    /// While resources are lacking, accepting is tried again within half a second by itself; true when not, and so in the
    /// next turn.
    fn is_retry_up_to_next_turn(&self) -> bool {
        let soon = self.now() + LONGEST;
        let lacking = self.server.state() == ServerState::Exhausted && self.may_accept();
        lacking && self.event_loop.next_deadline().is_none_or(|at| at > soon)
    }

    /// Whether the next client has to be accepted in this step.
    fn must_accept(&self, step: Step) -> bool {
        let state = self.server.state();
        let long_ago = self.network.elapsed() >= self.known.tried + LONGEST;
        let due = (long_ago || self.known.released) && matches!(step, Step::Turn(_));
        let answered = matches!(step, Step::Wait(_)) && self.server.has_pending_connections();
        let may = step.accepts() && !answered && state != ServerState::Draining && self.may_accept();
        may && (state != ServerState::Exhausted || due || self.known.retry_now)
    }

    /// Whether a client waits and nothing but resources is lacking.
    fn may_accept(&self) -> bool {
        let Statistics { open, pending, .. } = self.known.counted;
        let free = self.known.limit.is_none_or(|limit| open < limit as u64);
        let room = pending < self.known.pending_limit as u64;
        !self.known.paused && self.network.queued(PORT) > 0 && room && (free || self.known.refuses)
    }

    fn now(&self) -> Instant {
        self.known.began + self.network.elapsed()
    }

    pub(crate) fn check_nothing_is_left(&self) {
        assert_eq!(self.server.statistics().open, 0);
        assert_eq!(self.server.state(), ServerState::Closed);
        let states = self.told.states.borrow();
        assert_eq!(states.last(), Some(&ServerState::Closed));
        assert!(states.windows(2).all(|pair| pair[0] != pair[1]), "told twice: {states:?}");
    }
}

impl Client {
    /// Whether the client has seen the end of its connection, or its reset.
    fn is_over(&self) -> bool {
        match self.far.read() {
            Err(_) => true,
            Ok(bytes) => self.far.has_ended() || (!bytes.is_empty() && self.is_over()),
        }
    }
}
