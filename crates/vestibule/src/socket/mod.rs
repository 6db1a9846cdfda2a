//! [`TcpSocket`]: a connection with signals, and blocking calls where there is no loop.

mod address;
mod child;
mod core;
mod ending;
mod input;
mod output;
mod read_buffer;
mod reading;
mod socket_signal;
mod state;
mod std_io;
mod tcp_socket;
mod telling;
mod waiting;
mod weak;
mod write_buffer;
mod writing;

pub use socket_signal::SocketSignal;
pub use state::SocketState;
pub use tcp_socket::TcpSocket;
pub use weak::WeakTcpSocket;

pub(crate) use self::core::SocketCore;
pub(crate) use read_buffer::ReadBuffer;
pub(crate) use write_buffer::WriteBuffer;
