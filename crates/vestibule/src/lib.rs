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
//! | connecting to a server, by name or address | [`TcpSocket::connect_to_host`] |
//! | code that wants `std::io::Read` and `Write` | [`TcpSocket::blocking`] |
//! | handing connections to other threads | [`TcpServer::set_incoming_connection`], [`IncomingConnection`] |
//! | the loop: timers, calls and channels from other threads | [`EventLoop`] |
//! | the loop inside another one: tokio, calloop, glib | [`EventLoop`'s `AsFd`](EventLoop#impl-AsFd-for-EventLoop) |
//! | whom a server lets in: limits, rates, refusals | [`Limits`], [`SharedLimit`], [`Rate`], [`Refusal`] |
//! | a server on every core | [`Workers`], [`WorkersHandle`], [`QueueSharing`] |
//! | pausing, draining and asking a server from another thread | [`ServerHandle`], [`TcpServer::drain`] |
//! | what a server does and has done | [`ServerState`], [`Statistics`], [`KernelQueue`] |
//! | time-outs of connections, and what ended one | [`Timeouts`], [`EndReason`] |
//! | panics in slots | [`EventLoop::contain_panics`] |
//! | signals and slots | [`Signal`], [`SocketSignal`] |
//! | addresses | [`HostAddress`], [`Endpoint`], [`Subnet`] |
//! | what goes wrong | [`Error`], [`SocketError`], [`AcceptErrorClass`] |
//! | testing a server without a network | `simulation`, with the feature of that name |
//!
//! The directory `examples` has programs to start from; `docs/coming-from-qt.md` maps each member of the reference,
//! `docs/operations.md` explains limits, states and numbers to whoever runs a server.
//!
//! # A server without a loop, and its client
//!
//! ```
//! use std::{io::Read, time::Duration};
//! use vestibule::{HostAddress, TcpServer, TcpSocket};
//!
//! let limit = Some(Duration::from_secs(5));
//! let server = TcpServer::standalone()?;
//! server.listen(HostAddress::LOCALHOST, 0)?;
//! let port = server.server_port();
//!
//! let client = std::thread::spawn(move || -> Result<String, std::io::Error> {
//!     let socket = TcpSocket::standalone();
//!     socket.connect_to_host("localhost", port)?;
//!     let mut fortune = String::new();
//!     socket.blocking(limit).read_to_string(&mut fortune)?;
//!     Ok(fortune)
//! });
//!
//! server.wait_for_new_connection(limit)?;
//! if let Some(socket) = server.next_pending_connection() {
//!     socket.write(b"You will be hungry again in one hour.");
//! } // dropped: everything is sent, then the end
//! assert_eq!(client.join().unwrap()?, "You will be hungry again in one hour.");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # How it is built
//!
//! Every decision about accepting is made by one pure state machine, which the loop and the blocking calls both ask. All
//! system calls on sockets are in one driver: epoll on Linux, the `polling` crate on other Unix systems; with the feature
//! `simulation` a network in memory takes its place. `unsafe` are on Linux the two calls for options that nobody wraps
//! (`TCP_INFO`, `TCP_DEFER_ACCEPT`), elsewhere the one that gives `polling` a descriptor, and under tokio the one that cuts
//! connections at the end of a drain.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `simulation` | no | `simulation`: servers and sockets on a network in memory, with virtual time, a seed and faults |
//! | `metrics` | no | what servers count, through the `metrics` crate |
//! | `tokio` | no | [`tokio`]: the same front door under tokio |
//! | `axum` | no | `axum::serve` with that |
//! | `tonic` | no | the same for `serve_with_incoming_shutdown` of tonic |
//! | `tracing` | no | a span for each connection, and warnings, through the `tracing` crate |

mod acceptor;
mod address;
mod admission;
mod connector;
mod driver;
mod error;
mod event_loop;
mod log;
mod proxy;
mod resolver;
mod server;
mod signal;
mod socket;
mod sync;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod tokio;
mod workers;

pub use acceptor::{AcceptErrorClass, Leftover};
pub use address::{AddressParseError, Endpoint, HostAddress, NetworkLayerProtocol, Subnet};
pub use admission::{
    AcceptErrors, LastWord, Limits, OverLimit, Permit, Rate, Refusal, RefusalReason, SharedLimit, Statistics,
};
pub use driver::{KeepAlive, KernelQueue};
pub use error::{Error, Operation, Rejected, Result, SocketError};
pub use event_loop::{EventLoop, EventLoopHandle, PostedCall, SendError, Sender, Timeouts, TimerId};
pub use proxy::{
    NetworkProxy, NetworkProxyFactory, NetworkProxyQuery, ProxyCapabilities, ProxyQueryType, ProxyType,
};
pub use server::{
    Answer, DrainOptions, DrainReport, IncomingConnection, ListenOptions, RefusedClient, ServerHandle,
    ServerState, TcpServer, WeakTcpServer,
};
pub use signal::{Signal, SignalArgument, SlotId};
pub use socket::{BlockingSocket, EndReason, SocketSignal, SocketState, TcpSocket, WeakTcpSocket};
pub use workers::{QueueSharing, WorkerGroup, WorkerLoss, Workers, WorkersHandle};

/// What is tried with bytes that nobody has thought of: by the programs in `fuzz`, and with their corpus by `cargo test`.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

#[cfg(feature = "simulation")]
#[cfg_attr(docsrs, doc(cfg(feature = "simulation")))]
pub mod simulation {
    //! A network in memory, with virtual time and a seed, on which servers and sockets run unchanged, and on which things go
    //! wrong on order.
    //!
    //! Tokio's and other runtimes' sockets cannot be put on it; threads can, if each has a loop of its own, but then the
    //! order in which they run is not drawn from the seed.

    pub use crate::driver::simulation::{SimulatedClient, SimulatedNetwork, explore};
}

/// The guide's programs compile, and run where they can.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/coming-from-qt.md")]
    struct ComingFromQt;
    #[doc = include_str!("../../../docs/workers.md")]
    struct Workers;
    #[doc = include_str!("../../../docs/proxies.md")]
    struct Proxies;
    #[cfg(all(feature = "axum", feature = "tonic"))]
    #[doc = include_str!("../../../docs/tokio.md")]
    struct Tokio;
}
