//! What other listeners of a door do while one is between its decision and its conclusion, where no test from outside can stop it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod attempts;
mod orders;

use super::attempt::Attempt;
use super::deciding::Decision;
use super::{Listener, Options};
use crate::Limits;
use ::tokio::net::TcpStream;
use ::tokio::time::timeout;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// No wait of a test is longer.
const LIMIT: Duration = Duration::from_secs(20);

type Accepted = Poll<Result<(TcpStream, std::net::SocketAddr), rustix::io::Errno>>;

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future).await.unwrap() // or it takes too long
}

/// Two listeners of one queue, of which the first is told of nothing.
fn two(limits: Limits) -> (Listener, Listener) {
    let listener = Listener::bind("127.0.0.1:0", Options::new().limits(limits)).unwrap();
    let mut shards = listener.shards(2).unwrap().into_iter();
    (shards.next().unwrap(), shards.next().unwrap())
}

/// A client that is in the queue.
async fn client_of(listener: &Listener) -> TcpStream {
    let depth = || listener.shared.queues.together().unwrap().depth;
    let before = depth();
    let client = TcpStream::connect(listener.local_addrs()[0]).await.unwrap();
    let begun = Instant::now(); // tokio's clock may stand still
    while depth() == before {
        assert!(begun.elapsed() < LIMIT, "the client does not come");
        ::tokio::task::yield_now().await;
    }
    client
}

/// The first may accept; the client that waits longest is out of the queue then, if there is one.
async fn begun(listener: &mut Listener, comes: bool) -> (Attempt, Accepted) {
    let Decision::Try(attempt) = listener.decide(&mut Context::from_waker(Waker::noop())) else {
        panic!("it may accept");
    };
    let accepted = std::future::poll_fn(|context| match listener.accept_one(attempt.draining, context) {
        Poll::Pending if comes => Poll::Pending,
        accepted => Poll::Ready(accepted),
    })
    .await;
    (attempt, accepted)
}
