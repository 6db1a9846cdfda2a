//! The loop itself: running and quitting, single turns and their limits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::mem::ManuallyDrop;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::{Log, World};
use vestibule::{EventLoop, SocketError};

/// A wait that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);
const LOOK: Option<Duration> = Some(Duration::ZERO);

/// Runs the loop; a run that nobody ends is a failure and no hang.
fn run(event_loop: &EventLoop) {
    let watchdog = event_loop.single_shot(LIMIT, |_| panic!("nobody ended the run"));
    event_loop.run().unwrap();
    assert!(event_loop.kill_timer(watchdog));
}

on_both! {
    fn a_run_that_was_ended_before_it_began_returns_at_once_and_the_next_one_runs(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let slot = log.clone();
        event_loop.single_shot(Duration::ZERO, move |event_loop| {
            slot.add("ran");
            event_loop.quit();
        });
        event_loop.quit();
        event_loop.run().unwrap();
        assert_eq!(log.take(), "");
        run(&event_loop);
        assert_eq!(log.take(), "ran");
    }

    fn a_run_ends_after_the_turn_in_which_a_slot_quits(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        for word in ["first", "quitting", "last"] {
            let log = log.clone();
            event_loop.single_shot(Duration::ZERO, move |event_loop| {
                log.add(word);
                if word == "quitting" {
                    event_loop.quit();
                }
            });
        }
        run(&event_loop);
        assert_eq!(log.take(), "first quitting last");
    }

    fn a_handle_ends_the_run_under_way_or_the_next(world: &World) {
        let event_loop = world.event_loop();
        event_loop.handle().quit();
        run(&event_loop);
        let handle = event_loop.handle();
        event_loop.single_shot(Duration::ZERO, move |_| handle.quit());
        run(&event_loop);
    }

    fn a_run_inside_a_slot_ends_alone(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let outer = log.clone();
        event_loop.single_shot(Duration::ZERO, move |event_loop| {
            let inner = outer.clone();
            event_loop.single_shot(Duration::ZERO, move |event_loop| {
                inner.add("inner");
                event_loop.quit();
            });
            run(event_loop);
            outer.add("outer");
            event_loop.single_shot(Duration::ZERO, EventLoop::quit);
        });
        run(&event_loop);
        assert_eq!(log.take(), "inner outer");
    }

    fn a_clone_is_the_same_loop_and_dropping_it_or_the_lent_one_changes_nothing(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let slot = log.clone();
        let clone = event_loop.clone();
        clone.single_shot(Duration::ZERO, move |event_loop| {
            drop(event_loop.clone());
            slot.add("timer");
        });
        drop(clone);
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(log.take(), "timer");
        event_loop.handle().post(|event_loop| drop(event_loop.clone())).unwrap();
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert!(event_loop.handle().post(|_| ()).is_ok(), "the loop is still there");
    }
}

#[test]
fn a_look_does_not_wait_and_a_limit_is_how_long_a_turn_waits_at_most() {
    let World::Simulation(network) = World::simulation(1) else { unreachable!() };
    let event_loop = network.event_loop();
    event_loop.process_events(LOOK).unwrap();
    assert_eq!(network.elapsed(), Duration::ZERO);
    event_loop.process_events(Some(Duration::from_millis(7))).unwrap();
    assert_eq!(network.elapsed(), Duration::from_millis(7));
    event_loop.handle().post(|_| ()).unwrap();
    event_loop.process_events(Some(LIMIT)).unwrap();
    assert_eq!(network.elapsed(), Duration::from_millis(7), "there was something to do");
    let (event_loop, limit) = (EventLoop::new().unwrap(), Duration::from_millis(5));
    let begun = Instant::now();
    event_loop.process_events(Some(limit)).unwrap();
    assert!(begun.elapsed() >= limit, "{:?}", begun.elapsed());
}

#[test]
fn a_limit_longer_than_the_system_can_count_is_for_ever() {
    let event_loop = EventLoop::new().unwrap();
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 4)] {
        let watchdog = event_loop.single_shot(LIMIT, |_| panic!("not woken"));
        event_loop.handle().quit();
        event_loop.process_events(Some(limit)).unwrap();
        event_loop.run().unwrap();
        assert!(event_loop.kill_timer(watchdog));
    }
}

/// The loop is never dropped: if its clock has broken, that would abort the whole program.
#[test]
fn the_longest_limit_leaves_a_simulated_loop_usable() {
    let event_loop = ManuallyDrop::new(World::simulation(1).event_loop());
    let _ = event_loop.process_events(Some(Duration::MAX)); // either answer will do
    let log = Log::default();
    let slot = log.clone();
    event_loop.single_shot(Duration::ZERO, move |_| slot.add("ran"));
    event_loop.process_events(LOOK).unwrap();
    assert_eq!(log.take(), "ran");
}

#[test]
fn a_simulated_loop_that_would_wait_for_ever_fails_and_goes_on() {
    let event_loop = World::simulation(1).event_loop();
    for result in [event_loop.process_events(None), event_loop.run()] {
        let error = result.unwrap_err();
        assert!(error.to_string().starts_with("cannot run the event loop: "), "{error}");
        assert_eq!(error.kind(), SocketError::Unknown);
    }
    event_loop.handle().quit();
    run(&event_loop);
}

/// The thread posts when the loop is about to wait, and whether it comes before or in the wait, the wait ends.
#[test]
fn another_thread_wakes_a_loop_that_waits_and_ends_its_run() {
    let event_loop = EventLoop::new().unwrap();
    for round in 0..100 {
        let (go, waiting) = mpsc::channel();
        let handle = event_loop.handle();
        let thread = thread::spawn(move || {
            waiting.recv().unwrap();
            handle.quit();
        });
        event_loop.single_shot(Duration::ZERO, move |_| go.send(()).unwrap());
        run(&event_loop);
        thread.join().unwrap_or_else(|_| panic!("round {round}"));
    }
}
