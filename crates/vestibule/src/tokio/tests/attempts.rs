//! Attempts side by side: nothing is given twice, and nothing is missed.

use super::super::concluding::Outcome;
use super::super::deciding::Decision;
use super::super::shared::now;
use super::super::{Listener, Options};
use super::{begun, client_of, two, within};
use crate::sync::lock;
use crate::{Limits, OverLimit, Rate, Refusal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

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
    let connection = within(second.accept()).await.unwrap().unwrap();
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
        listener.shared.released.ring();
        let Decision::Try(attempt) = listener.decide(&mut context) else { panic!("a release was missed") };
        listener.shared.released.ring();
        assert!(matches!(listener.conclude(attempt, failed()), Outcome::Failed));
        let Decision::Try(attempt) = listener.decide(&mut context) else { panic!("a release was missed") };
        assert!(matches!(listener.conclude(attempt, failed()), Outcome::Failed));
    }
}

#[::tokio::test]
async fn the_most_that_were_open_were_open() {
    let (mut first, mut second) = two(Limits::new());
    let (attempt, accepted) = begun(&mut first, false).await;
    let _client = client_of(&second).await;
    let _connection = within(second.accept()).await.unwrap().unwrap();
    first.conclude(attempt, accepted);
    let statistics = second.handle().statistics();
    assert_eq!((statistics.open, statistics.most_open), (1, 1));
}

/// Steps: 1. One in ten seconds may come, and the first tries. 2. Ten seconds pass. 3. The second lets one in, or waits for the first.
/// 4. The first finds nobody. 5. The rate was kept: no two have come within ten seconds.
#[::tokio::test(start_paused = true)]
async fn a_rate_is_not_exceeded_by_a_try_that_lasts_long() {
    let interval = Duration::from_secs(10);
    let (mut first, mut second) = two(Limits::new().rate(Rate::new(1, interval).burst(1)));
    let _clients = [client_of(&first).await, client_of(&first).await];
    let Decision::Try(attempt) = first.decide(&mut Context::from_waker(Waker::noop())) else { panic!() };
    ::tokio::time::advance(interval).await;
    let mut context = Context::from_waker(Waker::noop());
    assert!(second.poll_accept(&mut context).is_pending(), "the first has not let go of the rate");
    first.conclude(attempt, Poll::Pending);
    let begun = ::tokio::time::Instant::now();
    let one = within(second.accept()).await.unwrap();
    let other = within(second.accept()).await.unwrap();
    assert!(one.is_some() && other.is_some() && begun.elapsed() >= interval, "{:?}", begun.elapsed());
}

/// Eight listeners fail for one lack of descriptors: that is one failure, and the next try is as soon.
#[::tokio::test]
async fn failures_side_by_side_are_one() {
    let listener = Listener::bind("127.0.0.1:0", Options::new()).unwrap();
    let mut shards = listener.shards(8).unwrap();
    let mut attempts = Vec::new();
    for shard in &mut shards {
        attempts.push(begun(shard, false).await.0);
    }
    let before = now();
    for (shard, attempt) in shards.iter().zip(attempts) {
        shard.conclude(attempt, Poll::Ready(Err(rustix::io::Errno::MFILE)));
    }
    let next = lock(&shards[0].shared.door).acceptor.retry_at().unwrap();
    let statistics = shards[0].handle().statistics();
    assert_eq!((statistics.errors.resources, statistics.episodes), (8, 1));
    assert!(next <= now() + Duration::from_millis(5), "{:?}", next.duration_since(before));
}
