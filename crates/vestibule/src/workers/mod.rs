//! [`Workers`]: an event loop and a server on each of several threads, which are one server to their clients.
//!
//! What the threads share is a [`Crew`](crew::Crew): the listening descriptors, which outlive each worker, what was ordered,
//! and who serves. Limits are counted by an `AdmissionGroup`, and the load of a shared queue is balanced by a `SharedQueue`.

mod crew;
mod gather;
mod plan;
mod queue;
mod roster;
mod worker;
mod worker_group;
mod workers_handle;
mod workers_type;

pub use plan::{QueueSharing, WorkerLoss};
pub use worker_group::WorkerGroup;
pub use workers_handle::WorkersHandle;
pub use workers_type::Workers;
