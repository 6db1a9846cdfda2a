//! Signals: order, connecting and disconnecting, blocking, and arguments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::Log;
use vestibule::{Signal, SignalArgument, SlotId, SocketError};

/// An object with signals of its own.
#[derive(Default)]
struct Bell {
    rung: Signal<Bell>,
    level: Signal<Bell, i32>,
}

impl Bell {
    fn ring(&self) {
        self.rung.emit(self);
    }

    fn say(&self, log: &Log, word: &'static str) -> SlotId {
        let log = log.clone();
        self.rung.connect(move |_| log.add(word))
    }
}

#[test]
fn slots_run_in_the_order_of_connection_with_the_sender_and_before_the_emission_returns() {
    let (bell, log) = (Bell::default(), Log::default());
    bell.say(&log, "one");
    let (words, here) = (log.clone(), &raw const bell);
    bell.rung.connect(move |sender| words.add(format!("same:{}", std::ptr::eq(sender, here))));
    bell.say(&log, "three");
    bell.ring();
    assert_eq!(log.take(), "one same:true three");
}

#[test]
fn a_signal_without_slots_tells_nobody() {
    let bell = Bell::default();
    bell.ring();
    bell.level.emit(&bell, 1);
    assert!(!bell.rung.is_blocked());
}

#[test]
fn a_slot_runs_once_for_each_time_it_was_connected() {
    let (bell, log) = (Bell::default(), Log::default());
    let first = bell.say(&log, "again");
    bell.say(&log, "again");
    bell.ring();
    assert_eq!(log.take(), "again again");
    assert!(bell.rung.disconnect(first));
    bell.ring();
    assert_eq!(log.take(), "again");
}

#[test]
fn a_slot_is_disconnected_once_and_its_captures_go_with_it() {
    let (bell, log) = (Bell::default(), Log::default());
    let captured = Rc::new(());
    let held = Rc::clone(&captured);
    let id = bell.rung.connect(move |_| drop(Rc::clone(&held)));
    let other = bell.say(&log, "other");
    assert!(bell.rung.disconnect(id));
    assert_eq!(Rc::strong_count(&captured), 1);
    assert!(!bell.rung.disconnect(id), "not connected any more");
    bell.ring();
    assert_eq!(log.take(), "other");
    bell.rung.disconnect_all();
    assert!(!bell.rung.disconnect(other));
    bell.ring();
    assert_eq!(log.take(), "");
    bell.say(&log, "later");
    bell.ring();
    assert_eq!(log.take(), "later", "the signal works on");
}

#[test]
fn disconnecting_a_slot_leaves_the_others_in_their_order() {
    let (bell, log) = (Bell::default(), Log::default());
    let ids = ["one", "two", "three", "four"].map(|word| bell.say(&log, word));
    for (id, left) in [(ids[0], "two three four"), (ids[2], "two four")] {
        assert!(bell.rung.disconnect(id));
        bell.ring();
        assert_eq!(log.take(), left);
    }
}

#[test]
fn an_id_from_another_signal_disconnects_nothing() {
    let (bell, other, log) = (Bell::default(), Bell::default(), Log::default());
    let foreign = other.say(&log, "other");
    bell.say(&log, "own");
    assert!(!bell.rung.disconnect(foreign), "it is not connected here");
    bell.ring();
    assert_eq!(log.take(), "own");
}

#[test]
fn a_blocked_signal_tells_nothing_and_what_was_told_meanwhile_is_lost() {
    let (bell, log) = (Bell::default(), Log::default());
    bell.say(&log, "rung");
    let words = log.clone();
    bell.level.connect(move |_, level| words.add(level.to_string()));
    bell.rung.block();
    bell.rung.block();
    bell.ring();
    assert!(bell.rung.is_blocked() && !bell.level.is_blocked());
    bell.level.emit(&bell, 4);
    assert_eq!(log.take(), "4", "the other signal is not blocked");
    bell.rung.unblock();
    assert!(!bell.rung.is_blocked());
    assert_eq!(log.take(), "");
    bell.ring();
    assert_eq!(log.take(), "rung");
}

/// An argument of the program's own, which counts its clones through the count of references.
#[derive(Clone)]
struct Parcel {
    weight: u32,
    shared: Rc<()>,
}

impl SignalArgument for Parcel {}

struct Post {
    delivered: Signal<Post, Parcel>,
}

#[test]
fn an_argument_may_be_of_a_type_of_ones_own_and_each_slot_gets_its_own_clone() {
    let post = Post { delivered: Signal::new() };
    let kept: Rc<RefCell<Vec<Parcel>>> = Rc::default();
    for factor in [2, 3] {
        let kept = Rc::clone(&kept);
        post.delivered.connect(move |_, mut parcel| {
            parcel.weight *= factor; // changes nobody else's
            kept.borrow_mut().push(parcel);
        });
    }
    let shared = Rc::new(());
    let parcel = Parcel { weight: 7, shared: Rc::clone(&shared) };
    post.delivered.emit(&post, parcel);
    let weights: Vec<_> = kept.borrow().iter().map(|parcel| parcel.weight).collect();
    assert_eq!(weights, [14, 21]);
    assert_eq!(Rc::strong_count(&shared), 3, "two slots kept theirs, the emission kept none");
    assert!(kept.borrow().iter().all(|parcel| Rc::ptr_eq(&parcel.shared, &shared)));
}

#[test]
fn common_types_are_arguments_already() {
    fn passes<T: SignalArgument + PartialEq>(value: &T) -> bool {
        let signal: Signal<(), T> = Signal::default();
        let seen = Rc::new(RefCell::new(None));
        let log = Rc::clone(&seen);
        signal.connect(move |(), value| drop(log.replace(Some(value))));
        signal.emit(&(), value.clone());
        seen.take().as_ref() == Some(value)
    }
    assert!(passes(&true) && passes(&'x') && passes(&-1_i8) && passes(&u64::MAX) && passes(&0.5_f64));
    assert!(passes(&String::from("text")) && passes(&"text") && passes(&7_usize) && passes(&7_isize));
    assert!(passes(&Duration::from_secs(1)) && passes(&SocketError::Network));
}
