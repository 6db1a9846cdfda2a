//! A TCP server library: the reference class `QTcpServer` of Qt in Rust, and every accept error handled right.
//!
//! ```no_run
//! use vestibule::{EventLoop, HostAddress, TcpServer};
//!
//! fn main() -> vestibule::Result<()> {
//!     let event_loop = EventLoop::new()?;
//!     let server = TcpServer::new(&event_loop);
//!     server.new_connection().connect(|server| {
//!         while let Some(socket) = server.next_pending_connection() {
//!             socket.write(b"You will be hungry again in one hour.\n");
//!             socket.disconnect_from_host();
//!         }
//!     });
//!     server.listen(HostAddress::ANY, 0)?;
//!     println!("listening on port {}", server.server_port());
//!     event_loop.run()
//! }
//! ```
//!
//! # Where to look
//!
//! | for | see |
//! | --- | --- |
//! | listening and accepting, with a loop or without | [`TcpServer`] |
//! | connections: reading, writing, ending, and who owns them | [`TcpSocket`] |
//! | handing connections to other threads | [`TcpServer::set_incoming_connection`], [`IncomingConnection`] |
//! | the loop: timers, calls and channels from other threads | [`EventLoop`] |
//! | signals and slots | [`Signal`], [`SocketSignal`] |
//! | addresses | [`HostAddress`], [`Endpoint`], [`Subnet`] |
//! | what goes wrong | [`Error`], [`SocketError`], [`AcceptErrorClass`] |
//! | testing a server without a network | `simulation`, with the feature of that name |
//!
//! # How it is built
//!
//! Every decision about accepting is made by one pure state machine, which the loop and the blocking calls both ask. All
//! system calls are in one driver; with the feature `simulation` a network in memory takes its place. The library has no
//! `unsafe` code.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `simulation` | no | `simulation`: servers and sockets on a network in memory, with virtual time and a seed |
//! | `tracing` | no | warnings through the `tracing` crate |

#![cfg_attr(all(target_os = "linux", not(vestibule_polling)), forbid(unsafe_code))]

mod acceptor;
mod address;
mod connector;
mod driver;
mod error;
mod event_loop;
mod log;
mod resolver;
mod server;
mod signal;
mod socket;

pub use acceptor::AcceptErrorClass;
pub use address::{AddressParseError, Endpoint, HostAddress, NetworkLayerProtocol, Subnet};
pub use driver::KeepAlive;
pub use error::{Error, Operation, Rejected, Result, SocketError};
pub use event_loop::{EventLoop, EventLoopHandle, PostedCall, SendError, Sender, TimerId};
pub use server::{IncomingConnection, ListenOptions, TcpServer, WeakTcpServer};
pub use signal::{Signal, SignalArgument, SlotId};
pub use socket::{BlockingSocket, SocketSignal, SocketState, TcpSocket, WeakTcpSocket};

#[cfg(feature = "simulation")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulation")))]
pub mod simulation {
    //! A network in memory, with virtual time and a seed, on which servers and sockets run unchanged.

    pub use crate::driver::simulation::{SimulatedClient, SimulatedNetwork};
}

/// The guide's programs compile, and run where they can.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/coming-from-qt.md")]
    struct ComingFromQt;
}
