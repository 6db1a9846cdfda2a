//! What is asked of an operating system, and nothing else: the rest of the library makes no system call.
//!
//! Two implementations stand behind [`Driver`]: the system's own, and a network in memory for tests. Objects are named
//! by [`Token`]s with a generation, so that an event of an object that is gone is recognised and dropped. Completions
//! are pulled one at a time and make at most one system call each; no borrow is held while a slot runs.

mod arrival;
mod completion;
mod driver_type;
pub(crate) mod os;
mod questions;
#[cfg(feature = "simulation")]
pub(crate) mod simulation;
mod slots;
mod socket_option;
mod token;
mod transport;

pub(crate) use arrival::Arrival;
pub use arrival::KernelQueue;
pub(crate) use completion::{Completion, Interest, Over, Readiness};
pub(crate) use driver_type::Driver;
pub(crate) use os::listener::{ListenFailure, ListenRequest, listen as open_listener};
#[cfg(feature = "tokio")]
pub(crate) use os::{
    RELEASES, Release, accept_from, arrival_of, check_listening, kernel_queue_of, queue_overflows,
    reserve_descriptor, send_now,
};
pub(crate) use os::{Waker, check_connected, local_address, pin_to_core};
pub use socket_option::KeepAlive;
pub(crate) use socket_option::{OptionName, SocketOption, SocketOptions};
pub(crate) use token::Token;
pub(crate) use transport::Transport;
