//! Places in unusual hands: streams with their permits, thread locals, tries of a shared limit.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, limited};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use support::{LIMIT, World, next, settle, until};
use vestibule::{EventLoopHandle, IncomingConnection, Limits, OverLimit, Refusal, ServerHandle, SharedLimit};

fn at_most(number: usize) -> Limits {
    Limits::new().max_connections(number)
}

on_both! {
    fn a_socket_that_became_a_stream_with_its_permit_keeps_its_place(world: &World) {
        let (event_loop, server) = limited(world, at_most(1));
        let _far = clients(world, &server, 2);
        let (stream, permit) = next(&event_loop, &server).into_parts().unwrap();
        settle(&event_loop);
        assert_eq!((server.statistics().accepted, server.statistics().open), (1, 1));
        drop(stream);
        settle(&event_loop);
        assert_eq!(server.statistics().accepted, 1, "the permit is the place");
        drop(permit);
        until(&event_loop, || server.statistics().accepted == 2);
    }
}

thread_local! {
    static HELD: RefCell<Option<IncomingConnection>> = const { RefCell::new(None) };
}

/// 1. A connection is in a thread local of a thread.
/// 2. The thread ends, and with it the connection, when other thread locals may be gone.
/// 3. The loop, which sleeps, lets the next client in.
#[test]
fn a_place_comes_back_from_a_thread_local_of_a_thread_that_ends() {
    let (event_loop, server) = limited(&World::Os, at_most(1));
    let (send, receive) = mpsc::channel::<IncomingConnection>();
    server.set_incoming_connection(move |_, connection| send.send(connection).unwrap());
    let (end, may_end) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        HELD.with(|held| held.replace(Some(receive.recv().unwrap())));
        may_end.recv().unwrap();
        receive
    });
    let _far = clients(&World::Os, &server, 2);
    until(&event_loop, || server.statistics().accepted == 1);
    event_loop.single_shot(Duration::from_millis(20), move |_| end.send(()).unwrap());
    let begun = Instant::now();
    while server.statistics().accepted < 2 {
        event_loop.process_events(Some(LIMIT)).unwrap();
        assert!(begun.elapsed() < LIMIT / 2, "the loop was not woken");
    }
    drop(thread.join().unwrap());
}

/// Waits, without sleeping, for something that another thread does.
fn very_soon(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "it never came to hold");
        thread::yield_now();
    }
}

/// A server on a thread of its own, which refuses who is over the limit that it shares.
struct Serving {
    handle: ServerHandle,
    port: u16,
    quit: EventLoopHandle,
    thread: JoinHandle<()>,
}

impl Serving {
    fn new(limit: &SharedLimit) -> Self {
        let limits = Limits::new().shared(limit).over_limit(OverLimit::Refuse(Refusal::Close));
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (event_loop, server) = limited(&World::Os, limits);
            server.new_connection().connect(|server| {
                while let Some(socket) = server.next_pending_connection() {
                    socket.set_parent(server);
                }
            });
            tell.send((server.handle(), server.server_port(), event_loop.handle())).unwrap();
            event_loop.run().unwrap();
        });
        let (handle, port, quit) = told.recv().unwrap();
        Self { handle, port, quit, thread }
    }

    /// One client after another, never two, until it is told to stop.
    fn visit(&self, stop: &Arc<AtomicBool>) -> JoinHandle<u64> {
        let (handle, port, stop) = (self.handle.clone(), self.port, Arc::clone(stop));
        thread::spawn(move || {
            let mut number = 0;
            while !stop.load(Ordering::SeqCst) {
                let client = World::Os.connect(port);
                number += 1;
                very_soon(|| {
                    let statistics = handle.statistics();
                    statistics.accepted + statistics.refused_in_all() >= number
                });
                drop(client);
                very_soon(|| handle.statistics().open == 0);
            }
            number
        })
    }
}

/// 1. Two servers share two places, and each has at most one client.
/// 2. A server tries for a place before it knows whether a client waits, while the other lets its client in.
/// 3. Nobody is refused: a place that is only tried is nobody's.
#[test]
fn a_place_that_is_only_tried_refuses_nobody() {
    let limit = SharedLimit::new(2);
    let servers = [Serving::new(&limit), Serving::new(&limit)];
    let stop = Arc::new(AtomicBool::new(false));
    let visitors = servers.each_ref().map(|server| server.visit(&stop));
    very_soon(|| servers.iter().all(|server| server.handle.statistics().accepted >= 1000));
    stop.store(true, Ordering::SeqCst);
    let numbers = visitors.map(|visitor| visitor.join().unwrap());
    let refused = servers.each_ref().map(|server| server.handle.statistics().refused_in_all());
    for server in servers {
        server.quit.quit();
        server.thread.join().unwrap();
    }
    assert_eq!(refused, [0, 0], "of {numbers:?}");
}
