//! Limits when connections are in other threads: the place comes back there, and the server wakes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "support/admitting.rs"]
mod admitting;
mod support;

use admitting::{eventually, limited, not_for_ever, visit};
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use support::{LIMIT, World, next, settle, until};
use vestibule::{EventLoop, HostAddress, IncomingConnection, Limits, Permit, TcpServer, TcpSocket};

/// Long enough for the server to be asleep.
const NAP: Duration = Duration::from_millis(10);

fn at_most(number: usize) -> Limits {
    Limits::new().max_connections(number)
}

/// Threads that each connect once and read to the end.
fn visitors(server: &TcpServer, number: usize) -> Vec<JoinHandle<Vec<u8>>> {
    let port = server.server_port();
    (0..number).map(|_| thread::spawn(move || visit(port))).collect()
}

fn all_were_told(visitors: Vec<JoinHandle<Vec<u8>>>, word: &[u8]) {
    for visitor in visitors {
        assert_eq!(visitor.join().unwrap(), word);
    }
}

/// Threads that serve connections, each after a nap; never more than `most` at once.
struct Pool {
    threads: Vec<JoinHandle<usize>>,
}

impl Pool {
    fn serving(
        server: &TcpServer,
        threads: usize,
        most: usize,
        done: impl Fn(usize) + Send + 'static,
    ) -> Self {
        let (send, receive) = mpsc::channel::<IncomingConnection>();
        let (receive, done) = (Arc::new(Mutex::new(receive)), Arc::new(Mutex::new(done)));
        let (busy, served) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let in_hook = Arc::clone(&busy);
        server.set_incoming_connection(move |_, connection| {
            let open = in_hook.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(open <= most, "{open} at once");
            send.send(connection).unwrap();
        });
        let work = move || {
            let mut number = 0;
            loop {
                let connection = receive.lock().unwrap().recv();
                let Ok(connection) = connection else { return number };
                let (mut stream, permit) = connection.into_parts();
                thread::sleep(NAP);
                stream.write_all(b"served").unwrap();
                drop(stream);
                busy.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
                number += 1;
                done.lock().unwrap()(served.fetch_add(1, Ordering::SeqCst) + 1);
            }
        };
        let work = Arc::new(work);
        let spawn = |_| {
            let work = Arc::clone(&work);
            thread::spawn(move || work())
        };
        Self { threads: (0..threads).map(spawn).collect() }
    }

    fn join(self) -> usize {
        self.threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    }
}

#[test]
fn a_place_given_back_in_another_thread_wakes_a_loop_that_runs() {
    let (event_loop, server) = limited(&World::Os, at_most(1));
    not_for_ever(&event_loop);
    let quit = event_loop.handle();
    let pool = Pool::serving(&server, 1, 1, move |number| {
        if number == 20 {
            quit.quit();
        }
    });
    let (visitors, begun) = (visitors(&server, 20), Instant::now());
    event_loop.run().unwrap();
    assert!(begun.elapsed() < LIMIT / 2, "{:?}", begun.elapsed());
    all_were_told(visitors, b"served");
    assert_eq!((server.statistics().accepted, server.statistics().most_open), (20, 1));
    drop(server);
    assert_eq!(pool.join(), 20);
}

#[test]
fn a_place_given_back_in_another_thread_wakes_a_blocking_wait() {
    let server = TcpServer::standalone().unwrap();
    server.set_limits(at_most(1));
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    let pool = Pool::serving(&server, 1, 1, |_| ());
    let visitors = visitors(&server, 20);
    for _ in 0..20 {
        let begun = Instant::now();
        assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
        assert!(begun.elapsed() < LIMIT / 2);
    }
    all_were_told(visitors, b"served");
    assert_eq!((server.statistics().accepted, server.statistics().most_open), (20, 1));
    drop(server);
    assert_eq!(pool.join(), 20);
}

#[test]
fn a_storm_that_is_served_in_threads_stays_within_the_limit() {
    let (event_loop, server) = limited(&World::Os, at_most(3));
    not_for_ever(&event_loop);
    let quit = event_loop.handle();
    let pool = Pool::serving(&server, 5, 3, move |number| {
        if number == 120 {
            quit.quit();
        }
    });
    let visitors = visitors(&server, 120);
    event_loop.run().unwrap();
    all_were_told(visitors, b"served");
    assert_eq!((server.statistics().accepted, server.statistics().most_open), (120, 3));
    eventually(|| server.statistics().open == 0);
    drop(server);
    assert_eq!(pool.join(), 120);
}

/// Has the server's connections become sockets of another thread's loop, which greet and end.
fn sockets_elsewhere(server: &TcpServer, greet: fn(&TcpSocket)) -> (mpsc::Sender<()>, JoinHandle<()>) {
    let (to_main, from_worker) = mpsc::channel();
    let (stop, stopped) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        let event_loop = EventLoop::new().unwrap();
        let (here, sockets) = (event_loop.clone(), Rc::new(RefCell::new(Vec::new())));
        let sender = event_loop.channel(move |connection: IncomingConnection| {
            let socket = TcpSocket::from_incoming(&here, connection);
            greet(&socket);
            sockets.borrow_mut().push(socket);
        });
        to_main.send(sender).unwrap();
        while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
            event_loop.process_events(Some(Duration::from_millis(5))).unwrap();
        }
    });
    let sender = from_worker.recv().unwrap();
    server.set_incoming_connection(move |_, connection| sender.send(connection).unwrap());
    (stop, worker)
}

#[test]
fn sockets_in_another_threads_loop_count_until_they_are_closed_there() {
    let (event_loop, server) = limited(&World::Os, at_most(2));
    let (stop, worker) = sockets_elsewhere(&server, |socket| {
        socket.write(b"served");
        socket.disconnect_from_host();
    });
    let visitors = visitors(&server, 30);
    until(&event_loop, || server.statistics().accepted == 30 && server.statistics().open == 0);
    all_were_told(visitors, b"served");
    let statistics = server.statistics();
    assert!(statistics.most_open <= 2, "{statistics}");
    assert_eq!(statistics.sent, 30 * 6);
    drop(stop);
    worker.join().unwrap();
}

#[test]
fn a_peer_that_ends_frees_the_place_of_its_socket_in_another_thread() {
    let (event_loop, server) = limited(&World::Os, at_most(1));
    not_for_ever(&event_loop);
    let (stop, worker) = sockets_elsewhere(&server, |_| ());
    let quit = event_loop.handle();
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    server.new_connection().connect(move |_| {
        count.set(count.get() + 1);
        if count.get() == 2 {
            quit.quit();
        }
    });
    let first = World::Os.connect(server.server_port());
    let _second = World::Os.connect(server.server_port());
    let ending = thread::spawn(move || {
        thread::sleep(NAP);
        drop(first);
    });
    let begun = Instant::now();
    event_loop.run().unwrap();
    assert!(told.get() == 2 && begun.elapsed() < LIMIT / 2);
    ending.join().unwrap();
    drop(stop);
    worker.join().unwrap();
}

#[test]
fn a_thread_that_panics_gives_the_place_back() {
    let (event_loop, server) = limited(&World::Os, at_most(1));
    not_for_ever(&event_loop);
    let threads = Rc::new(RefCell::new(Vec::new()));
    let (spawned, quit) = (Rc::clone(&threads), event_loop.handle());
    server.set_incoming_connection(move |_, connection| {
        let thread = thread::spawn(move || {
            let _parts = connection.into_parts();
            thread::sleep(NAP);
            panic!("a worker");
        });
        spawned.borrow_mut().push(thread);
        if spawned.borrow().len() == 5 {
            quit.quit();
        }
    });
    let visitors = visitors(&server, 5);
    let begun = Instant::now();
    event_loop.run().unwrap();
    assert!(begun.elapsed() < LIMIT / 2);
    all_were_told(visitors, b"");
    for thread in threads.take() {
        assert!(thread.join().is_err());
    }
    assert_eq!((server.statistics().open, server.statistics().most_open), (0, 1));
}

#[test]
fn a_permit_may_outlive_its_server_and_its_loop() {
    let (event_loop, server) = limited(&World::Os, at_most(1));
    let permits: Rc<RefCell<Vec<Permit>>> = Rc::default();
    let keep = Rc::clone(&permits);
    server.set_incoming_connection(move |_, connection| keep.borrow_mut().push(connection.into_parts().1));
    let handle = server.handle();
    let _client = World::Os.connect(server.server_port());
    until(&event_loop, || permits.borrow().len() == 1);
    let permit = permits.borrow_mut().pop().unwrap();
    drop((server, event_loop));
    assert_eq!(handle.statistics().open, 1);
    thread::spawn(move || drop(permit)).join().unwrap();
    assert_eq!(handle.statistics().open, 0);
}

#[test]
fn limits_set_by_another_thread_wake_a_loop_and_a_blocking_wait() {
    for standalone in [false, true] {
        let (event_loop, server) = limited(&World::Os, at_most(0));
        let server = if standalone { TcpServer::standalone().unwrap() } else { server };
        if standalone {
            server.set_limits(at_most(0));
            server.listen(HostAddress::LOCALHOST, 0).unwrap();
        }
        let _client = World::Os.connect(server.server_port());
        settle(&event_loop);
        let handle = server.handle();
        let other = thread::spawn(move || {
            thread::sleep(NAP);
            handle.set_limits(at_most(1)).wait(Some(LIMIT)).unwrap();
        });
        let begun = Instant::now();
        if standalone {
            assert!(server.wait_for_new_connection(Some(LIMIT)).unwrap());
        } else {
            drop(next(&event_loop, &server));
        }
        assert!(begun.elapsed() < LIMIT / 2);
        other.join().unwrap();
        assert_eq!(server.limits().connections(), Some(1));
    }
}
