//! [`TcpServer`]: listens, accepts, and hands connections out.

mod accepting;
mod children;
mod core;
mod handing_out;
mod incoming_connection;
mod listen_options;
mod listening;
mod tcp_server;
mod waiting;
mod weak;

pub use incoming_connection::IncomingConnection;
pub use listen_options::ListenOptions;
pub use tcp_server::TcpServer;
pub use weak::WeakTcpServer;

pub(crate) use self::core::ServerCore;
