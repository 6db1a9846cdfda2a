//! A permit is one place, and comes back once, on every path.

use crate::admission::permit::Full;
use crate::admission::{Admission, Bell, Ledger, Limits, Permit, RefusalReason, SharedLimit};
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// A place for a connection from anywhere.
fn permit(admission: &Admission) -> Result<Permit, RefusalReason> {
    admission.let_in(admission.take(Instant::now)?, [192, 0, 2, 9].into(), Instant::now())
}

fn admission(limits: Limits) -> Admission {
    let ledger = Arc::new(Ledger::new(Bell::new(Waker::noop().clone()), Instant::now()));
    let mut admission = Admission::new(ledger);
    admission.set_limits(limits, Instant::now());
    admission
}

#[test]
fn there_is_never_one_more_than_the_limit() {
    let admission = admission(Limits::new().max_connections(2));
    let first = permit(&admission).unwrap();
    let second = permit(&admission).unwrap();
    assert_eq!(permit(&admission).unwrap_err(), RefusalReason::TooManyConnections);
    assert_eq!(second.ledger().open(), 2);
    drop(first);
    let third = permit(&admission).unwrap();
    assert!(admission.free().is_err());
    drop((second, third));
    assert_eq!(admission.free(), Ok(2));
}

#[test]
fn servers_share_a_limit_and_each_keeps_its_own() {
    let shared = SharedLimit::new(3);
    let (one, other) = (
        admission(Limits::new().shared(&shared).max_connections(2)),
        admission(Limits::new().shared(&shared)),
    );
    let permits = [permit(&one).unwrap(), permit(&one).unwrap(), permit(&other).unwrap()];
    assert_eq!(permit(&one).unwrap_err(), RefusalReason::TooManyConnections);
    assert_eq!(permit(&other).unwrap_err(), RefusalReason::SharedLimit);
    assert_eq!(shared.open(), 3);
    shared.set_limit(4);
    let more = permit(&other).unwrap();
    shared.set_limit(1);
    drop(permits);
    assert_eq!(
        (shared.open(), other.free()),
        (1, Err(Full { reason: RefusalReason::SharedLimit, sure: true }))
    );
    drop(more);
    assert_eq!((shared.open(), other.free()), (0, Ok(1)));
}

#[test]
fn a_place_that_was_taken_under_other_limits_goes_back_to_those() {
    let (old, new) = (SharedLimit::new(1), SharedLimit::new(1));
    let mut server = admission(Limits::new().shared(&old));
    let first = permit(&server).unwrap();
    server.set_limits(Limits::new().shared(&new), Instant::now());
    assert_eq!((old.open(), new.open()), (1, 0));
    let newer = permit(&server).unwrap();
    drop(first);
    assert_eq!((old.open(), new.open()), (0, 1));
    drop(newer);
    assert_eq!(new.open(), 0);
}

#[test]
fn a_source_that_is_refused_costs_no_place() {
    let now = Instant::now();
    let limits = Limits::new().max_connections_per_source(1).exempt("10.0.0.0/8".parse().unwrap());
    let admission = admission(limits);
    let take = |address: [u8; 4]| admission.let_in(admission.take(Instant::now)?, address.into(), now);
    let first = take([192, 0, 2, 1]).unwrap();
    assert_eq!(take([192, 0, 2, 1]).unwrap_err(), RefusalReason::TooManyOfSource);
    assert_eq!(first.ledger().open(), 1);
    let other = take([192, 0, 2, 2]).unwrap();
    let exempt = [take([10, 0, 0, 1]).unwrap(), take([10, 0, 0, 1]).unwrap()];
    let ledger = Arc::clone(first.ledger());
    assert_eq!(ledger.open(), 4);
    drop(first);
    drop(take([192, 0, 2, 1]).unwrap());
    drop((other, exempt));
    assert_eq!(ledger.open(), 0);
}

#[test]
fn a_panic_gives_the_place_back() {
    let admission = admission(Limits::new().max_connections(1));
    let held = permit(&admission).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _held = held;
        std::panic::resume_unwind(Box::new("a slot"));
    }));
    assert!(panicked.is_err() && permit(&admission).is_ok());
}

#[test]
fn a_place_that_nobody_came_for_is_free_again() {
    let shared = SharedLimit::new(1);
    let admission = admission(Limits::new().max_connections(1).shared(&shared));
    drop(admission.take(Instant::now).unwrap());
    assert_eq!((admission.free(), shared.open()), (Ok(1), 0));
}
