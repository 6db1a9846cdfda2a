//! What other listeners of a door do while one is between its decision and its conclusion, where no test from outside can stop it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::concluding::Outcome;
use super::deciding::Decision;
use super::{Listener, Options};
use crate::driver::RELEASES;
use crate::{Limits, OverLimit, Rate, Refusal};
use ::tokio::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Whether somebody was called.
#[derive(Default)]
struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Called {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

/// Two listeners of one queue, of which the first is told of nothing.
fn two(limits: Limits) -> (Listener, Listener) {
    let listener = Listener::bind("127.0.0.1:0", Options::new().limits(limits)).unwrap();
    let mut shards = listener.shards(2).unwrap().into_iter();
    (shards.next().unwrap(), shards.next().unwrap())
}

async fn client_of(listener: &Listener) -> TcpStream {
    TcpStream::connect(listener.local_addrs()[0]).await.unwrap()
}

/// Steps: 1. The first decides to accept. 2. A client comes, and the second looks: it lets nobody in, and refuses nobody. 3. The first sees
/// nobody. 4. The second is called, and lets the client in.
async fn the_second_waits_and_is_called(limits: Limits) {
    let (mut first, mut second) = two(limits);
    let called = Arc::new(Called::default());
    let waker = Waker::from(Arc::clone(&called));
    let mut context = Context::from_waker(&waker);
    assert!(second.poll_accept(&mut context).is_pending());

    let Decision::Try(attempt) = first.decide(&mut Context::from_waker(Waker::noop())) else {
        panic!("the first may accept");
    };
    let client = client_of(&second).await;
    assert!(second.poll_accept(&mut context).is_pending());
    assert_eq!(second.handle().statistics().refused_in_all(), 0);
    called.take(); // the reactor may have called it for the client

    assert!(matches!(first.conclude(attempt, Poll::Pending), Outcome::Nobody));
    assert!(called.take(), "it has to look again");
    let connection = second.accept().await.unwrap().unwrap();
    assert_eq!(connection.peer_addr(), client.local_addr().unwrap());
    let statistics = second.handle().statistics();
    assert_eq!((statistics.open, statistics.refused_in_all()), (1, 0));
}

#[::tokio::test]
async fn a_place_that_is_tried_is_neither_given_twice_nor_a_reason_to_refuse() {
    the_second_waits_and_is_called(Limits::new().max_connections(1)).await;
    let refusing = OverLimit::Refuse(Refusal::Close);
    the_second_waits_and_is_called(Limits::new().max_connections(1).over_limit(refusing)).await;
}

/// The rate lets in one a minute, so it is not time that does it.
#[::tokio::test]
async fn a_part_of_the_rate_that_is_tried_is_neither_given_twice_nor_lost() {
    let rate = Rate::per_minute(1).burst(1);
    the_second_waits_and_is_called(Limits::new().rate(rate)).await;
    let refusing = OverLimit::Refuse(Refusal::Close);
    the_second_waits_and_is_called(Limits::new().rate(rate).over_limit(refusing)).await;
}

/// Steps: 1. An accept fails for lack of descriptors. 2. One is released, and the next accept begins. 3. While it does, another is
/// released; it fails all the same, because somebody else was faster. 4. The next accept begins at once, not after a pause.
#[::tokio::test]
async fn a_release_during_a_failing_accept_is_not_missed() {
    let mut listener = Listener::bind("127.0.0.1:0", Options::new()).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let failed = || Poll::Ready(Err(rustix::io::Errno::MFILE));
    let Decision::Try(attempt) = listener.decide(&mut context) else { panic!("nothing is lacking") };
    assert!(matches!(listener.conclude(attempt, failed()), Outcome::Failed));
    for _ in 0..10 {
        RELEASES.ring();
        let Decision::Try(attempt) = listener.decide(&mut context) else { panic!("a release was missed") };
        RELEASES.ring();
        assert!(matches!(listener.conclude(attempt, failed()), Outcome::Failed));
        let Decision::Try(attempt) = listener.decide(&mut context) else { panic!("a release was missed") };
        assert!(matches!(listener.conclude(attempt, failed()), Outcome::Failed));
    }
}

/// 1. The first decides to accept. 2. The listener is stopped. 3. The first finds a client all the same, or that its queue is gone:
/// the one is let in, the other is no error.
#[::tokio::test]
async fn who_was_accepted_while_the_door_was_closed_is_let_in() {
    for comes in [true, false] {
        let (mut first, second) = two(Limits::new());
        let _client = client_of(&first).await;
        let mut context = Context::from_waker(Waker::noop());
        let Decision::Try(attempt) = first.decide(&mut context) else { panic!("it may accept") };
        let accepted = if comes {
            std::future::poll_fn(|context| first.accept_one(false, context)).await
        } else {
            Err(rustix::io::Errno::INVAL)
        };
        second.shared.close();
        match first.conclude(attempt, Poll::Ready(accepted)) {
            Outcome::LetIn(connection) if comes => {
                assert_eq!((connection.id(), first.handle().statistics().open), (1, 1));
            }
            Outcome::Failed if !comes => {}
            _ => panic!("neither the one nor the other"),
        }
        assert!(first.accept().await.unwrap().is_none());
        assert_eq!(first.handle().statistics().open, 0);
    }
}
