//! Every order of the operations of two threads: `RUSTFLAGS='--cfg vestibule_loom' cargo test --lib --release loom`.
#![cfg(vestibule_loom)]

use crate::admission::{AdmissionGroup, Bell, Count, Ledger, Rate, RefusalReason, SharedLimit};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Two servers take the last place: one gets it.
#[test]
fn loom_a_shared_place_is_given_once() {
    loom::model(|| {
        let limit = SharedLimit::new(1);
        let other = limit.clone();
        let thread = thread::spawn(move || usize::from(other.reserve()));
        let taken = usize::from(limit.reserve()) + thread.join().unwrap();
        assert_eq!((taken, limit.free()), (1, Err(false)));
    });
}

/// Two workers try for the last of a rate: one gets it, and the other has lost no place of the group by trying.
#[test]
fn loom_the_last_of_a_groups_rate_is_given_once() {
    loom::model(|| {
        let (rate, now) = (Rate::new(1, Duration::from_secs(3600)), Instant::now());
        let group = Arc::new(AdmissionGroup::new());
        let other = Arc::clone(&group);
        let thread = thread::spawn(move || other.reserve(Some((rate, now))));
        let results = [group.reserve(Some((rate, now))), thread.join().unwrap()];
        assert!(results.contains(&Ok(())) && results.contains(&Err(RefusalReason::TooFast)));
        group.give_back_reserved(Some(rate));
        assert_eq!((group.reserve(Some((rate, now))), group.open()), (Ok(()), 0));
    });
}

/// 1. A server finds no place, says that it waits, and looks again. 2. Meanwhile the place is given back.
/// Whatever comes first: it sees the place, or it is woken.
#[test]
fn loom_a_place_given_back_is_seen_or_rung_for() {
    loom::model(|| {
        let woken = Arc::new(Woken::default());
        let bell = Arc::new(Bell::new(Waker::from(Arc::clone(&woken))));
        let limit = SharedLimit::new(1);
        limit.add(&bell);
        assert!(limit.reserve());
        limit.use_reserved();
        let other = limit.clone();
        let thread = thread::spawn(move || other.give_back());
        limit.wait(&bell);
        let seen = limit.free().is_ok();
        thread.join().unwrap();
        assert!(seen || woken.0.load(Ordering::SeqCst) > 0);
    });
}

/// The same for the server's own limit.
#[test]
fn loom_the_own_place_given_back_is_seen_or_rung_for() {
    loom::model(|| {
        let woken = Arc::new(Woken::default());
        let ledger = Arc::new(Ledger::new(Bell::new(Waker::from(Arc::clone(&woken))), Instant::now()));
        ledger.take();
        let other = Arc::clone(&ledger);
        let thread = thread::spawn(move || other.give_back());
        ledger.bell().wait();
        let seen = ledger.open() == 0;
        thread.join().unwrap();
        assert!(seen || woken.0.load(Ordering::SeqCst) > 0);
    });
}

/// Two counts are always changed together: no snapshot sees one without the other.
#[test]
fn loom_a_snapshot_is_of_one_moment() {
    loom::model(|| {
        let ledger = Arc::new(Ledger::new(Bell::new(Waker::noop().clone()), Instant::now()));
        let other = Arc::clone(&ledger);
        let thread = thread::spawn(move || {
            for _ in 0..2 {
                other.write(|counts| {
                    counts.add(Count::Accepted, 1);
                    counts.add(Count::Pending, 1);
                });
            }
        });
        let snapshot = ledger.snapshot();
        assert_eq!(snapshot.counts[Count::Accepted as usize], snapshot.counts[Count::Pending as usize]);
        thread.join().unwrap();
    });
}
