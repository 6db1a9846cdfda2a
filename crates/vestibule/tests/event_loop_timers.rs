//! Timers: their order, their times and their intervals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::{Log, World, until};
use vestibule::simulation::SimulatedNetwork;
use vestibule::{EventLoop, TimerId};

/// A wait that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);
const LOOK: Option<Duration> = Some(Duration::ZERO);
const NOW: Duration = Duration::ZERO;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A loop on a network whose clock moves only when a loop waits.
fn virtual_time() -> (SimulatedNetwork, EventLoop) {
    let network = SimulatedNetwork::new(3).unwrap();
    let event_loop = network.event_loop();
    (network, event_loop)
}

fn say(event_loop: &EventLoop, delay: Duration, log: &Log, word: &'static str) -> TimerId {
    let log = log.clone();
    event_loop.single_shot(delay, move |_| log.add(word))
}

#[test]
fn timers_run_in_the_order_of_their_times_and_then_of_their_start_and_a_turn_waits_for_the_first() {
    let (network, event_loop) = virtual_time();
    let log = Log::default();
    for (delay, word) in [(30, "c"), (10, "a1"), (20, "b"), (10, "a2"), (0, "zero")] {
        say(&event_loop, ms(delay), &log, word);
    }
    let turns: Vec<_> = (0..4)
        .map(|_| {
            event_loop.process_events(None).unwrap();
            (network.elapsed(), log.take())
        })
        .collect();
    let expected = [(0, "zero"), (10, "a1 a2"), (20, "b"), (30, "c")];
    assert_eq!(turns, expected.map(|(at, words)| (ms(at), words.to_owned())));
    assert!(event_loop.process_events(None).is_err(), "no timer is left to wait for");
}

#[test]
fn a_limit_ends_before_a_timer_that_is_due_later() {
    let (network, event_loop) = virtual_time();
    let log = Log::default();
    say(&event_loop, ms(10), &log, "ten");
    event_loop.process_events(Some(ms(4))).unwrap();
    event_loop.process_events(LOOK).unwrap();
    assert_eq!((network.elapsed(), log.take()), (ms(4), String::new()));
    event_loop.process_events(Some(ms(100))).unwrap();
    assert_eq!((network.elapsed(), log.take()), (ms(10), "ten".to_owned()));
}

#[test]
fn a_killed_timer_wakes_nobody() {
    let (network, event_loop) = virtual_time();
    let once = event_loop.single_shot(ms(10), |_| panic!("killed"));
    let every = event_loop.start_timer(ms(20), |_| panic!("killed"));
    assert!(event_loop.kill_timer(once) && event_loop.kill_timer(every));
    event_loop.process_events(Some(ms(100))).unwrap();
    assert_eq!(network.elapsed(), ms(100));
}

#[test]
fn a_repeating_timer_runs_an_interval_apart() {
    let (network, event_loop) = virtual_time();
    let times = Rc::new(RefCell::new(Vec::new()));
    let (log, clock) = (Rc::clone(&times), network.clone());
    event_loop.start_timer(ms(10), move |_| log.borrow_mut().push(clock.elapsed()));
    for _ in 0..4 {
        event_loop.process_events(None).unwrap();
    }
    assert_eq!(*times.borrow(), [ms(10), ms(20), ms(30), ms(40)]);
}

/// Another loop on the same network moves the clock on, as a slow slot would.
#[test]
fn calls_that_a_late_loop_missed_are_not_made_up_for() {
    let (network, event_loop) = virtual_time();
    let other = network.event_loop();
    let log = Log::default();
    let slot = log.clone();
    event_loop.start_timer(ms(10), move |_| slot.add("tick"));
    other.process_events(Some(ms(95))).unwrap();
    event_loop.process_events(LOOK).unwrap();
    event_loop.process_events(LOOK).unwrap();
    assert_eq!(log.take(), "tick", "nine are missed");
    event_loop.process_events(Some(LIMIT)).unwrap();
    assert_eq!(log.take(), "tick");
    let next = network.elapsed();
    assert!(next > ms(95) && next <= ms(105), "the next one at {next:?}");
}

#[test]
fn no_timer_of_the_system_comes_early() {
    let event_loop = EventLoop::new().unwrap();
    let left = Rc::new(Cell::new(0));
    for delay in [NOW, Duration::from_micros(300), ms(1), ms(2), ms(3)] {
        let (left, begun) = (Rc::clone(&left), Instant::now());
        left.set(left.get() + 1);
        let slot = move |_: &EventLoop| {
            assert!(begun.elapsed() >= delay, "{:?} of {delay:?}", begun.elapsed());
            left.set(left.get() - 1);
        };
        event_loop.single_shot(delay, slot);
    }
    until(&event_loop, || left.get() == 0);
}

on_both! {
    fn timers_of_one_delay_run_in_the_order_of_their_start(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        for word in ["a", "b", "c", "d"] {
            say(&event_loop, ms(2), &log, word);
        }
        until(&event_loop, || log.len() == 4);
        assert_eq!(log.take(), "a b c d");
    }

    fn an_interval_of_zero_means_once_a_turn(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let slot = log.clone();
        let zero = event_loop.start_timer(NOW, move |_| slot.add("zero"));
        say(&event_loop, NOW, &log, "shot");
        event_loop.process_events(None).unwrap();
        assert_eq!(log.take(), "zero shot");
        let (flag, posted) = std::sync::mpsc::channel();
        event_loop.handle().post(move |_| flag.send(()).unwrap()).unwrap();
        event_loop.process_events(None).unwrap();
        assert_eq!((log.take(), posted.try_recv()), ("zero".to_owned(), Ok(())));
        assert!(event_loop.kill_timer(zero));
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(log.take(), "");
    }

    fn an_interval_of_zero_does_not_keep_other_timers_from_falling_due(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        event_loop.start_timer(NOW, |_| ());
        say(&event_loop, ms(3), &log, "later");
        let begun = Instant::now();
        while log.len() == 0 && begun.elapsed() < ms(2000) {
            event_loop.process_events(None).unwrap();
        }
        assert_eq!(log.take(), "later");
    }

    fn a_timer_that_starts_another_at_once_does_not_keep_the_turn(world: &World) {
        fn again(event_loop: &EventLoop, log: Log, number: u32) {
            event_loop.single_shot(NOW, move |event_loop| {
                log.add(number.to_string());
                if number < 3 {
                    again(event_loop, log, number + 1);
                }
            });
        }
        let event_loop = world.event_loop();
        let log = Log::default();
        again(&event_loop, log.clone(), 1);
        for expected in ["1", "2", "3"] {
            event_loop.process_events(Some(LIMIT)).unwrap();
            assert_eq!(log.take(), expected);
        }
    }

    fn a_timer_of_the_longest_time_waits_for_ever(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let once = say(&event_loop, Duration::MAX, &log, "never");
        let every = event_loop.start_timer(Duration::MAX, |_| panic!("never"));
        say(&event_loop, NOW, &log, "now");
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(log.take(), "now");
        assert!(event_loop.kill_timer(once) && event_loop.kill_timer(every));
    }
}
