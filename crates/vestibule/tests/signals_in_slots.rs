//! Whatever slots do with the signal that runs them: connect, disconnect, block, emit, panic, drop what uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::{Rc, Weak};
use support::Log;
use vestibule::{Signal, SlotId};

/// An object with signals of its own.
#[derive(Default)]
struct Bell {
    rung: Signal<Bell>,
    level: Signal<Bell, i32>,
    /// The slot that disconnects itself.
    slot: Cell<Option<SlotId>>,
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

/// Unwinds like a panic, without a message among the output of the tests.
fn boom() -> ! {
    resume_unwind(Box::new("boom"))
}

#[test]
fn a_slot_connected_during_an_emission_first_runs_in_the_next() {
    let (bell, log) = (Bell::default(), Log::default());
    let words = log.clone();
    bell.rung.connect(move |bell: &Bell| {
        words.add("connecting");
        bell.say(&words, "connected");
    });
    bell.ring();
    assert_eq!(log.take(), "connecting");
    bell.ring();
    assert_eq!(log.take(), "connecting connected");
}

#[test]
fn a_slot_connected_during_an_emission_runs_in_one_nested_there_but_not_in_the_outer() {
    let (bell, log) = (Bell::default(), Log::default());
    let (words, done) = (log.clone(), Cell::new(false));
    bell.rung.connect(move |bell: &Bell| {
        words.add("first");
        if !done.replace(true) {
            bell.say(&words, "new");
            bell.ring();
            words.add("back");
        }
    });
    bell.ring();
    assert_eq!(log.take(), "first first new back");
}

#[test]
fn a_slot_disconnected_during_an_emission_no_longer_runs_and_no_other_is_left_out() {
    for (victim, expected) in [(0, "one two three"), (1, "one two three"), (2, "one two")] {
        let (bell, log) = (Rc::new(Bell::default()), Log::default());
        let first = bell.say(&log, "one");
        let ids = Rc::new(RefCell::new(vec![first]));
        let (words, all) = (log.clone(), Rc::clone(&ids));
        let second = bell.rung.connect(move |bell: &Bell| {
            words.add("two");
            assert!(bell.rung.disconnect(all.borrow()[victim]));
        });
        let third = bell.say(&log, "three");
        ids.borrow_mut().extend([second, third]);
        bell.ring();
        assert_eq!(log.take(), expected, "slot {victim} disconnected by the second");
    }
}

#[test]
fn all_slots_may_be_disconnected_by_one_of_them() {
    let (bell, log) = (Bell::default(), Log::default());
    let words = log.clone();
    bell.rung.connect(move |bell: &Bell| {
        bell.rung.disconnect_all();
        bell.say(&words, "fresh");
        words.add("cleared");
    });
    bell.say(&log, "never");
    bell.ring();
    assert_eq!(log.take(), "cleared");
    bell.ring();
    assert_eq!(log.take(), "fresh");
}

#[test]
fn a_slot_that_disconnects_itself_keeps_its_captures_until_it_returns() {
    let (bell, log) = (Bell::default(), Log::default());
    let captured = Rc::new(Cell::new(0));
    let (held, words) = (Rc::clone(&captured), log.clone());
    let id = bell.rung.connect(move |bell: &Bell| {
        assert!(bell.rung.disconnect(bell.slot.get().unwrap()));
        held.set(held.get() + 1);
        words.add(format!("alive:{}", Rc::strong_count(&held) == 2));
    });
    bell.slot.set(Some(id));
    bell.ring();
    bell.ring();
    assert_eq!((log.take(), captured.get()), ("alive:true".to_owned(), 1));
    assert_eq!(Rc::strong_count(&captured), 1);
}

/// What a slot holds, and which uses the slot's own signal when it is dropped.
struct Farewell(Weak<Bell>, Log);

impl Drop for Farewell {
    fn drop(&mut self) {
        let Some(bell) = self.0.upgrade() else { return };
        self.1.add("farewell");
        let id = bell.say(&self.1, "connected-in-drop");
        bell.ring();
        assert!(bell.rung.disconnect(id));
    }
}

#[test]
fn what_a_slot_captured_may_use_the_signal_while_it_is_dropped() {
    let connect = |bell: &Rc<Bell>, log: &Log| {
        let farewell = Farewell(Rc::downgrade(bell), log.clone());
        let words = log.clone();
        bell.rung.connect(move |bell: &Bell| {
            let _captured = &farewell;
            words.add("slot");
            if let Some(id) = bell.slot.take() {
                assert!(bell.rung.disconnect(id));
            }
        })
    };
    let (bell, log) = (Rc::new(Bell::default()), Log::default());
    let id = connect(&bell, &log);
    assert!(bell.rung.disconnect(id));
    assert_eq!(log.take(), "farewell connected-in-drop");
    connect(&bell, &log);
    bell.rung.disconnect_all();
    assert_eq!(log.take(), "farewell connected-in-drop");
    bell.slot.set(Some(connect(&bell, &log)));
    bell.say(&log, "next");
    bell.ring();
    assert_eq!(log.take(), "slot farewell next connected-in-drop next");
}

#[test]
fn blocking_in_a_slot_ends_the_emission_and_slots_connected_meanwhile_stay() {
    let (bell, log) = (Bell::default(), Log::default());
    let words = log.clone();
    bell.rung.connect(move |bell: &Bell| {
        words.add("blocking");
        bell.rung.block();
    });
    bell.say(&log, "next");
    bell.ring();
    assert_eq!(log.take(), "blocking");
    bell.say(&log, "late");
    bell.rung.unblock();
    bell.ring();
    assert_eq!(log.take(), "blocking");
    bell.rung.unblock();
    bell.rung.disconnect_all();
    bell.say(&log, "free");
    bell.ring();
    assert_eq!(log.take(), "free");
}

#[test]
fn a_slot_may_run_inside_itself() {
    let (bell, log) = (Bell::default(), Log::default());
    let words = log.clone();
    bell.level.connect(move |bell: &Bell, level| {
        words.add(format!("in{level}"));
        if level < 3 {
            bell.level.emit(bell, level + 1);
        }
        words.add(format!("out{level}"));
    });
    let words = log.clone();
    bell.level.connect(move |_, level| words.add(format!("second{level}")));
    bell.level.emit(&bell, 1);
    assert_eq!(log.take(), "in1 in2 in3 out3 second3 out2 second2 out1 second1");
}

#[test]
fn a_panicking_slot_ends_the_emission_and_leaves_the_signal_usable() {
    let (bell, log) = (Bell::default(), Log::default());
    bell.say(&log, "before");
    let armed = Rc::new(Cell::new(true));
    let trigger = Rc::clone(&armed);
    let id = bell.rung.connect(move |_| {
        if trigger.get() {
            boom();
        }
    });
    bell.say(&log, "after");
    assert!(catch_unwind(AssertUnwindSafe(|| bell.ring())).is_err());
    assert_eq!(log.take(), "before");
    armed.set(false);
    bell.ring();
    assert_eq!(log.take(), "before after");
    assert!(bell.rung.disconnect(id) && !bell.rung.is_blocked());
    assert_eq!(Rc::strong_count(&armed), 1, "the emission that unwound holds nothing");
    bell.say(&log, "new");
    bell.ring();
    assert_eq!(log.take(), "before after new");
}

#[test]
fn a_panic_in_a_nested_emission_can_be_caught_by_a_slot_of_the_outer_one() {
    let (bell, log) = (Bell::default(), Log::default());
    let words = log.clone();
    bell.level.connect(move |bell: &Bell, level| {
        if level > 0 {
            boom();
        }
        let nested = catch_unwind(AssertUnwindSafe(|| bell.level.emit(bell, 1)));
        words.add(format!("caught:{}", nested.is_err()));
    });
    let words = log.clone();
    bell.level.connect(move |_, level| words.add(level.to_string()));
    bell.level.emit(&bell, 0);
    assert_eq!(log.take(), "caught:true 0");
}
