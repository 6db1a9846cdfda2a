//! What went wrong: [`Error`] for a call that failed, [`SocketError`] for the kind, in the reference's names.

mod cause;
mod error_type;
mod operation;
mod rejected;
mod socket_error;

pub(crate) use cause::describe;
pub use error_type::{Error, Result};
pub use operation::Operation;
pub use rejected::Rejected;
pub use socket_error::SocketError;
