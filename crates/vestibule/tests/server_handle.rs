//! `ServerHandle`: what other threads can have a server do, and when they get an answer.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;
use support::{LIMIT, World, settle, until};
use vestibule::{Answer, EventLoop, Limits, ServerHandle, ServerState, SocketError, TcpServer};

const PATIENCE: Option<Duration> = Some(LIMIT);

/// Unparks the thread that waits for a future.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let (mut future, waker) = (pin!(future), Waker::from(Arc::new(Unpark(thread::current()))));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(LIMIT),
        }
    }
}

/// What a thread does with a server whose loop runs until that is done.
fn operate<R: Send + 'static>(
    world: &World,
    operator: impl FnOnce(&ServerHandle, u16) -> R + Send + 'static,
) -> (EventLoop, TcpServer, R) {
    let (event_loop, server) = world.server();
    let (handle, port) = (server.handle(), server.server_port());
    let thread = thread::spawn(move || operator(&handle, port));
    until(&event_loop, || thread.is_finished());
    let result = thread.join().unwrap();
    (event_loop, server, result)
}

on_both! {
    fn every_request_is_done_before_its_answer_comes(world: &World) {
        let (_event_loop, server, ()) = operate(world, |handle, port| {
            assert_eq!(handle.state(), ServerState::Listening);
            assert_eq!(handle.call(TcpServer::server_port).wait(PATIENCE).unwrap(), port);
            handle.pause().wait(PATIENCE).unwrap();
            assert_eq!(handle.state(), ServerState::Paused);
            handle.resume().wait(PATIENCE).unwrap();
            assert_eq!(handle.state(), ServerState::Listening);
            handle.set_limits(Limits::new().max_connections(7)).wait(PATIENCE).unwrap();
            let limit = handle.call(|server| server.limits().connections()).wait(PATIENCE).unwrap();
            assert_eq!(limit, Some(7));
            if let Some(queue) = handle.kernel_queue().wait(PATIENCE).unwrap() {
                assert_eq!(queue.depth, 0);
            }
            handle.stop().wait(PATIENCE).unwrap();
            assert_eq!(handle.state(), ServerState::Closed);
            assert_eq!(handle.kernel_queue().wait(PATIENCE).unwrap(), None);
        });
        assert!(!server.is_listening());
    }

    fn a_drain_is_answered_with_its_report_and_a_second_one_with_the_same(world: &World) {
        let (event_loop, server, socket, mut client) = world.pair();
        socket.draining().connect(|_| {});
        let handle = server.handle();
        let thread = thread::spawn(move || {
            let first = handle.drain(Duration::from_secs(3600));
            assert!(handle.wait_for_state(ServerState::Draining, PATIENCE));
            let second = handle.drain(Duration::ZERO);
            (first.wait(PATIENCE).unwrap(), second.wait(PATIENCE).unwrap(), handle.state())
        });
        until(&event_loop, || thread.is_finished());
        let (first, second, state) = thread.join().unwrap();
        assert_eq!((&first, first.cut, state), (&second, 1, ServerState::Closed));
        assert_eq!(first.cut_peers, [client.local_addr()]);
        assert_eq!(client.receive_all(&event_loop).1, support::Arrived::Reset);
    }

    fn an_answer_is_a_future(world: &World) {
        let (_event_loop, _server, report) = operate(world, |handle, port| {
            assert_eq!(block_on(handle.call(TcpServer::server_port)).unwrap(), port);
            block_on(handle.pause()).unwrap();
            block_on(handle.drain(LIMIT)).unwrap()
        });
        assert_eq!((report.ended, report.cut), (0, 0));
    }

    fn what_was_asked_before_the_first_turn_is_answered_in_it_and_in_order(world: &World) {
        let (event_loop, server) = world.server();
        let handle = server.handle();
        let (sender, order) = mpsc::channel();
        let answers: Vec<Answer<_>> = (0..100)
            .map(|number| {
                let sender = sender.clone();
                handle.call(move |_| sender.send(number).unwrap())
            })
            .collect();
        assert!(order.try_recv().is_err(), "nothing is done in the call");
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        assert_eq!(order.try_iter().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        for answer in answers {
            answer.wait(None).unwrap(); // on the server's own thread, but it is there
        }
    }

    fn waiting_on_the_servers_own_thread_is_an_error_and_the_request_is_done(world: &World) {
        let (event_loop, server) = world.server();
        let error = server.handle().pause().wait(None).unwrap_err();
        assert_eq!(error.kind(), SocketError::Operation);
        assert!(server.is_accepting());
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        assert!(!server.is_accepting());
    }

    fn dropping_an_answer_takes_nothing_back(world: &World) {
        let (event_loop, server) = world.server();
        drop(server.handle().pause());
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        assert!(!server.is_accepting());
    }

    fn a_server_that_is_gone_answers_so(world: &World) {
        let (event_loop, server) = world.server();
        let handle = server.handle();
        let (waiting, draining) = (handle.pause(), handle.drain(LIMIT));
        drop(server);
        for error in [waiting.wait(None).unwrap_err(), draining.wait(None).unwrap_err()] {
            assert_eq!(error.kind(), SocketError::Operation);
            assert!(error.to_string().contains("it is gone"), "{error}");
        }
        assert!(handle.call(|_| panic!("nobody calls it")).wait(None).is_err());
        assert!(block_on(handle.resume()).is_err());
        assert_eq!((handle.state(), handle.statistics().open), (ServerState::Closed, 0));
        assert!(handle.wait_for_state(ServerState::Closed, None));
        assert!(!handle.wait_for_state(ServerState::Listening, None));
        drop(event_loop);
    }

    fn a_server_that_goes_during_its_drain_answers_so(world: &World) {
        let (event_loop, server, socket, _client) = world.pair();
        socket.draining().connect(|_| {});
        let answer = server.handle().drain(LIMIT);
        settle(&event_loop);
        assert_eq!(server.state(), ServerState::Draining);
        drop(server);
        assert_eq!(answer.wait(None).unwrap_err().kind(), SocketError::Operation);
    }

    fn the_owner_may_be_dropped_in_a_request(world: &World) {
        let (event_loop, server) = world.server();
        let handle = server.handle();
        thread_local!(static HOME: RefCell<Option<TcpServer>> = const { RefCell::new(None) });
        HOME.set(Some(server));
        let dropping = handle.call(|_| HOME.with(|home| drop(home.take())));
        let after = handle.pause();
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
        assert!(dropping.wait(None).is_ok());
        assert!(after.wait(None).is_err());
    }

    /// Without containment: the panic comes out of the turn, and the requests behind it are done in the next.
    fn a_request_that_panics_does_not_lose_the_others(world: &World) {
        let (event_loop, server) = world.server();
        let handle = server.handle();
        let (before, blown, after) = (handle.pause(), handle.call(|_| panic!("oh")), handle.resume());
        let turn = || event_loop.process_events(Some(Duration::ZERO));
        assert!(catch_unwind(AssertUnwindSafe(turn)).is_err());
        assert!(!server.is_accepting());
        turn().unwrap();
        assert!(server.is_accepting());
        let answer: vestibule::Result<()> = blown.wait(None);
        assert!(before.wait(None).is_ok() && answer.is_err() && after.wait(None).is_ok());
    }

    fn many_threads_may_ask_at_once(world: &World) {
        let (event_loop, server) = world.server();
        let done = Arc::new(AtomicU64::new(0));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (handle, done) = (server.handle(), Arc::clone(&done));
                thread::spawn(move || {
                    let ask = |_| {
                        let done = Arc::clone(&done);
                        handle.call(move |_| done.fetch_add(1, Ordering::SeqCst))
                    };
                    let answers: Vec<_> = (0..200).map(ask).collect();
                    let mut last = None;
                    for answer in answers {
                        let number = Some(answer.wait(PATIENCE).unwrap());
                        assert!(number > last, "those of one thread in their order");
                        last = number;
                    }
                })
            })
            .collect();
        until(&event_loop, || threads.iter().all(thread::JoinHandle::is_finished));
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(done.load(Ordering::SeqCst), 1600);
    }
}

#[test]
fn handles_may_go_everywhere() {
    fn everywhere<T: Send + Sync + Clone + 'static>() {}
    fn sent<T: Send + 'static>() {}
    everywhere::<ServerHandle>();
    sent::<Answer<u32>>();
}

/// 1. Clients come all the time.
/// 2. The answer to a pause is there: from now on nobody is let in.
#[test]
fn after_the_answer_to_pause_nobody_is_let_in() {
    let storm = Arc::new(AtomicBool::new(true));
    let (going_on, weather) = (Arc::clone(&storm), Arc::clone(&storm));
    let (event_loop, server, ()) = {
        let (event_loop, server) = World::Os.server();
        server.new_connection().connect(|server| drop(server.next_pending_connection()));
        let (handle, port) = (server.handle(), server.server_port());
        let clients = thread::spawn(move || {
            while going_on.load(Ordering::SeqCst) {
                drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
                thread::yield_now();
            }
        });
        let operator = thread::spawn(move || {
            for _ in 0..30 {
                let before = handle.statistics().accepted;
                while handle.statistics().accepted < before + 5 {
                    thread::yield_now();
                }
                handle.pause().wait(PATIENCE).unwrap();
                let accepted = handle.statistics().accepted;
                for _ in 0..3 {
                    handle.call(|_| ()).wait(PATIENCE).unwrap();
                    assert_eq!(handle.statistics().accepted, accepted);
                }
                handle.resume().wait(PATIENCE).unwrap();
            }
        });
        until(&event_loop, || operator.is_finished());
        weather.store(false, Ordering::SeqCst);
        clients.join().unwrap();
        (event_loop, server, operator.join().unwrap())
    };
    drop((server, event_loop));
}

#[test]
fn a_request_wakes_a_loop_that_runs() {
    let (event_loop, server) = World::Os.server();
    let (handle, quit) = (server.handle(), event_loop.handle());
    let thread = thread::spawn(move || {
        let port = handle.call(TcpServer::server_port).wait(PATIENCE);
        handle.stop().wait(PATIENCE).unwrap();
        quit.quit();
        port.unwrap()
    });
    event_loop.run().unwrap();
    assert_ne!(thread.join().unwrap(), 0);
    assert_eq!(server.state(), ServerState::Closed);
}

/// A request may leave others; those are for the next turn, and everything else of the loop goes on.
#[test]
fn requests_that_leave_requests_do_not_keep_the_loop_from_everything_else() {
    fn again(handle: &ServerHandle, left: u32, ticked: &Arc<AtomicBool>) {
        let (next, ticked) = (handle.clone(), Arc::clone(ticked));
        let answer = handle.call(move |_| {
            assert_ne!(left, 0, "a thousand requests in one turn");
            if !ticked.load(Ordering::SeqCst) {
                again(&next, left - 1, &ticked);
            }
        });
        drop(answer);
    }
    let (event_loop, server) = World::simulation(1).server();
    let ticked = Arc::new(AtomicBool::new(false));
    let tick = Arc::clone(&ticked);
    event_loop.start_timer(Duration::ZERO, move |_| tick.store(true, Ordering::SeqCst));
    again(&server.handle(), 1000, &ticked);
    event_loop.process_events(Some(Duration::ZERO)).unwrap();
    until(&event_loop, || ticked.load(Ordering::SeqCst));
}

#[test]
fn an_answer_that_takes_too_long_is_an_error() {
    let (event_loop, server) = World::Os.server();
    let handle = server.handle();
    let asked = handle.clone();
    let thread = thread::spawn(move || asked.pause().wait(Some(Duration::from_millis(20))));
    let error = thread.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), SocketError::SocketTimeout);
    let thread = thread::spawn(move || {
        assert!(!handle.wait_for_state(ServerState::Closed, Some(Duration::from_millis(20))));
        handle.resume().wait(Some(Duration::ZERO))
    });
    assert_eq!(thread.join().unwrap().unwrap_err().kind(), SocketError::SocketTimeout);
    let done = Rc::new(Cell::new(false));
    event_loop.single_shot(Duration::ZERO, {
        let done = Rc::clone(&done);
        move |_| done.set(true)
    });
    until(&event_loop, || done.get());
    assert!(server.is_accepting(), "both were done all the same");
}
