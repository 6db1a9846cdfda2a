use crate::acceptor::{Backoff, Chance};
use crate::address::Endpoint;
use std::time::Instant;

/// The BINDs of a server that listens through a proxy: how many stand, when to ask for another, and for which port.
///
/// A proxy lets in one client for each BIND. Each has a lane here: it is asked for, stands, has its client, and is asked for
/// again once that was accepted. The first lane's address is the server's.
#[derive(Debug)]
pub(crate) struct Bindings {
    asked: Endpoint,
    lanes: Vec<Lane>,
    /// The address that was told.
    told: Option<Endpoint>,
    /// Whether clients can come, or have come, since it began or was lost.
    listens: bool,
    trouble: Option<Trouble>,
    chance: Chance,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    state: State,
    /// Where it stood last, which is asked for again.
    last: Option<Endpoint>,
    /// How often in a row the proxy has not answered what it was asked for.
    unanswered: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Its client was accepted: the next BIND follows at once, whatever became of other lanes.
    Served,
    /// The proxy is asked.
    Asked,
    /// A client can come.
    Stands,
    /// One has come and was not accepted.
    HasClient,
}

/// Since when BINDs fail: an episode, which ends when as many stand as are wanted.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    backoff: Backoff,
    /// Whether the pause was used already.
    over: bool,
    /// What was told of it.
    told: BindFault,
}

/// What to do for more BINDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextBind {
    /// Ask for one, in this lane, for this address.
    Ask(usize, Endpoint),
    /// Nothing until then.
    Wait(Instant),
    Nothing,
}

/// What a BIND that stands means for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindStands {
    /// It listens from now on.
    pub(crate) begins: bool,
    /// It has another address than was told.
    pub(crate) moves: bool,
}

/// How a BIND has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BindFault {
    /// The proxy has refused it.
    Refused,
    /// It was asked, and closed the connection or was silent.
    Unanswered,
    /// It was not asked, or the BIND stood already.
    #[default]
    Other,
}

/// So many requests that are not answered are enough to think that it is for the port.
const UNANSWERED: u8 = 2;

/// What a BIND that failed means for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BindFailed {
    /// It does not listen any more, and tries to again.
    pub(crate) lost: bool,
    /// An episode of failures begins, which is to be told.
    pub(crate) tell: bool,
}

impl Bindings {
    /// For so many BINDs at a time, at least one.
    pub(crate) fn new(asked: Endpoint, number: usize, chance: Chance) -> Self {
        let lane = Lane { state: State::Idle, last: None, unanswered: 0 };
        Self { asked, lanes: vec![lane; number.max(1)], told: None, listens: false, trouble: None, chance }
    }

    /// To be asked again after each [`NextBind::Ask`]. Before the server listens one lane tries for all.
    pub(crate) fn next(&mut self, now: Instant) -> NextBind {
        let number = if self.listens { self.lanes.len() } else { 1 };
        let find = |state| self.lanes.iter().take(number).position(|lane| lane.state == state);
        let lane = match (find(State::Served), find(State::Idle), &mut self.trouble) {
            (Some(served), ..) => served,
            (None, None, _) => return NextBind::Nothing,
            (None, Some(_), Some(trouble)) if !trouble.over && now < trouble.backoff.until() => {
                return NextBind::Wait(trouble.backoff.until());
            }
            (None, Some(idle), trouble) => {
                if let Some(trouble) = trouble {
                    trouble.over = true; // for the others of this round too
                }
                idle
            }
        };
        let wished = self.wish(lane);
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.state = State::Asked;
        }
        NextBind::Ask(lane, wished)
    }

    /// The address that was wanted, and the port that clients know already.
    fn wish(&self, lane: usize) -> Endpoint {
        let last = self.lanes.get(lane).and_then(|lane| lane.last);
        let port = last.or(self.told).map_or(self.asked.port, |known| known.port);
        Endpoint { port, ..self.asked }
    }

    /// The proxy waits for a client, at this address.
    pub(crate) fn bound(&mut self, lane: usize, at: Endpoint) -> BindStands {
        if let Some(lane) = self.lanes.get_mut(lane) {
            *lane = Lane { state: State::Stands, last: Some(at), unanswered: 0 };
        }
        if self.lanes.iter().all(|lane| matches!(lane.state, State::Stands | State::HasClient)) {
            self.trouble = None;
        }
        let begins = !std::mem::replace(&mut self.listens, true);
        let is_first = lane == 0 || self.told.is_none();
        let moves = is_first && self.told.is_some_and(|told| told != at);
        if is_first {
            self.told = Some(at);
        }
        BindStands { begins, moves }
    }

    /// The client of a lane has come.
    pub(crate) fn client_came(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.state = State::HasClient;
        }
    }

    /// The client of a lane was accepted.
    pub(crate) fn accepted(&mut self, lane: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.state = State::Served;
        }
    }

    /// A BIND was refused, or has ended without a client. If it may be for the port, the one that the program asked for is asked
    /// for next.
    pub(crate) fn failed(&mut self, lane: usize, fault: BindFault, now: Instant) -> BindFailed {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.state = State::Idle;
            lane.unanswered =
                if fault == BindFault::Unanswered { lane.unanswered.saturating_add(1) } else { 0 };
            if fault == BindFault::Refused || lane.unanswered >= UNANSWERED {
                lane.last = Some(self.asked);
            }
        }
        // Nothing stands, and nothing is under way that may.
        let lost = self.listens && self.lanes.iter().all(|lane| lane.state == State::Idle);
        self.listens &= !lost;
        let tell = match self.trouble {
            None => true,
            // That one BIND of several is always refused must not hide that the proxy has gone.
            Some(trouble) => lost && trouble.told == BindFault::Refused && fault != BindFault::Refused,
        };
        self.pause(fault, tell, now);
        BindFailed { lost, tell }
    }

    /// BINDs that fail together, as when the proxy has gone, are one failure.
    fn pause(&mut self, fault: BindFault, tell: bool, now: Instant) {
        let chance = self.chance.byte();
        let (backoff, over, told) = match self.trouble {
            None => (Backoff::begin(now, chance), false, fault),
            Some(it) if it.over => (it.backoff.again(now, chance), false, it.told),
            Some(it) => (it.backoff, it.over, it.told),
        };
        self.trouble = Some(Trouble { backoff, over, told: if tell { fault } else { told } });
    }

    /// The BINDs that have no client are given up.
    pub(crate) fn give_up(&mut self) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.state != State::HasClient) {
            lane.state = State::Idle;
        }
    }

    /// Where clients can come to now, the server's own address first.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.lanes.iter().filter(|lane| lane.state == State::Stands).filter_map(|lane| lane.last)
    }
}
