//! The clients: one thread, non-blocking sockets, one epoll instance.

pub(crate) mod churn;
pub(crate) mod connection;
pub(crate) mod crowd;
pub(crate) mod latency;
pub(crate) mod limits;
mod pace;
pub(crate) mod page;
pub(crate) mod pattern;
pub(crate) mod poller;
pub(crate) mod schedule;
