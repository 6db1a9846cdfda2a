//! The naive model, and the commands that it runs on itself and on the acceptor.

use super::BATCH;
use crate::acceptor::{AcceptErrorClass, AcceptVerdict, Acceptor, Chance, Course, Leftover, Moment, Until};
use crate::admission::RefusalReason;
use AcceptErrorClass::{Broken, Connection, Nothing, Resources, Unknown};
use proptest::prelude::*;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    /// A connection is accepted, and appended unless a hook took it.
    Accept {
        append: bool,
    },
    /// As many as there is credit for.
    AcceptAll,
    Fail(AcceptErrorClass),
    /// One is appended by hand.
    Append,
    /// So many are taken, if they are there.
    Take(usize),
    Retry,
    SetPaused(bool),
    SetLimit(usize),
    Listen,
    Close,
    /// So many places are free under the limits of open connections.
    SetFree(usize),
    /// What happens to clients over those limits.
    SetRefuses(bool),
    /// What is to happen to so many clients.
    Drain(Leftover, u64),
    NextTurn,
    /// Milliseconds.
    Sleep(u64),
}

pub(super) fn commands() -> impl Strategy<Value = Command> {
    let class = prop::sample::select(vec![Nothing, Connection, Resources, Resources, Unknown, Broken]);
    let limit = prop_oneof![0usize..4, 10usize..40, Just(usize::MAX)];
    prop_oneof![
        6 => any::<bool>().prop_map(|append| Command::Accept { append }),
        2 => Just(Command::AcceptAll),
        6 => class.prop_map(Command::Fail),
        1 => Just(Command::Append),
        3 => (0usize..20).prop_map(Command::Take),
        4 => Just(Command::Retry),
        1 => any::<bool>().prop_map(Command::SetPaused),
        1 => limit.prop_map(Command::SetLimit),
        2 => Just(Command::Listen),
        1 => Just(Command::Close),
        2 => prop_oneof![0usize..4, Just(usize::MAX)].prop_map(Command::SetFree),
        1 => any::<bool>().prop_map(Command::SetRefuses),
        1 => (prop::sample::select(vec![Leftover::Serve, Leftover::Refuse]), 0u64..40)
            .prop_map(|(leftover, number)| Command::Drain(leftover, number)),
        3 => Just(Command::NextTurn),
        2 => (0u64..1000).prop_map(Command::Sleep),
    ]
}

/// The command that three bytes mean.
pub(crate) fn command_of(bytes: &[u8]) -> Command {
    let [kind, number, more] = [0, 1, 2].map(|at| bytes.get(at).copied().unwrap_or_default());
    let (flag, small) = (number % 2 == 1, usize::from(number % 48));
    let classes = [Nothing, Connection, Resources, Unknown, Broken];
    match kind % 15 {
        0 => Command::Accept { append: flag },
        1 => Command::AcceptAll,
        2 | 3 => Command::Fail(classes.get(small % classes.len()).copied().unwrap_or(Nothing)),
        4 => Command::Append,
        5 => Command::Take(small),
        6 => Command::Retry,
        7 => Command::SetPaused(flag),
        8 => Command::SetLimit(if number == u8::MAX { usize::MAX } else { small }),
        9 => Command::Listen,
        10 => Command::Close,
        11 => Command::SetFree(if number == u8::MAX { usize::MAX } else { small }),
        12 => Command::SetRefuses(flag),
        13 => Command::Drain(if flag { Leftover::Serve } else { Leftover::Refuse }, more.into()),
        _ if flag => Command::NextTurn,
        _ => Command::Sleep(u64::from(more) * 4),
    }
}

/// The same rules with no cleverness at all.
#[allow(clippy::struct_excessive_bools, reason = "as naive as can be")]
pub(crate) struct Model {
    acceptor: Acceptor,
    listening: bool,
    paused: bool,
    limit: usize,
    pending: usize,
    free: usize,
    refuses: bool,
    draining: Option<(Leftover, u64)>,
    accepted: u64,
    turn: u64,
    /// How many accepts were tried in this turn, whatever came of them.
    tried: u32,
    now: Instant,
    /// When accepts failed for lack of resources since one succeeded.
    failures: Vec<Instant>,
    /// Whether none is to be tried before the back-off has passed.
    waiting: bool,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            acceptor: Acceptor::new(Chance::new(1)),
            listening: false,
            paused: false,
            limit: 30,
            pending: 0,
            free: usize::MAX,
            refuses: false,
            draining: None,
            accepted: 0,
            turn: 0,
            tried: 0,
            now: Instant::now(),
            failures: Vec::new(),
            waiting: false,
        }
    }

    fn course(&self, turn: u64) -> Course {
        let free = if self.free == 0 { Err(RefusalReason::TooManyConnections) } else { Ok(self.free) };
        self.acceptor.course(&Moment { turn, free, rate: None, held: None, refuses: self.refuses })
    }

    /// The longest pause after the failures of an episode: 5 ms, twice as long after each, 500 ms at most.
    fn pause(&self) -> Duration {
        let doubled = (1..self.failures.len()).fold(5, |pause: u64, _| pause.saturating_mul(2));
        Duration::from_millis(doubled.min(500))
    }

    /// What is to happen to the next client, with a whole batch before it.
    fn expected(&self) -> Course {
        if !self.listening || self.paused {
            return Course::Stop(Until::Told);
        }
        if self.waiting {
            return Course::Stop(Until::Time(self.acceptor.retry_at()));
        }
        let most = match self.draining {
            Some((_, 0)) => return Course::Stop(Until::Told),
            Some((Leftover::Refuse, left)) => {
                return Course::Refuse(
                    RefusalReason::Draining,
                    u32::try_from(left).unwrap_or(BATCH).min(BATCH),
                );
            }
            Some((Leftover::Serve, left)) => u32::try_from(left).unwrap_or(BATCH).min(BATCH),
            None => BATCH,
        };
        if self.free == 0 && self.refuses {
            return Course::Refuse(RefusalReason::TooManyConnections, most);
        }
        if self.pending >= self.limit {
            return Course::Stop(Until::Told);
        }
        if self.free == 0 {
            return Course::Stop(Until::APlaceIsFree);
        }
        let places = self.free.min(self.limit - self.pending);
        Course::Accept(u32::try_from(places).unwrap_or(u32::MAX).min(most))
    }

    pub(crate) fn run(&mut self, command: Command) -> Result<(), TestCaseError> {
        match command {
            Command::Accept { append } => self.accept(append)?,
            Command::AcceptAll => {
                for _ in 0..self.course(self.turn).credit() {
                    self.accept(true)?;
                }
            }
            Command::Fail(class) => self.fail(class)?,
            Command::Append => {
                self.acceptor.appended();
                self.pending += 1;
            }
            Command::Take(number) => {
                let number = number.min(self.pending);
                self.acceptor.taken(number);
                self.pending -= number;
            }
            Command::Retry => {
                self.acceptor.retry();
                self.waiting = false;
            }
            Command::SetPaused(paused) => {
                self.acceptor.set_paused(paused);
                self.paused = paused;
            }
            Command::SetFree(free) => self.free = free,
            Command::SetRefuses(refuses) => self.refuses = refuses,
            Command::Drain(leftover, number) => {
                self.acceptor.drain(leftover, number);
                (self.draining, self.paused) = (Some((leftover, number)), false);
            }
            Command::SetLimit(limit) => {
                self.acceptor.set_limit(limit);
                self.limit = limit;
            }
            Command::Listen if !self.listening => {
                self.acceptor.started_listening();
                (self.listening, self.draining) = (true, None);
            }
            Command::Listen => {}
            Command::Close => self.close(),
            Command::NextTurn => {
                self.turn += 1;
                self.tried = 0;
            }
            Command::Sleep(milliseconds) => self.now += Duration::from_millis(milliseconds),
        }
        self.check()
    }

    fn close(&mut self) {
        if self.listening {
            self.acceptor.stopped_listening();
            (self.listening, self.waiting, self.draining) = (false, false, None);
            self.failures.clear();
        }
    }

    /// The driver accepts only with credit.
    fn accept(&mut self, append: bool) -> Result<(), TestCaseError> {
        let course = self.course(self.turn);
        if course.credit() == 0 {
            return Ok(());
        }
        let recovered = self.acceptor.accepted(self.turn);
        prop_assert_eq!(recovered, !self.failures.is_empty(), "any accept ends an episode");
        self.tried += 1;
        self.accepted += 1;
        if let Some((_, left)) = &mut self.draining {
            *left -= 1;
        }
        self.failures.clear();
        if !matches!(course, Course::Accept(_)) {
            return Ok(()); // it is refused
        }
        prop_assert!(self.free > 0, "let in without a place");
        self.acceptor.let_in(None, self.now);
        self.free -= usize::from(self.free < usize::MAX);
        if append {
            self.acceptor.appended();
            self.pending += 1;
            prop_assert!(self.pending <= self.limit, "accepting alone passed the limit");
        }
        Ok(())
    }

    fn fail(&mut self, class: AcceptErrorClass) -> Result<(), TestCaseError> {
        if self.course(self.turn).credit() == 0 {
            return Ok(());
        }
        let verdict = self.acceptor.accept_failed(class, self.turn, self.now);
        self.tried += 1;
        match class {
            Nothing | Connection => prop_assert_eq!(verdict, AcceptVerdict::Continue),
            Resources | Unknown => {
                let tell = self.failures.is_empty();
                prop_assert_eq!(verdict, AcceptVerdict::BackOff { tell }, "told once an episode");
                self.failures.push(self.now);
                self.waiting = true;
                let wait = self.acceptor.retry_at().map(|at| at - self.now);
                let (shortest, longest) = (self.pause() / 2, self.pause());
                prop_assert!(wait > Some(shortest) && wait <= Some(longest), "{wait:?} of {longest:?}");
            }
            Broken => {
                prop_assert_eq!(verdict, AcceptVerdict::StopListening);
                self.close(); // as the server does
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let left = BATCH.checked_sub(self.tried);
        prop_assert!(left.is_some(), "{} accepts in one turn", self.tried);
        let left = left.unwrap_or(0);
        let whole = self.expected();
        prop_assert_eq!(self.course(self.turn + 1), whole, "a new turn has a whole batch");
        let expected = match whole {
            Course::Stop(_) => whole,
            _ if left == 0 => Course::Stop(Until::NextTurn),
            Course::Accept(number) => Course::Accept(number.min(left)),
            Course::Refuse(reason, number) => Course::Refuse(reason, number.min(left)),
        };
        prop_assert_eq!(self.course(self.turn), expected);
        prop_assert_eq!(self.acceptor.retry_at().is_some(), self.waiting, "a retry is armed while it waits");
        prop_assert_eq!(self.acceptor.is_exhausted(), !self.failures.is_empty());
        prop_assert_eq!(self.acceptor.is_listening(), self.listening);
        prop_assert_eq!(self.acceptor.is_paused(), self.paused);
        prop_assert_eq!(self.acceptor.limit(), self.limit);
        prop_assert_eq!(self.acceptor.accepted_in_all(), self.accepted);
        Ok(())
    }
}
