//! Every decision about accepting, as a pure state machine: no descriptor, no clock, no call to anybody.
//!
//! It is told what happened and answers what to do. The event loop and the blocking calls ask the same one.

mod accept_error;
mod acceptor_type;
mod backoff;
mod batch;
mod chance;
mod course;
mod crowd;
mod lead;
mod leftover;
mod moment;
mod seldom;
mod verdict;

pub use accept_error::AcceptErrorClass;

pub use leftover::Leftover;

pub(crate) use acceptor_type::Acceptor;
pub(crate) use backoff::Backoff;
pub(crate) use chance::Chance;
pub(crate) use course::{Course, Until};
pub(crate) use crowd::Crowd;
pub(crate) use lead::{Lead, catches_up_at};
pub(crate) use moment::Moment;
pub(crate) use seldom::Seldom;
pub(crate) use verdict::AcceptVerdict;

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
