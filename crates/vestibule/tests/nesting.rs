//! Turns and waits inside slots: everything else goes on in them, and nothing runs inside itself or without bound.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use support::{Arrived, Client, LIMIT, Log, World, settle, until};
use vestibule::{EventLoop, EventLoopHandle, SocketState};

const LOOK: Option<Duration> = Some(Duration::ZERO);

/// Takes turns until it holds, a hundred at most; tells whether it does.
fn comes_to_hold(event_loop: &EventLoop, holds: impl Fn() -> bool) -> bool {
    for _ in 0..100 {
        if holds() {
            return true;
        }
        event_loop.process_events(Some(Duration::from_millis(2))).unwrap();
    }
    holds()
}

/// Fails when the call does not come to an end; it goes on in a thread then, which ends with the process.
fn limited(call: impl FnOnce() + Send + 'static) {
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(call));
        let _ = sender.send(result);
    });
    match ended.recv_timeout(LIMIT) {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(error) => panic!("it does not end: {error}"),
    }
}

on_both! {
    /// 1. A repeating timer is due.
    /// 2. Its slot takes a turn, in which it would be due again.
    /// 3. It is due afterwards.
    fn a_repeating_timer_does_not_run_inside_itself_and_goes_on_afterwards(world: &World) {
        for interval in [Duration::ZERO, Duration::from_millis(1)] {
            let event_loop = world.event_loop();
            let (depth, deepest, calls) = (Cell::new(0), Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let (most, number) = (Rc::clone(&deepest), Rc::clone(&calls));
            let timer = event_loop.start_timer(interval, move |event_loop| {
                depth.set(depth.get() + 1);
                most.set(most.get().max(depth.get()));
                number.set(number.get() + 1);
                if depth.get() < 30 {
                    event_loop.process_events(Some(interval * 3)).unwrap();
                }
                depth.set(depth.get() - 1);
            });
            until(&event_loop, || calls.get() >= 3);
            assert_eq!(deepest.get(), 1, "{interval:?}");
            assert!(event_loop.kill_timer(timer));
            let before = calls.get();
            settle(&event_loop);
            assert_eq!(calls.get(), before);
        }
    }

    /// 1. A repeating timer's slot takes turns.
    /// 2. In one of them another timer ends it.
    /// 3. It does not come back.
    fn a_repeating_timer_that_is_ended_in_a_turn_inside_it_stays_ended(world: &World) {
        let event_loop = world.event_loop();
        let calls = Rc::new(Cell::new(0));
        let number = Rc::clone(&calls);
        let timer = event_loop.start_timer(Duration::ZERO, move |event_loop| {
            number.set(number.get() + 1);
            if number.get() < 30 {
                settle(event_loop);
            }
        });
        event_loop.single_shot(Duration::ZERO, move |event_loop| assert!(event_loop.kill_timer(timer)));
        settle(&event_loop);
        assert_eq!(calls.get(), 1);
        assert!(!event_loop.kill_timer(timer));
    }

    /// 1. Two timers are due.
    /// 2. The first one takes turns until the second one has run.
    fn a_timer_may_wait_for_another_that_is_due(world: &World) {
        let event_loop = world.event_loop();
        let (ran, came) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(None)));
        let (seen, result) = (Rc::clone(&ran), Rc::clone(&came));
        event_loop.single_shot(Duration::ZERO, move |event_loop| {
            result.set(Some(comes_to_hold(event_loop, || seen.get())));
        });
        event_loop.single_shot(Duration::ZERO, move |_| ran.set(true));
        until(&event_loop, || came.get().is_some());
        assert_eq!(came.get(), Some(true));
    }

    /// 1. Two calls are posted.
    /// 2. The first one takes turns until the second one has run.
    fn a_posted_call_may_wait_for_another_that_was_posted(world: &World) {
        let event_loop = world.event_loop();
        let ran = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ran);
        let (sender, came) = mpsc::channel();
        let waiting = move |event_loop: &EventLoop| {
            sender.send(comes_to_hold(event_loop, || seen.load(Ordering::SeqCst))).unwrap();
        };
        event_loop.handle().post(waiting).unwrap();
        event_loop.handle().post(move |_| ran.store(true, Ordering::SeqCst)).unwrap();
        event_loop.process_events(LOOK).unwrap();
        assert_eq!(came.try_recv(), Ok(true));
    }

    /// 1. Two values are sent.
    /// 2. The slot of the first one takes turns until the second one has come.
    fn a_channels_slot_may_wait_for_another_value_that_was_sent(world: &World) {
        let event_loop = world.event_loop();
        let (received, came) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(None)));
        let (number, result, lp) = (Rc::clone(&received), Rc::clone(&came), event_loop.clone());
        let sender = event_loop.channel(move |value: u32| {
            number.set(number.get() + 1);
            if value == 1 {
                result.set(Some(comes_to_hold(&lp, || number.get() == 2)));
            }
        });
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        until(&event_loop, || came.get().is_some());
        assert_eq!((came.get(), received.get()), (Some(true), 2));
    }

    /// 1. Three values are sent, and the last sender goes.
    /// 2. The slot of one of them panics.
    /// 3. The others still come.
    fn a_panic_loses_no_value_that_was_sent_before_the_last_sender_went(world: &World) {
        for fatal in 1..=3 {
            let event_loop = world.event_loop();
            let log = Log::default();
            let words = log.clone();
            let sender = event_loop.channel(move |value: u32| {
                words.add(value.to_string());
                if value == fatal {
                    resume_unwind(Box::new("boom"));
                }
            });
            for value in 1..=3 {
                sender.send(value).unwrap();
            }
            drop(sender);
            assert!(catch_unwind(AssertUnwindSafe(|| until(&event_loop, || false))).is_err());
            settle(&event_loop);
            assert_eq!(log.take(), "1 2 3", "with a panic in {fatal}");
        }
    }

    fn a_posted_call_that_posts_again_runs_once_a_turn(world: &World) {
        fn again(handle: &EventLoopHandle, calls: &Arc<AtomicU32>) {
            let (next, calls) = (handle.clone(), Arc::clone(calls));
            let call = move |_: &EventLoop| {
                if calls.fetch_add(1, Ordering::SeqCst) < 1000 {
                    again(&next, &calls);
                }
            };
            handle.post(call).unwrap();
        }
        let (event_loop, calls) = (world.event_loop(), Arc::new(AtomicU32::new(0)));
        again(&event_loop.handle(), &calls);
        for turn in 1..5 {
            event_loop.process_events(Some(LIMIT)).unwrap();
            assert_eq!(calls.load(Ordering::SeqCst), turn);
        }
    }

    /// 1. The peer ends and reads.
    /// 2. The slot that is told so writes much, and waits until all has left.
    fn a_wait_for_sending_makes_progress_inside_a_slot_that_is_told_something(world: &World) {
        let (event_loop, _server, socket, client) = world.pair();
        let length = if matches!(world, World::Os) { 16 << 20 } else { 1 << 20 };
        let (far, received) = (Rc::new(RefCell::new(client)), Rc::new(Cell::new(0)));
        let (peer, number) = (Rc::clone(&far), Rc::clone(&received));
        let left = Rc::new(Cell::new(None));
        let result = Rc::clone(&left);
        socket.read_channel_finished().connect(move |socket| {
            assert_eq!(socket.write(&vec![1; length]), length);
            let mut rounds = 0;
            while socket.bytes_to_write() > 0 && rounds < 5000 {
                while let Arrived::Bytes(bytes) = peer.borrow_mut().look() {
                    number.set(number.get() + bytes.len());
                }
                socket.wait_for_bytes_written(Some(Duration::from_secs(2))).unwrap();
                rounds += 1;
            }
            result.set(Some(socket.bytes_to_write()));
        });
        far.borrow().shut_down();
        until(&event_loop, || left.get().is_some());
        assert_eq!(left.get(), Some(0));
        let rest = far.borrow_mut().receive_to_end(&event_loop).len();
        assert_eq!(received.get() + rest, length);
        until(&event_loop, || socket.state() == SocketState::Unconnected);
    }

    /// 1. The peer sends.
    /// 2. The slot of `ready_read` reads nothing and takes turns while the peer sends on and on.
    fn the_read_buffer_stays_bounded_in_turns_inside_ready_read(world: &World) {
        let (event_loop, _server, socket, mut client) = world.pair();
        socket.set_read_buffer_size(10_000);
        client.send(&event_loop, b"begin");
        let far: Rc<RefCell<Option<Client>>> = Rc::new(RefCell::new(Some(client)));
        let (lp, log, sent) = (event_loop.clone(), Log::default(), Rc::new(Cell::new(5)));
        let (words, number) = (log.clone(), Rc::clone(&sent));
        socket.ready_read().connect(move |socket| {
            let Some(mut client) = far.take() else { return };
            for _ in 0..300 {
                for _ in 0..2 {
                    number.set(number.get() + client.try_send(&[1; 8192]).unwrap()); // more at once than has room
                }
                lp.process_events(LOOK).unwrap();
            }
            words.add(socket.bytes_available().to_string());
            far.replace(None);
            client.shut_down();
        });
        until(&event_loop, || log.len() > 0);
        assert!(log.take().parse::<usize>().unwrap() <= 10_000);
        let mut read = 0;
        until(&event_loop, || {
            read += socket.read_all().len();
            socket.state() == SocketState::Unconnected
        });
        assert_eq!(read, sent.get());
    }

    /// 1. Forty clients connect.
    /// 2. One turn; for each one the slot waits on its socket, which is a wait of its own.
    fn no_more_than_a_batch_is_accepted_in_a_turn_though_a_slot_waits(world: &World) {
        let (event_loop, server) = world.server();
        let accepted = Rc::new(Cell::new(0));
        let number = Rc::clone(&accepted);
        server.new_connection().connect(move |server| {
            number.set(number.get() + 1);
            let socket = server.next_pending_connection().unwrap();
            assert!(!socket.wait_for_ready_read(LOOK).unwrap());
        });
        let _clients: Vec<_> = (0..40).map(|_| world.connect(server.server_port())).collect();
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert!((1..=16).contains(&accepted.get()), "{}", accepted.get());
        until(&event_loop, || accepted.get() == 40);
    }
}

/// 1. The peer of a half-open socket ends, which is told.
/// 2. It resets.
/// 3. A wait notices it, without any turn.
fn waits_for_the_reset_of_a_half_open_socket(world: &World) {
    let (event_loop, _server, socket, client) = world.pair();
    let log = Log::default();
    log.follow(&socket);
    socket.set_half_open(true);
    client.shut_down();
    until(&event_loop, || log.len() > 0);
    settle(&event_loop);
    assert_eq!(log.take(), "finished");
    client.reset();
    assert!(socket.wait_for_disconnected(Some(LIMIT / 4)).unwrap());
    assert_eq!(log.take(), "RemoteHostClosed closing unconnected gone");
}

#[test]
fn a_wait_notices_the_reset_of_a_half_open_socket_on_the_system() {
    limited(|| waits_for_the_reset_of_a_half_open_socket(&World::Os));
}

#[test]
fn a_wait_notices_the_reset_of_a_half_open_socket_on_the_simulation() {
    limited(|| (0..8).for_each(|seed| waits_for_the_reset_of_a_half_open_socket(&World::simulation(seed))));
}
