//! Channels into a loop: order, bounds, who gets a value that cannot be sent, and when the slot goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use support::{World, until};
use vestibule::{EventLoop, SendError, Sender, TcpServer};

/// A wait that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(5);
const LOOK: Option<Duration> = Some(Duration::ZERO);

/// What a slot got; its count of references tells whether the slot is still there.
type Got<T> = Rc<RefCell<Vec<T>>>;

fn collecting<T: Send + 'static>(event_loop: &EventLoop) -> (Sender<T>, Got<T>) {
    let got = Got::default();
    let slot = Rc::clone(&got);
    (event_loop.channel(move |value| slot.borrow_mut().push(value)), got)
}

fn unwinds(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

on_both! {
    fn values_reach_the_slot_in_their_order_in_the_next_turn(world: &World) {
        let event_loop = world.event_loop();
        let (sender, got) = collecting(&event_loop);
        for number in 0..5 {
            sender.send(number).unwrap();
        }
        assert_eq!(*got.borrow(), [], "not at once");
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(*got.borrow(), [0, 1, 2, 3, 4]);
        sender.clone().send(5).unwrap();
        sender.send(6).unwrap();
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(got.borrow()[5..], [5, 6]);
    }

    fn many_senders_lose_nothing_and_each_keeps_its_order(world: &World) {
        let event_loop = world.event_loop();
        let (sender, got) = collecting(&event_loop);
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let sender = sender.clone();
                thread::spawn(move || (0..1000).for_each(|number| sender.send((thread, number)).unwrap()))
            })
            .collect();
        drop(sender);
        until(&event_loop, || Rc::strong_count(&got) == 1); // while they send
        for thread in threads {
            thread.join().unwrap();
        }
        let got = got.borrow();
        for thread in 0..4 {
            let numbers = got.iter().filter(|(from, _)| *from == thread).map(|(_, number)| *number);
            assert!(numbers.eq(0..1000), "thread {thread}");
        }
        assert_eq!(got.len(), 4000, "none twice");
    }

    fn what_a_slot_sends_to_its_own_channel_comes_in_the_next_turn(world: &World) {
        let event_loop = world.event_loop();
        let own: Rc<RefCell<Option<Sender<u32>>>> = Rc::default();
        let got = Got::default();
        let (slot, sender) = (Rc::clone(&got), Rc::clone(&own));
        *own.borrow_mut() = Some(event_loop.channel(move |number| {
            slot.borrow_mut().push(number);
            if number < 3 {
                sender.borrow().as_ref().unwrap().send(number + 1).unwrap();
            }
        }));
        own.borrow().as_ref().unwrap().send(1).unwrap();
        for expected in [vec![1], vec![2], vec![3], vec![]] {
            event_loop.process_events(LOOK).unwrap();
            assert_eq!(got.take(), expected);
        }
        drop(own.take());
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(Rc::strong_count(&got), 1);
    }

    fn a_bounded_channel_that_is_full_gives_the_value_back(world: &World) {
        let event_loop = world.event_loop();
        let got = Got::default();
        let slot = Rc::clone(&got);
        let sender = event_loop.bounded_channel(2, move |text: String| slot.borrow_mut().push(text));
        for round in 0..3 {
            sender.send(format!("{round}a")).unwrap();
            sender.clone().send(format!("{round}b")).unwrap();
            let error = sender.send("too much".to_owned()).unwrap_err();
            assert_eq!(error.to_string(), "cannot send to the event loop: the channel is full");
            assert!(matches!(&error, SendError::Full(text) if text == "too much"));
            assert_eq!(error.into_inner(), "too much");
            event_loop.process_events(Some(LIMIT)).unwrap();
        }
        assert_eq!(got.take(), ["0a", "0b", "1a", "1b", "2a", "2b"]);
        let closed = event_loop.bounded_channel(0, |(): ()| panic!("it holds none"));
        assert_eq!(closed.send(()), Err(SendError::Full(())));
    }

    fn a_slot_has_room_for_one_value_more_in_a_full_channel(world: &World) {
        let event_loop = world.event_loop();
        let own: Rc<RefCell<Option<Sender<u32>>>> = Rc::default();
        let results = Got::default();
        let (slot, sender) = (Rc::clone(&results), Rc::clone(&own));
        *own.borrow_mut() = Some(event_loop.bounded_channel(1, move |number| {
            if number == 0 {
                let sender = sender.borrow();
                let sent = [1, 2].map(|more| sender.as_ref().unwrap().send(more));
                slot.borrow_mut().extend(sent);
            }
        }));
        own.borrow().as_ref().unwrap().send(0).unwrap();
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(results.take(), [Ok(()), Err(SendError::Full(2))], "its own place is free already");
        drop(own.take());
    }

    fn a_value_for_a_loop_that_is_gone_comes_back_and_what_waited_is_dropped(world: &World) {
        let event_loop = world.event_loop();
        let _server = TcpServer::new(&event_loop); // keeps what it needs of the loop, but not the loop
        let (sender, got) = collecting(&event_loop);
        let bounded = event_loop.bounded_channel(1, |_: Arc<()>| ());
        let value = Arc::new(());
        sender.send(Arc::clone(&value)).unwrap();
        bounded.send(Arc::clone(&value)).unwrap();
        drop(event_loop);
        assert_eq!((Arc::strong_count(&value), Rc::strong_count(&got)), (1, 1));
        for sender in [sender, bounded] {
            let error = sender.send(Arc::clone(&value)).unwrap_err();
            assert_eq!(error.to_string(), "cannot send to the event loop: it is gone");
            assert!(matches!(&error, SendError::Closed(back) if Arc::ptr_eq(back, &value)));
        }
        assert_eq!(Arc::strong_count(&value), 1);
    }

    fn the_slot_goes_with_the_last_sender_after_what_was_sent(world: &World) {
        let event_loop = world.event_loop();
        let (sender, got) = collecting(&event_loop);
        let last = sender.clone();
        drop(sender);
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(Rc::strong_count(&got), 2, "one can still send");
        last.send("farewell").unwrap();
        drop(last);
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!((&got.borrow()[..], Rc::strong_count(&got)), (&["farewell"][..], 1));
        let (unused, got) = collecting::<()>(&event_loop);
        thread::spawn(move || drop(unused)).join().unwrap();
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(Rc::strong_count(&got), 1, "dropped in another thread");
    }

    fn a_slot_may_drop_the_last_sender_and_still_gets_what_was_sent(world: &World) {
        let event_loop = world.event_loop();
        let own: Rc<RefCell<Option<Sender<u32>>>> = Rc::default();
        let got = Got::default();
        let (slot, sender) = (Rc::clone(&got), Rc::clone(&own));
        *own.borrow_mut() = Some(event_loop.channel(move |number| {
            drop(sender.take());
            slot.borrow_mut().push(number);
        }));
        for number in 1..=3 {
            own.borrow().as_ref().unwrap().send(number).unwrap();
        }
        event_loop.process_events(Some(LIMIT)).unwrap();
        event_loop.process_events(LOOK).unwrap();
        assert_eq!((&got.borrow()[..], Rc::strong_count(&got)), (&[1, 2, 3][..], 1));
    }

    fn what_a_slot_captured_may_use_the_loop_while_it_is_dropped(world: &World) {
        struct Farewell(Sender<&'static str>);
        impl Drop for Farewell {
            fn drop(&mut self) {
                self.0.send("farewell").unwrap();
            }
        }
        let event_loop = world.event_loop();
        let (other, got) = collecting(&event_loop);
        let farewell = Farewell(other);
        let sender = event_loop.channel(move |()| farewell.0.send("slot").unwrap());
        sender.send(()).unwrap();
        drop(sender);
        until(&event_loop, || got.borrow().len() == 2);
        assert_eq!(*got.borrow(), ["slot", "farewell"]);
    }

    fn a_slot_may_hold_a_server_and_values_may_be_moved_through(world: &World) {
        let event_loop = world.event_loop();
        let server = TcpServer::new(&event_loop);
        let result = Rc::new(Cell::new(None));
        let told = Rc::clone(&result);
        let sender = event_loop.channel(move |port: Box<u16>| {
            told.set(Some(server.listen(vestibule::HostAddress::LOCALHOST, *port).is_ok()));
            assert_ne!(server.server_port(), 0);
        });
        thread::spawn(move || sender.send(Box::new(0)).unwrap()).join().unwrap();
        until(&event_loop, || result.get().is_some());
        assert_eq!(result.get(), Some(true));
    }

    fn a_panicking_slot_comes_out_and_the_next_turn_gives_it_the_other_values(world: &World) {
        let event_loop = world.event_loop();
        let (sender, got) = panicking_at_one(&event_loop);
        assert!(unwinds(|| event_loop.process_events(Some(LIMIT)).unwrap()));
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(*got.borrow(), [0, 2, 3]);
        sender.send(4).unwrap();
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert_eq!(got.borrow()[3..], [4], "the channel works on");
    }

    /// "When the last one is dropped, what was sent is still received and the slot is dropped then."
    fn a_panicking_slot_gets_the_other_values_also_when_the_last_sender_is_gone(world: &World) {
        let event_loop = world.event_loop();
        let (sender, got) = panicking_at_one(&event_loop);
        drop(sender);
        assert!(unwinds(|| event_loop.process_events(Some(LIMIT)).unwrap()));
        event_loop.process_events(Some(LIMIT)).unwrap();
        event_loop.process_events(LOOK).unwrap();
        assert_eq!((&got.borrow()[..], Rc::strong_count(&got)), (&[0, 2, 3][..], 1));
    }

    fn a_turn_inside_a_slot_gives_it_the_other_values(world: &World) {
        let event_loop = world.event_loop();
        let got = Got::default();
        let slot = Rc::clone(&got);
        let nested = Rc::new(RefCell::new(None::<EventLoop>));
        let turns = Rc::clone(&nested);
        let sender = event_loop.channel(move |number: u32| {
            slot.borrow_mut().push(format!("begin{number}"));
            if let Some(event_loop) = turns.take() {
                event_loop.process_events(LOOK).unwrap();
            }
            slot.borrow_mut().push(format!("end{number}"));
        });
        *nested.borrow_mut() = Some(event_loop.clone());
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        event_loop.process_events(Some(LIMIT)).unwrap();
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(got.take(), ["begin1", "begin2", "end2", "end1"]);
    }
}

/// A channel in which 0 to 3 wait, and whose slot panics at 1.
fn panicking_at_one(event_loop: &EventLoop) -> (Sender<u32>, Got<u32>) {
    let got = Got::default();
    let slot = Rc::clone(&got);
    let sender = event_loop.channel(move |number| {
        if number == 1 {
            resume_unwind(Box::new("boom"));
        }
        slot.borrow_mut().push(number);
    });
    (0..4).for_each(|number| sender.send(number).unwrap());
    (sender, got)
}

#[test]
fn senders_may_go_anywhere() {
    fn goes_anywhere<T: Send + Sync + Clone + 'static>(_: &T) {}
    let event_loop = EventLoop::new().unwrap();
    let (sender, _got) = collecting::<Cell<u32>>(&event_loop);
    goes_anywhere(&sender);
}

#[test]
fn another_thread_wakes_a_loop_that_waits() {
    let event_loop = EventLoop::new().unwrap();
    let quit = event_loop.handle();
    let sender = event_loop.channel(move |()| quit.quit());
    for _ in 0..50 {
        let watchdog = event_loop.single_shot(LIMIT, |_| panic!("not woken"));
        let sender = sender.clone();
        let (go, waiting) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            waiting.recv().unwrap();
            sender.send(()).unwrap();
        });
        event_loop.single_shot(Duration::ZERO, move |_| go.send(()).unwrap());
        event_loop.run().unwrap();
        thread.join().unwrap();
        assert!(event_loop.kill_timer(watchdog));
    }
}
