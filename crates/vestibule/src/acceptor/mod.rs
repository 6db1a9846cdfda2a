//! Every decision about accepting, as a pure state machine: no descriptor, no clock, no call to anybody.
//!
//! It is told what happened and answers what to do. The event loop and the blocking calls ask the same one.

mod accept_error;
mod acceptor_type;
mod backoff;
mod batch;

pub use accept_error::AcceptErrorClass;

pub(crate) use acceptor_type::{AcceptVerdict, Acceptor};

#[cfg(test)]
mod tests;
