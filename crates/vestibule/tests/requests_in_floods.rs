//! Requests and states without end do not hold a turn: timers and everything else go on.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use support::{LIMIT, World, settle, until};
use vestibule::{EventLoop, ServerState};

const SOON: Duration = Duration::from_millis(30);

/// The loop comes to its timers; on another thread, since a turn that never ends would hold this one.
fn comes_to_its_timers(prepare: impl FnOnce(&EventLoop, &vestibule::TcpServer) + Send + 'static) {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        let (event_loop, server) = World::Os.server();
        prepare(&event_loop, &server);
        event_loop.single_shot(SOON, EventLoop::quit);
        event_loop.run().unwrap();
        tell.send(()).unwrap();
    });
    assert!(told.recv_timeout(LIMIT).is_ok(), "the turn never ends");
    thread.join().unwrap();
}

/// 1. Two threads ask all the time, each without waiting for an answer.
/// 2. The loop has more requests in each turn than it did in the one before.
/// 3. Its timer comes, and everything that was asked is done in the end.
#[test]
fn threads_that_ask_all_the_time_do_not_hold_the_turn() {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    comes_to_its_timers(move |_, server| {
        for _ in 0..2 {
            let (handle, stop) = (server.handle(), Arc::clone(&seen));
            thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    drop(handle.call(|server| {
                        std::hint::black_box(server.statistics());
                    }));
                }
            });
        }
    });
    stop.store(true, Ordering::SeqCst);
}

/// What a slot of `state_changed` brings about is told in the next turn.
#[test]
fn a_slot_of_state_changed_that_changes_it_each_time_does_not_hold_the_turn() {
    comes_to_its_timers(|_, server| {
        server.state_changed().connect(|server, state| match state {
            ServerState::Paused => server.resume_accepting(),
            _ => server.pause_accepting(),
        });
    });
}

/// 1. Nobody takes turns while the state changes very often.
/// 2. In the next turns the last thousand of the changes are told, and the last of all is the one that holds.
#[test]
fn states_that_nobody_is_told_do_not_pile_up() {
    let (event_loop, server) = World::simulation(1).server();
    settle(&event_loop);
    let (number, last) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(ServerState::Listening)));
    let (told, latest) = (Rc::clone(&number), Rc::clone(&last));
    server.state_changed().connect(move |_, state| {
        told.set(told.get() + 1);
        latest.set(state);
    });
    for _ in 0..20_000 {
        server.pause_accepting();
        server.resume_accepting();
    }
    server.pause_accepting();
    until(&event_loop, || last.get() == ServerState::Paused && number.get() >= 1000);
    settle(&event_loop);
    assert!(number.get() <= 1001, "{} were told", number.get());
    assert_eq!((last.get(), server.state()), (ServerState::Paused, ServerState::Paused));
}
