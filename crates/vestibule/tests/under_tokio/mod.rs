//! What the tests of the front door under tokio share.

#![allow(clippy::duplicate_mod, dead_code, unreachable_pub, reason = "each test file uses its part")]

#[path = "../support/far_end.rs"]
mod far_end;

pub use far_end::connect as connect_blocking;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use vestibule::Limits;
use vestibule::tokio::{Connection, Listener, Options};

/// No wait of a test is longer.
pub const LIMIT: Duration = Duration::from_secs(20);

pub fn bind(options: Options) -> (Listener, SocketAddr) {
    let listener = Listener::bind("127.0.0.1:0", options).unwrap();
    let address = listener.local_addrs()[0];
    (listener, address)
}

pub fn with_limits(limits: Limits) -> (Listener, SocketAddr) {
    bind(Options::new().limits(limits))
}

/// The client is in the listener's queue, or further.
pub fn connect(address: SocketAddr) -> TcpStream {
    let client = connect_blocking(address); // tokio's clock may stand still
    client.set_nonblocking(true).unwrap();
    TcpStream::from_std(client).unwrap()
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.unwrap() // or it takes too long
}

pub async fn next(listener: &mut Listener) -> Connection {
    within(listener.accept()).await.unwrap().unwrap()
}

/// With one thread, which is the caller's.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
