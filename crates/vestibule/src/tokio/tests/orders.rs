//! What is asked for while somebody is being accepted.

use super::super::concluding::Outcome;
use super::super::deciding::Decision;
use super::{LIMIT, begun, client_of, two, within};
use crate::{Limits, Refusal, ServerHandle};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

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
        assert!(within(first.accept()).await.unwrap().is_none());
        assert_eq!(first.handle().statistics().open, 0);
    }
}

/// Steps: 1. Three clients wait; the first of them is out of the queue, and not let in yet. 2. A drain begins. 3. All three are let
/// in, and the report says so.
#[::tokio::test]
async fn who_is_just_being_accepted_takes_nobodys_place_in_a_drain() {
    let (mut first, mut second) = two(Limits::new());
    let _clients = [client_of(&first).await, client_of(&first).await, client_of(&first).await];
    let (attempt, accepted) = begun(&mut first, true).await;
    let drain = second.handle().drain(LIMIT);
    second.shared.carry_out_orders();
    assert!(matches!(first.conclude(attempt, accepted), Outcome::LetIn(_)));
    for _ in 0..2 {
        assert!(within(second.accept()).await.unwrap().is_some());
    }
    assert!(within(second.accept()).await.unwrap().is_none());
    let report = within(drain).await.unwrap();
    assert_eq!((report.let_in, report.ended, report.left_in_queue), (3, 3, 0), "{report:?}");
}

/// A place that is only tried is no connection, whether somebody comes or not.
#[::tokio::test]
async fn a_drain_counts_connections_and_not_attempts() {
    for comes in [true, false] {
        let (mut first, mut second) = two(Limits::new());
        let _client = if comes { Some(client_of(&first).await) } else { None };
        let (attempt, accepted) = begun(&mut first, comes).await;
        let drain = second.handle().drain(LIMIT);
        second.shared.carry_out_orders();
        drop(first.conclude(attempt, accepted));
        assert!(within(second.accept()).await.unwrap().is_none());
        let report = within(drain).await.unwrap();
        assert_eq!((report.let_in, report.ended), (u64::from(comes), u64::from(comes)), "{report:?}");
    }
}

/// Steps: 1. The first decides to accept. 2. A pause, a stop or lower limits are asked for. 3. A client comes, and is let in. 4. Now
/// they are answered, and true.
#[::tokio::test]
async fn an_order_is_answered_when_nobody_decided_before_it_is_let_in_after_it() {
    for order in [ServerHandle::pause, ServerHandle::stop, |handle: &ServerHandle| {
        handle.set_limits(Limits::new().max_connections(0))
    }] {
        let (mut first, second) = two(Limits::new());
        let _client = client_of(&first).await;
        let (attempt, accepted) = begun(&mut first, true).await;
        let mut answer = std::pin::pin!(order(&second.handle()));
        second.shared.carry_out_orders();
        let mut context = Context::from_waker(Waker::noop());
        assert!(answer.as_mut().poll(&mut context).is_pending(), "it is not true yet");
        assert!(matches!(first.conclude(attempt, accepted), Outcome::LetIn(_)));
        within(answer).await.unwrap();
    }
}

/// Steps: 1. A client is just being accepted. 2. A drain without time cuts what is here. 3. The client is reset, for nobody would cut
/// it any more.
#[::tokio::test]
async fn who_is_accepted_after_the_cut_does_not_outlive_it() {
    let (mut first, mut second) = two(Limits::new());
    let _client = client_of(&first).await;
    let (attempt, accepted) = begun(&mut first, true).await;
    let drain = second.handle().drain(Duration::ZERO);
    second.shared.carry_out_orders();
    second.shared.advance_drain();
    assert!(matches!(first.conclude(attempt, accepted), Outcome::Refused(_, Refusal::Reset)));
    assert!(within(second.accept()).await.unwrap().is_none());
    let report = within(drain).await.unwrap();
    assert_eq!((report.let_in, report.refused, report.out_of_reach), (0, 1, 0), "{report:?}");
}
