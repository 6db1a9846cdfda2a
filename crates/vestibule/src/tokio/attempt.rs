use crate::admission::{Rate, RefusalReason, Reservation};

/// A client that is just being accepted: what was decided of it, and taken for it, before.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Its place, or why it is refused.
    pub(super) place: Result<Reservation, RefusalReason>,
    /// Of which rate it has its part.
    pub(super) rate: Option<Rate>,
    /// Whether it is for a client who had come when a drain began.
    pub(super) draining: bool,
}
