//! [`TcpSocket`]: a connection, accepted or made, with signals, and blocking calls where there is no loop.

mod address;
mod attempt;
mod binding;
mod blocking;
mod child;
mod connecting;
mod conversion;
mod core;
mod draining;
mod end_reason;
mod ending;
mod failure;
mod finding;
mod input;
mod lane;
mod options;
mod outgoing;
mod output;
mod proxying;
mod read_buffer;
mod reading;
mod route;
mod socket_signal;
mod state;
mod std_io;
mod talking;
mod tcp_socket;
mod telling;
mod timeouts;
mod tries;
mod waiting;
mod weak;
mod write_buffer;
mod writing;

pub use blocking::BlockingSocket;
pub use end_reason::EndReason;
pub use socket_signal::SocketSignal;
pub use state::SocketState;
pub use tcp_socket::TcpSocket;
pub use weak::WeakTcpSocket;

pub(crate) use self::core::SocketCore;
pub(crate) use child::Child;
pub(crate) use read_buffer::ReadBuffer;
pub(crate) use write_buffer::WriteBuffer;
