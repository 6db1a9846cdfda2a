//! [`TcpServer`]: listens, accepts, and hands connections out.

mod accepting;
mod answer;
mod arriving;
mod binding;
mod children;
mod core;
mod credit;
mod desk;
mod drain_account;
mod drain_report;
mod draining;
mod failing;
mod handing_out;
mod handle;
mod hook;
mod incoming_connection;
mod lane_news;
mod listen_options;
mod listening;
#[cfg(feature = "metrics")]
mod metering;
mod order;
mod pausing;
mod proxied;
mod proxying;
mod refusing;
mod shared_queue;
mod starting;
mod state;
mod tcp_server;
#[cfg(all(test, vestibule_loom))]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
#[cfg(all(test, not(vestibule_loom)))]
mod tests_of_failing;
mod waiting;
mod weak;

pub use answer::Answer;
pub use drain_report::{DrainOptions, DrainReport};
pub use handle::ServerHandle;
pub use incoming_connection::IncomingConnection;
pub use listen_options::ListenOptions;
pub use refusing::RefusedClient;
pub use state::ServerState;
pub use tcp_server::TcpServer;
pub use weak::WeakTcpServer;

pub(crate) use self::core::ServerCore;
pub(crate) use answer::Reply;
pub(crate) use shared_queue::SharedQueue;
#[cfg(feature = "tokio")]
pub(crate) use {desk::Desk, drain_account::DrainAccount, order::Order};
