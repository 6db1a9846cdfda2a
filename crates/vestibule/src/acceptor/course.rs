use crate::admission::RefusalReason;
use std::time::Instant;

/// What an acceptor decides to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// So many clients may be let in.
    Accept(u32),
    /// So many clients are to be accepted and refused.
    Refuse(RefusalReason, u32),
    /// Nobody is accepted, until this happens.
    Stop(Until),
}

/// What ends a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// Somebody listens, resumes, takes a connection or changes a limit.
    Told,
    /// The next turn.
    NextTurn,
    /// A connection ends.
    APlaceIsFree,
    /// The time comes, or, when resources are lacking, a descriptor is released; without a time, never.
    Time(Option<Instant>),
}

impl Course {
    /// How many clients may be accepted, whatever happens to them.
    pub(crate) fn credit(self) -> u32 {
        match self {
            Self::Accept(number) | Self::Refuse(_, number) => number,
            Self::Stop(_) => 0,
        }
    }

    /// When to look again, if time alone can change the course.
    pub(crate) fn until(self) -> Option<Instant> {
        match self {
            Self::Stop(Until::Time(at)) => at,
            _ => None,
        }
    }
}
