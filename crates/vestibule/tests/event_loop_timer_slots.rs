//! What slots of timers do: end timers, take turns, panic, and hold what uses the loop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;
use support::{Log, World};
use vestibule::{EventLoop, TcpServer, TimerId};

/// A wait that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);
const LOOK: Option<Duration> = Some(Duration::ZERO);
const NOW: Duration = Duration::ZERO;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn unwinds(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

fn say(event_loop: &EventLoop, delay: Duration, log: &Log, word: &'static str) -> TimerId {
    let log = log.clone();
    event_loop.single_shot(delay, move |_| log.add(word))
}

on_both! {
    fn a_killed_timer_does_not_run_and_its_captures_are_gone(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let held = Rc::new(());
        let captured = Rc::clone(&held);
        let once = event_loop.single_shot(NOW, move |_| drop(captured));
        let captured = Rc::clone(&held);
        let words = log.clone();
        let every = event_loop.start_timer(NOW, move |_| words.add(format!("{captured:?}")));
        assert!(event_loop.kill_timer(once) && event_loop.kill_timer(every));
        assert_eq!(Rc::strong_count(&held), 1);
        assert!(!event_loop.kill_timer(once) && !event_loop.kill_timer(every), "they are ended");
        let ran = say(&event_loop, NOW, &log, "ran");
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(log.take(), "ran");
        assert!(!event_loop.kill_timer(ran), "it has run");
    }

    fn a_timer_may_end_itself(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let id: Rc<Cell<Option<TimerId>>> = Rc::default();
        let (own, words) = (Rc::clone(&id), log.clone());
        id.set(Some(event_loop.start_timer(NOW, move |event_loop| {
            let killed = event_loop.kill_timer(own.get().unwrap());
            words.add(format!("every:{killed}:{}", event_loop.kill_timer(own.get().unwrap())));
        })));
        event_loop.process_events(Some(LIMIT)).unwrap();
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(log.take(), "every:true:false");
        assert_eq!(Rc::strong_count(&id), 1, "the slot is dropped");
        let (own, words) = (Rc::clone(&id), log.clone());
        id.set(Some(event_loop.single_shot(NOW, move |event_loop| {
            words.add(format!("once:{}", event_loop.kill_timer(own.get().unwrap())));
        })));
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(log.take(), "once:false", "it runs already");
    }

    fn a_timer_may_end_another_that_is_due_too(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let victims: Rc<RefCell<Vec<TimerId>>> = Rc::default();
        let (ids, words) = (Rc::clone(&victims), log.clone());
        event_loop.single_shot(NOW, move |event_loop| {
            for id in ids.take() {
                words.add(format!("killed:{}", event_loop.kill_timer(id)));
            }
        });
        let words = log.clone();
        let every = event_loop.start_timer(NOW, move |_| words.add("every"));
        victims.borrow_mut().extend([say(&event_loop, NOW, &log, "once"), every]);
        say(&event_loop, NOW, &log, "other");
        event_loop.process_events(Some(LIMIT)).unwrap();
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(log.take(), "killed:true killed:true other");
    }

    fn a_turn_inside_a_timer_runs_posted_calls_but_not_the_timer_inside_itself(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let (words, depth) = (log.clone(), Cell::new(0));
        let timer = event_loop.start_timer(NOW, move |event_loop| {
            let level = depth.get() + 1;
            depth.set(level);
            words.add(format!("in{level}"));
            if level < 3 {
                let (sender, posted) = std::sync::mpsc::channel();
                event_loop.handle().post(move |_| sender.send(()).unwrap()).unwrap();
                event_loop.process_events(LOOK).unwrap();
                words.add(format!("posted:{}", posted.try_recv().is_ok()));
            }
            words.add(format!("out{level}"));
        });
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(log.take(), "in1 posted:true out1");
        assert!(event_loop.kill_timer(timer));
    }

    fn a_turn_inside_a_timer_runs_the_others_that_are_due(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let words = log.clone();
        event_loop.single_shot(NOW, move |event_loop| {
            words.add("begin");
            event_loop.process_events(LOOK).unwrap();
            words.add("end");
        });
        say(&event_loop, NOW, &log, "due");
        event_loop.process_events(Some(LIMIT)).unwrap();
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(log.take(), "begin due end");
    }

    fn a_panic_in_a_timer_comes_out_and_the_next_turn_runs_the_others(world: &World) {
        let event_loop = world.event_loop();
        let log = Log::default();
        let (words, armed) = (log.clone(), Cell::new(true));
        say(&event_loop, NOW, &log, "before");
        let every = event_loop.start_timer(NOW, move |_| {
            if armed.replace(false) {
                resume_unwind(Box::new("boom"));
            }
            words.add("every");
        });
        say(&event_loop, NOW, &log, "one");
        let killed = say(&event_loop, NOW, &log, "killed");
        say(&event_loop, NOW, &log, "two");
        assert!(unwinds(|| event_loop.process_events(Some(LIMIT)).unwrap()));
        assert_eq!(log.take(), "before");
        assert!(event_loop.kill_timer(killed), "it waits still");
        event_loop.process_events(Some(LIMIT)).unwrap();
        let mut ran: Vec<_> = log.take().split(' ').map(str::to_owned).collect();
        let at = ran.iter().position(|word| word == "every").expect("it goes on after its panic");
        ran.remove(at);
        assert_eq!(ran, ["one", "two"], "in their order");
        assert!(event_loop.kill_timer(every));
    }

    fn timers_go_with_the_loop_and_with_them_what_they_captured(world: &World) {
        let event_loop = world.event_loop();
        let _server = TcpServer::new(&event_loop); // keeps what it needs of the loop, but not the loop
        let held = Rc::new(());
        let (once, every) = (Rc::clone(&held), Rc::clone(&held));
        event_loop.single_shot(ms(1), move |_| drop(once));
        event_loop.start_timer(ms(1), move |_| drop(Rc::clone(&every)));
        drop(event_loop);
        assert_eq!(Rc::strong_count(&held), 1);
    }

    fn what_a_killed_timer_captured_may_start_and_kill_timers_while_it_is_dropped(world: &World) {
        struct Late(EventLoop, Log);
        impl Drop for Late {
            fn drop(&mut self) {
                let killed = say(&self.0, NOW, &self.1, "never");
                assert!(self.0.kill_timer(killed));
                say(&self.0, NOW, &self.1, "started");
            }
        }
        let event_loop = world.event_loop();
        let log = Log::default();
        let late = Late(event_loop.clone(), log.clone());
        let timer = event_loop.start_timer(NOW, move |_| late.1.add("never"));
        assert!(event_loop.kill_timer(timer));
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(log.take(), "started");
    }
}
