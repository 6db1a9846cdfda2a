//! Which address of a host is tried when: pure decisions about connecting out. No descriptor, no clock, no thread.

mod order;
mod race;

pub(crate) use order::interleaved;
pub(crate) use race::{Move, Race};
