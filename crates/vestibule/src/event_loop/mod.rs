//! The loop: waits for the driver, dispatches what happened, and runs timers and calls from other threads. Another loop
//! may do the waiting, see `embedding.rs`.

mod buffers;
mod channel;
mod containing;
mod core;
mod deadlines;
mod departing;
mod embedding;
mod event_loop_type;
mod guests;
mod handle;
#[cfg(feature = "metrics")]
mod metering;
mod posted;
mod refusing;
mod spin;
mod table;
mod timeouts;
mod timers;
mod turn;
mod waiting;
mod watch;
mod watches;

pub use channel::{SendError, Sender};
pub use event_loop_type::EventLoop;
pub use handle::EventLoopHandle;
pub use posted::PostedCall;
pub use timeouts::Timeouts;
pub use timers::TimerId;

pub(crate) use self::core::LoopCore;
pub(crate) use buffers::RECEIVE_SIZE;
pub(crate) use containing::{forget, message};
pub(crate) use deadlines::later;
pub(crate) use waiting::{Also, Wait};
