//! Every order of what a server and other threads do at its desk.

use super::answer::Answer;
use super::desk::Desk;
use super::order::Order;
use super::state::ServerState;
use loom::thread;
use std::sync::Arc;
use std::task::Waker;
use std::thread::ThreadId;

/// The home of a server: not the thread that waits, which for loom all its threads are.
fn elsewhere() -> ThreadId {
    std::thread::spawn(|| std::thread::current().id()).join().unwrap()
}

/// Nobody who waits is forgotten: an answer comes, or word that none will.
#[test]
fn loom_an_answer_is_waited_for_until_it_comes() {
    loom::model(|| {
        let (answer, reply) = Answer::new([elsewhere()]);
        let thread = thread::spawn(move || reply.send(7));
        assert_eq!(answer.wait(None).unwrap(), 7);
        thread.join().unwrap();
    });
}

#[test]
fn loom_a_reply_that_is_dropped_ends_the_wait() {
    loom::model(|| {
        let (answer, reply) = Answer::<u8>::new([elsewhere()]);
        let thread = thread::spawn(move || drop(reply));
        assert!(answer.wait(None).is_err());
        thread.join().unwrap();
    });
}

/// An order that is left while the server goes is taken back or dropped; either way it is not kept.
#[test]
fn loom_an_order_at_a_closing_desk_is_not_kept() {
    loom::model(|| {
        let desk = Arc::new(Desk::new(Waker::noop().clone()));
        let token = Arc::new(());
        let (other, kept) = (Arc::clone(&desk), Arc::clone(&token));
        let thread = thread::spawn(move || drop(other.leave(Order::Call(Box::new(move |_| drop(kept))))));
        desk.close();
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

#[test]
fn loom_a_state_that_is_waited_for_is_seen() {
    loom::model(|| {
        let mut desk = Desk::new(Waker::noop().clone());
        desk.home = Some(elsewhere());
        let desk = Arc::new(desk);
        let other = Arc::clone(&desk);
        let thread = thread::spawn(move || other.set_state(ServerState::Paused));
        assert!(desk.wait_for_state(ServerState::Paused, None));
        thread.join().unwrap();
    });
}
