//! Who may come in, across servers and threads: limits, rates, permits, and what is counted.
//!
//! [`Rate`] and the table of sources are pure; permits and counts are atomics, because a connection may end on another
//! thread than the one that accepted it.

mod bell;
mod count;
mod events;
mod group;
mod ledger;
mod limits;
mod permit;
mod phase;
mod rate;
mod refusal;
mod shared_limit;
mod sources;
mod statistics;

pub use limits::{Limits, OverLimit};
pub use permit::Permit;
pub use rate::Rate;
pub use refusal::{LastWord, Refusal, RefusalReason};
pub use shared_limit::SharedLimit;
pub use statistics::{AcceptErrors, Statistics};

pub(crate) use bell::{Bell, Bells};
pub(crate) use count::Count;
pub(crate) use group::AdmissionGroup;
pub(crate) use ledger::Ledger;
pub(crate) use permit::{Admission, Reservation};
pub(crate) use phase::DrainPhase;
pub(crate) use rate::Pace;

#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::fuzz_sources;

#[cfg(any(test, fuzzing))]
mod fuzzing;
#[cfg(test)]
mod tests;
