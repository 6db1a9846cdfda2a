//! A limit that servers share, of one loop or of several threads: the sum is never over it, nobody starves.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{clients, limited, not_for_ever, take_all, visit};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use support::{LIMIT, World, next, settle, until};
use vestibule::{EventLoop, HostAddress, Limits, SharedLimit, TcpServer, TcpSocket};

fn sharing(limit: &SharedLimit) -> Limits {
    Limits::new().shared(limit)
}

/// Two servers of one loop under these limits.
fn two(world: &World, limits: &Limits) -> (EventLoop, [TcpServer; 2]) {
    let (event_loop, one) = limited(world, limits.clone());
    let other = TcpServer::new(&event_loop);
    other.set_limits(limits.clone());
    other.listen(HostAddress::LOCALHOST, 0).unwrap();
    (event_loop, [one, other])
}

fn open(servers: &[TcpServer; 2]) -> [u64; 2] {
    [servers[0].statistics().open, servers[1].statistics().open]
}

on_both! {
    fn the_sum_is_never_over_the_limit_and_all_are_served(world: &World) {
        let limit = SharedLimit::new(3);
        let (event_loop, servers) = two(world, &sharing(&limit));
        for server in &servers {
            let limit = limit.clone();
            server.new_connection().connect(move |_| assert!(limit.open() <= 3));
        }
        let far: Vec<_> = servers.iter().flat_map(|server| clients(world, server, 10)).collect();
        let mut served = 0;
        while served < 20 {
            let expected = (20 - served).min(3);
            until(&event_loop, || limit.open() == expected);
            settle(&event_loop);
            assert_eq!((limit.open(), open(&servers).iter().sum()), (expected, expected as u64));
            let socket = servers.iter().find_map(TcpServer::next_pending_connection).unwrap();
            drop(socket);
            served += 1;
        }
        let accepted = servers.each_ref().map(|server| server.statistics().accepted);
        assert_eq!((accepted, limit.open()), ([10, 10], 0));
        drop(far);
    }

    fn a_changed_limit_holds_for_all_at_once(world: &World) {
        let limit = SharedLimit::new(0);
        let (event_loop, servers) = two(world, &sharing(&limit));
        let _far: Vec<_> = servers.iter().flat_map(|server| clients(world, server, 3)).collect();
        settle(&event_loop);
        assert_eq!((open(&servers), limit.limit()), ([0, 0], 0));
        limit.clone().set_limit(4);
        until(&event_loop, || limit.open() == 4);
        settle(&event_loop);
        assert_eq!((limit.open(), limit.limit()), (4, 4));
        limit.set_limit(2);
        let mut sockets: Vec<_> = servers.iter().flat_map(take_all).collect();
        for left in [4, 3, 2] {
            settle(&event_loop);
            assert_eq!(limit.open(), left, "lowering ends nothing, and nobody comes in");
            sockets.pop();
        }
        until(&event_loop, || limit.open() == 2);
        settle(&event_loop);
        assert_eq!((limit.open(), open(&servers).iter().sum()), (2, 2));
    }

    fn each_server_keeps_a_limit_of_its_own(world: &World) {
        let limit = SharedLimit::new(3);
        let (event_loop, servers) = two(world, &sharing(&limit).max_connections(2));
        let _far: Vec<_> = servers.iter().flat_map(|server| clients(world, server, 4)).collect();
        until(&event_loop, || limit.open() == 3);
        settle(&event_loop);
        let mut both = open(&servers);
        both.sort_unstable();
        assert_eq!(both, [1, 2]);
        let full = usize::from(servers[1].statistics().open == 2);
        drop(servers[full].next_pending_connection());
        until(&event_loop, || limit.open() == 3);
        drop(take_all(&servers[1 - full]));
        until(&event_loop, || limit.open() == 3);
        assert!(servers.iter().all(|server| server.statistics().most_open <= 2));
    }

    fn who_is_open_when_the_limit_is_set_is_not_counted_in_it(world: &World) {
        let (event_loop, server, early, _client) = world.pair();
        let (first, second) = (SharedLimit::new(1), SharedLimit::new(1));
        server.set_limits(sharing(&first));
        assert_eq!(first.open(), 0);
        let _one = world.connect(server.server_port());
        let socket = next(&event_loop, &server);
        assert_eq!(first.open(), 1);
        server.set_limits(sharing(&second));
        assert_eq!((first.open(), second.open()), (1, 0));
        let _two = world.connect(server.server_port());
        let later = next(&event_loop, &server);
        drop((early, socket));
        until(&event_loop, || first.open() == 0);
        assert_eq!((second.open(), server.statistics().open), (1, 1));
        server.set_limits(Limits::new());
        drop(later);
        assert_eq!(second.open(), 0);
    }

    fn a_server_that_is_gone_or_closed_keeps_no_place(world: &World) {
        let limit = SharedLimit::new(2);
        let (event_loop, [one, other]) = two(world, &sharing(&limit));
        let _far = clients(world, &one, 2);
        until(&event_loop, || limit.open() == 2);
        let taken = one.next_pending_connection().unwrap();
        drop(one);
        assert_eq!(limit.open(), 1, "who was pending has ended");
        let _more = clients(world, &other, 2);
        until(&event_loop, || limit.open() == 2);
        drop(taken);
        until(&event_loop, || other.statistics().open == 2);
        other.close();
        assert_eq!(limit.open(), 0);
    }
}

/// The only place comes free again and again, while hundreds wait for one server and one for the other.
fn the_one_is_served(world: &World, quiet: usize) {
    let limit = SharedLimit::new(1);
    let (event_loop, servers) = two(world, &sharing(&limit));
    let _flood = clients(world, &servers[1 - quiet], 200);
    let mut flooded = next(&event_loop, &servers[1 - quiet]);
    let _one = world.connect(servers[quiet].server_port());
    for round in 0.. {
        assert!(round < 150, "server {quiet} starves");
        drop(flooded);
        until(&event_loop, || servers.iter().any(TcpServer::has_pending_connections));
        if servers[quiet].has_pending_connections() {
            break;
        }
        flooded = servers[1 - quiet].next_pending_connection().unwrap();
    }
}

#[test]
fn a_server_whose_neighbour_is_flooded_is_served_on_the_simulation() {
    for seed in 0..8 {
        the_one_is_served(&World::simulation(seed), 0);
        the_one_is_served(&World::simulation(seed), 1);
    }
}

#[test]
fn a_server_whose_neighbour_is_flooded_is_served_on_the_system() {
    the_one_is_served(&World::Os, 0);
    the_one_is_served(&World::Os, 1);
}

/// A server on a thread of its own, whose connections are served on that thread's loop, each after a moment.
fn serving_thread(limit: &SharedLimit, gauge: &Arc<AtomicUsize>, most: usize) -> (u16, Stop) {
    let (limit, gauge) = (limit.clone(), Arc::clone(gauge));
    let (to_main, from_thread) = mpsc::channel();
    let thread = thread::spawn(move || {
        let (event_loop, server) = limited(&World::Os, sharing(&limit));
        server.new_connection().connect(move |server| {
            let socket = server.next_pending_connection().unwrap();
            let open = gauge.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(open <= most, "{open} at once");
            let (kept, gauge) = (Rc::new(RefCell::new(Some(socket))), Arc::clone(&gauge));
            server.event_loop().single_shot(Duration::from_millis(2), move |_| {
                let socket: TcpSocket = kept.take().unwrap();
                socket.write(b"served");
                gauge.fetch_sub(1, Ordering::SeqCst);
                drop(socket);
            });
        });
        to_main.send((server.server_port(), event_loop.handle())).unwrap();
        event_loop.run().unwrap();
        server.statistics().accepted
    });
    let (port, handle) = from_thread.recv().unwrap();
    (port, Stop { handle, thread })
}

struct Stop {
    handle: vestibule::EventLoopHandle,
    thread: JoinHandle<u64>,
}

impl Stop {
    fn join(self) -> u64 {
        self.handle.quit();
        self.thread.join().unwrap()
    }
}

#[test]
fn two_threads_share_a_limit_in_a_storm_and_everyone_is_served() {
    const EACH: usize = 60;
    let (limit, gauge) = (SharedLimit::new(4), Arc::new(AtomicUsize::new(0)));
    let servers = [serving_thread(&limit, &gauge, 4), serving_thread(&limit, &gauge, 4)];
    let (begin, done) = (Arc::new(Barrier::new(2 * EACH)), Arc::new(AtomicUsize::new(0)));
    let watched = (limit.clone(), Arc::clone(&done));
    let watcher = thread::spawn(move || {
        while watched.1.load(Ordering::SeqCst) < 2 * EACH {
            assert!(watched.0.open() <= 4);
            thread::yield_now();
        }
    });
    let visitors: Vec<_> = (0..2 * EACH)
        .map(|number| {
            let (port, begin, done) = (servers[number % 2].0, Arc::clone(&begin), Arc::clone(&done));
            thread::spawn(move || {
                begin.wait();
                let got = visit(port);
                done.fetch_add(1, Ordering::SeqCst);
                got
            })
        })
        .collect();
    for visitor in visitors {
        assert_eq!(visitor.join().unwrap(), b"served");
    }
    watcher.join().unwrap();
    assert_eq!(servers.map(|(_, stop)| stop.join()), [EACH as u64; 2]);
    assert_eq!(limit.open(), 0);
}

#[test]
fn a_place_that_comes_free_on_one_thread_wakes_a_loop_that_sleeps_on_another() {
    for raised in [false, true] {
        let limit = SharedLimit::new(1);
        let (own_loop, own) = limited(&World::Os, sharing(&limit));
        let _client = World::Os.connect(own.server_port());
        let socket = next(&own_loop, &own);
        let gauge = Arc::new(AtomicUsize::new(0));
        let (port, stop) = serving_thread(&limit, &gauge, 1);
        let visitor = thread::spawn(move || visit(port));
        thread::sleep(Duration::from_millis(20));
        assert_eq!((limit.open(), visitor.is_finished()), (1, false));
        let begun = Instant::now();
        if raised {
            limit.set_limit(2);
        } else {
            drop(socket);
        }
        assert_eq!(visitor.join().unwrap(), b"served");
        assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
        assert_eq!(stop.join(), 1);
    }
}

#[test]
fn a_server_that_sleeps_is_woken_though_another_takes_the_place_first() {
    let limit = SharedLimit::new(1);
    let gauge = Arc::new(AtomicUsize::new(0));
    let servers = [(); 3].map(|()| serving_thread(&limit, &gauge, 1));
    for _ in 0..10 {
        let visitors = servers.each_ref().map(|(port, _)| {
            let port = *port;
            thread::spawn(move || visit(port))
        });
        for visitor in visitors {
            assert_eq!(visitor.join().unwrap(), b"served");
        }
    }
    assert_eq!(servers.map(|(_, stop)| stop.join()), [10; 3]);
}

#[test]
fn a_loop_with_a_server_of_a_full_limit_sleeps() {
    let limit = SharedLimit::new(1);
    let (event_loop, servers) = two(&World::Os, &sharing(&limit));
    not_for_ever(&event_loop);
    let _far: Vec<_> = servers.iter().flat_map(|server| clients(&World::Os, server, 2)).collect();
    until(&event_loop, || limit.open() == 1);
    settle(&event_loop);
    support::assert_sleeps(&event_loop);
}
