//! Calls posted to a loop from any thread: their order, their turns, and what becomes of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use support::{World, until};
use vestibule::{EventLoop, EventLoopHandle, SendError, TcpServer};

/// A wait that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);
const LOOK: Option<Duration> = Some(Duration::ZERO);

/// Unwinds like a panic, without a message among the output of the tests.
fn boom() -> ! {
    resume_unwind(Box::new("boom"))
}

fn unwinds(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

/// Runs the loop; a run that nobody ends is a failure and no hang.
fn run(event_loop: &EventLoop) {
    let watchdog = event_loop.single_shot(LIMIT, |_| panic!("nobody ended the run"));
    event_loop.run().unwrap();
    assert!(event_loop.kill_timer(watchdog));
}

/// What posted calls write into.
type Words = Arc<Mutex<Vec<String>>>;

/// Posts a call that writes a word down.
fn post_word(handle: &EventLoopHandle, log: &Words, word: &str) {
    let (log, word) = (Arc::clone(log), word.to_owned());
    handle.post(move |_| log.lock().unwrap().push(word)).unwrap();
}

fn words(log: &Words) -> String {
    std::mem::take(&mut *log.lock().unwrap()).join(" ")
}

on_both! {
    fn posted_calls_run_on_the_loops_thread_in_their_order(world: &World) {
        let event_loop = world.event_loop();
        let (handle, log) = (event_loop.handle(), Words::default());
        let here = thread::current().id();
        let seen = Arc::clone(&log);
        let elsewhere = handle.clone();
        let posting = thread::spawn(move || {
            for number in 0..5 {
                post_word(&elsewhere, &seen, &number.to_string());
            }
        });
        posting.join().unwrap();
        let (right, seen) = mpsc::channel();
        handle.post(move |_| right.send(thread::current().id()).unwrap()).unwrap();
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!((words(&log), seen.try_recv()), ("0 1 2 3 4".to_owned(), Ok(here)));
    }

    fn what_a_posted_call_posts_runs_in_the_next_turn(world: &World) {
        fn step(handle: &EventLoopHandle, log: &Words, number: u32) {
            let (next, log) = (handle.clone(), Arc::clone(log));
            let call = move |_: &EventLoop| {
                log.lock().unwrap().push(number.to_string());
                if number < 3 {
                    step(&next, &log, number + 1);
                }
            };
            handle.post(call).unwrap();
        }
        let event_loop = world.event_loop();
        let log = Words::default();
        step(&event_loop.handle(), &log, 1);
        let turns: Vec<_> = (0..4)
            .map(|_| {
                event_loop.process_events(LOOK).unwrap();
                words(&log)
            })
            .collect();
        assert_eq!(turns, ["1", "2", "3", ""]);
    }

    fn a_turn_inside_a_posted_call_makes_the_calls_that_were_posted_before_it(world: &World) {
        let event_loop = world.event_loop();
        let (handle, log) = (event_loop.handle(), Words::default());
        let seen = Arc::clone(&log);
        let inside = move |event_loop: &EventLoop| {
            seen.lock().unwrap().push("begin".to_owned());
            event_loop.process_events(LOOK).unwrap();
            seen.lock().unwrap().push("end".to_owned());
        };
        handle.post(inside).unwrap();
        post_word(&handle, &log, "waiting");
        event_loop.process_events(Some(LIMIT)).unwrap();
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(words(&log), "begin waiting end");
    }

    fn a_turn_inside_a_posted_call_makes_the_calls_that_it_posts(world: &World) {
        let event_loop = world.event_loop();
        let log = Words::default();
        let seen = Arc::clone(&log);
        let call = move |event_loop: &EventLoop| {
            post_word(&event_loop.handle(), &seen, "inner");
            event_loop.process_events(LOOK).unwrap();
            post_word(&event_loop.handle(), &seen, "later");
            seen.lock().unwrap().push("outer".to_owned());
        };
        event_loop.handle().post(call).unwrap();
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(words(&log), "inner outer");
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(words(&log), "later");
    }

    fn what_a_call_of_an_inner_turn_posts_runs_in_the_turn_after_that(world: &World) {
        let event_loop = world.event_loop();
        let (handle, log) = (event_loop.handle(), Words::default());
        let seen = Arc::clone(&log);
        let outer = move |event_loop: &EventLoop| {
            post_word(&event_loop.handle(), &seen, "posted-by-outer");
            event_loop.process_events(LOOK).unwrap();
            seen.lock().unwrap().push("end".to_owned());
        };
        handle.post(outer).unwrap();
        let seen = Arc::clone(&log);
        let inner = move |event_loop: &EventLoop| {
            seen.lock().unwrap().push("inner".to_owned());
            post_word(&event_loop.handle(), &seen, "posted-by-inner");
        };
        handle.post(inner).unwrap();
        event_loop.process_events(Some(LIMIT)).unwrap();
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(words(&log), "inner posted-by-outer end posted-by-inner");
    }

    fn a_panic_in_a_posted_call_comes_out_and_the_next_turn_makes_the_others(world: &World) {
        let event_loop = world.event_loop();
        let (handle, log) = (event_loop.handle(), Words::default());
        post_word(&handle, &log, "before");
        let seen = Arc::clone(&log);
        let panicking = move |event_loop: &EventLoop| {
            post_word(&event_loop.handle(), &seen, "posted-by-it");
            boom()
        };
        handle.post(panicking).unwrap();
        post_word(&handle, &log, "after");
        assert!(unwinds(|| event_loop.process_events(Some(LIMIT)).unwrap()));
        assert_eq!(words(&log), "before");
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(words(&log), "after posted-by-it");
        handle.post(|_| boom()).unwrap();
        post_word(&handle, &log, "left");
        assert!(unwinds(|| run(&event_loop)), "out of a run too");
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(words(&log), "left", "nobody else woke the loop");
        handle.quit();
        run(&event_loop);
    }

    fn a_call_for_a_loop_that_is_gone_comes_back_and_can_still_be_made(world: &World) {
        let (event_loop, other) = (world.event_loop(), world.event_loop());
        let _server = TcpServer::new(&event_loop); // keeps what it needs of the loop, but not the loop
        let handle = event_loop.handle();
        let log = Words::default();
        let waiting = Arc::new(());
        let held = Arc::clone(&waiting);
        handle.post(move |_| drop(held)).unwrap();
        drop(event_loop);
        assert_eq!(Arc::strong_count(&waiting), 1, "what was not made is dropped with the loop");
        let seen = Arc::clone(&log);
        let error = handle.post(move |_| seen.lock().unwrap().push("made".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "cannot send to the event loop: it is gone");
        let SendError::Closed(call) = error else { panic!("a post is not bounded") };
        call(&other);
        assert_eq!(words(&log), "made");
        handle.quit();
        assert!(!unwinds(|| handle.quit()), "nothing happens");
    }

    fn what_a_call_captured_may_post_while_the_loop_drops_it(world: &World) {
        struct Poster(EventLoopHandle, mpsc::Sender<bool>);
        impl Drop for Poster {
            fn drop(&mut self) {
                self.1.send(self.0.post(|_| ()).is_err()).unwrap();
            }
        }
        let event_loop = world.event_loop();
        let (sender, refused) = mpsc::channel();
        let poster = Poster(event_loop.handle(), sender);
        event_loop.handle().post(move |_| drop(poster)).unwrap();
        drop(event_loop);
        assert_eq!(refused.try_recv(), Ok(true), "the loop is gone by then");
    }

    fn many_threads_lose_nothing_and_each_keeps_its_order(world: &World) {
        let event_loop = world.event_loop();
        let received: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (handle, received) = (event_loop.handle(), Arc::clone(&received));
                thread::spawn(move || {
                    for number in 0..1000 {
                        let received = Arc::clone(&received);
                        handle.post(move |_| received.lock().unwrap().push((thread, number))).unwrap();
                    }
                })
            })
            .collect();
        until(&event_loop, || received.lock().unwrap().len() == 4000); // while they post
        for thread in threads {
            thread.join().unwrap();
        }
        event_loop.process_events(LOOK).unwrap();
        let received = received.lock().unwrap();
        for thread in 0..4 {
            let numbers = received.iter().filter(|(from, _)| *from == thread).map(|(_, number)| *number);
            assert!(numbers.eq(0..1000), "thread {thread}");
        }
        assert_eq!(received.len(), 4000, "none twice");
    }
}

#[test]
fn what_threads_post_to_a_loop_that_goes_is_made_or_dropped_or_comes_back() {
    let event_loop = EventLoop::new().unwrap();
    let token = Arc::new(());
    let (begun, begin) = mpsc::sync_channel(0); // as long as the loop takes turns, they wait for it
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (handle, token, begun) = (event_loop.handle(), Arc::clone(&token), begun.clone());
            thread::spawn(move || {
                let end = Instant::now() + LIMIT;
                while Instant::now() < end {
                    let held = Arc::clone(&token);
                    let posted = handle.post(move |_| drop(held));
                    let _ = begun.send(());
                    if posted.is_err() {
                        return true;
                    }
                }
                false
            })
        })
        .collect();
    for _ in 0..20 {
        begin.recv_timeout(LIMIT).unwrap();
        event_loop.process_events(LOOK).unwrap();
    }
    drop(begin); // now they post as fast as they can
    drop(event_loop);
    for thread in threads {
        assert!(thread.join().unwrap(), "the last call came back");
    }
    assert_eq!(Arc::strong_count(&token), 1, "no call is left anywhere");
}

#[test]
fn handles_may_go_anywhere_and_slots_may_hold_what_may_not() {
    fn goes_anywhere<T: Send + Sync + Clone + 'static>(_: &T) {}
    let event_loop = EventLoop::new().unwrap();
    goes_anywhere(&event_loop.handle());
    let here = Rc::new(RefCell::new(Vec::new()));
    let (held, count) = (Rc::clone(&here), Cell::new(0));
    let timer = event_loop.start_timer(Duration::ZERO, move |_| {
        count.set(count.get() + 1);
        held.borrow_mut().push(count.get());
    });
    until(&event_loop, || here.borrow().len() == 3);
    assert!(event_loop.kill_timer(timer));
    assert_eq!((Rc::strong_count(&here), &here.borrow()[..3]), (1, &[1, 2, 3][..]));
}
