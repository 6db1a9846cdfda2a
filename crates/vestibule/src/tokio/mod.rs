//! The same front door under tokio: a [`Listener`] whose every decision is the one that a
//! [`TcpServer`](crate::TcpServer) would make, on tokio's own reactor.
//!
//! No second event loop, no thread. Limits are exact, errors are classed, a lack of descriptors is survived, and
//! a [`ServerHandle`](crate::ServerHandle) pauses, drains and counts. `docs/tokio.md` leads from tokio's own listener here.
//!
//! ```
//! use tokio::io::AsyncWriteExt;
//! use vestibule::tokio::{Listener, Options};
//! use vestibule::Limits;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> vestibule::Result<()> {
//! let options = Options::new().limits(Limits::new().max_connections(10_000));
//! let mut listener = Listener::bind("127.0.0.1:0", options)?;
//! # let address = listener.local_addrs()[0];
//! # let client = std::thread::spawn(move || {
//! #     let mut word = String::new();
//! #     std::io::Read::read_to_string(&mut std::net::TcpStream::connect(address).unwrap(), &mut word).unwrap();
//! #     word
//! # });
//! # let handle = listener.handle();
//! while let Some(mut connection) = listener.accept().await? {
//!     tokio::spawn(async move {
//!         let _ = connection.write_all(b"welcome\n").await;
//!     });
//! #   drop(handle.stop());
//! }
//! # let word = tokio::task::spawn_blocking(move || client.join().unwrap()).await.unwrap();
//! # assert_eq!(word, "welcome\n");
//! # Ok(())
//! # }
//! ```

mod accepting;
mod attempt;
#[cfg(feature = "axum")]
mod axum;
mod caller;
mod concluding;
mod connection;
mod deciding;
mod door;
mod listener;
mod options;
mod orders;
mod queue;
mod queues;
mod refusing;
mod roll;
mod serving;
mod shards;
mod shared;
#[cfg(test)]
mod tests;
#[cfg(feature = "tonic")]
mod tonic;
mod warden;

#[cfg(feature = "axum")]
pub use axum::Peer;
pub use connection::Connection;
pub use listener::Listener;
pub use options::Options;
pub use serving::serve;
