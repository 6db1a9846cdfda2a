//! A loop inside another loop: its descriptor alone says when it needs a turn, and is silent when it does not.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};
use support::{LIMIT, World, settle};
use vestibule::{EventLoop, HostAddress, SocketState, TcpServer, TcpSocket};

/// Whether the loop asks for a turn within that time.
fn calls(event_loop: &EventLoop, within: Duration) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(event_loop.as_fd(), PollFlags::IN)];
    let limit = Timespec::try_from(within).unwrap();
    poll(&mut polled, Some(&limit)).unwrap() > 0
}

/// Takes turns when the descriptor asks for them, and only then, until something holds.
fn host(event_loop: &EventLoop, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        let left = LIMIT.saturating_sub(begun.elapsed());
        assert!(calls(event_loop, left), "the descriptor is silent, and it never came to hold");
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
    }
}

/// The loop falls silent after a few turns.
fn falls_silent(event_loop: &EventLoop) {
    for _ in 0..20 {
        if !calls(event_loop, Duration::from_millis(20)) {
            return;
        }
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
    }
    panic!("the descriptor asks for turns without end");
}

/// An embedded loop with a connection that was taken; the client is blocking.
fn embedded_pair() -> (EventLoop, TcpServer, TcpSocket, TcpStream) {
    let (event_loop, server) = World::Os.server();
    let client = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    client.set_read_timeout(Some(LIMIT)).unwrap();
    host(&event_loop, || server.has_pending_connections());
    let socket = server.next_pending_connection().unwrap();
    falls_silent(&event_loop);
    (event_loop, server, socket, client)
}

#[test]
fn an_idle_loop_is_silent() {
    let event_loop = EventLoop::new().unwrap();
    assert!(!calls(&event_loop, Duration::from_millis(20)));
    let (event_loop, _server, _socket, _client) = embedded_pair();
    assert!(!calls(&event_loop, Duration::from_millis(20)));
}

#[test]
fn the_descriptor_stays_the_same() {
    let event_loop = EventLoop::new().unwrap();
    assert_eq!(event_loop.as_raw_fd(), event_loop.clone().as_raw_fd());
}

#[test]
fn listening_between_turns_counts() {
    let event_loop = EventLoop::new().unwrap();
    assert!(!calls(&event_loop, Duration::ZERO));
    let server = TcpServer::new(&event_loop);
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    falls_silent(&event_loop);
    let _client = TcpStream::connect(("127.0.0.1", server.server_port())).unwrap();
    host(&event_loop, || server.has_pending_connections());
}

#[test]
fn bytes_and_the_end_of_a_peer_are_told() {
    let (event_loop, _server, socket, mut client) = embedded_pair();
    client.write_all(b"hello").unwrap();
    host(&event_loop, || socket.bytes_available() == 5);
    falls_silent(&event_loop);
    drop(client);
    host(&event_loop, || socket.state() == SocketState::Unconnected);
    falls_silent(&event_loop);
}

#[test]
fn a_write_between_turns_leaves() {
    let (event_loop, _server, socket, mut client) = embedded_pair();
    socket.write(b"written by the host");
    host(&event_loop, || socket.bytes_to_write() == 0);
    let mut arrived = [0; 19];
    client.read_exact(&mut arrived).unwrap();
    assert_eq!(&arrived, b"written by the host");
    falls_silent(&event_loop);
}

#[test]
fn a_write_in_the_last_slot_of_a_turn_leaves() {
    let (event_loop, _server, socket, mut client) = embedded_pair();
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    socket.bytes_written().connect(move |socket, _| {
        count.set(count.get() + 1);
        if count.get() < 3 {
            socket.write(b"x");
        }
    });
    socket.write(b"x");
    host(&event_loop, || told.get() == 3);
    let mut arrived = [0; 3];
    client.read_exact(&mut arrived).unwrap();
    falls_silent(&event_loop);
}

#[test]
fn more_than_fits_leaves_as_the_peer_reads() {
    let (event_loop, _server, socket, mut client) = embedded_pair();
    socket.write(&vec![7; 8 << 20]);
    falls_silent(&event_loop);
    assert!(socket.bytes_to_write() > 0);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        all.len()
    });
    host(&event_loop, || socket.bytes_to_write() == 0);
    socket.disconnect_from_host();
    assert_eq!(reader.join().unwrap(), 8 << 20);
}

#[test]
fn a_socket_dropped_between_turns_ends_gracefully() {
    let (event_loop, _server, socket, mut client) = embedded_pair();
    socket.write(&vec![7; 4 << 20]);
    drop(socket);
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        all.len()
    });
    host(&event_loop, || event_loop.finish(Duration::ZERO).unwrap() == 0);
    assert_eq!(reader.join().unwrap(), 4 << 20);
}

#[test]
fn reading_between_turns_makes_room_for_more() {
    let (event_loop, _server, socket, mut client) = embedded_pair();
    socket.set_read_buffer_size(1000);
    client.write_all(&[7; 3000]).unwrap();
    host(&event_loop, || socket.bytes_available() == 1000);
    falls_silent(&event_loop);
    let mut read = socket.read_all().len();
    host(&event_loop, || {
        read += socket.read_all().len();
        read == 3000
    });
    falls_silent(&event_loop);
}

#[test]
fn resuming_and_taking_between_turns_let_the_next_in() {
    let (event_loop, server, _socket, _client) = embedded_pair();
    server.set_max_pending_connections(1);
    server.pause_accepting();
    falls_silent(&event_loop);
    let _clients: Vec<_> =
        (0..3).map(|_| TcpStream::connect(("127.0.0.1", server.server_port())).unwrap()).collect();
    falls_silent(&event_loop);
    assert!(!server.has_pending_connections());
    server.resume_accepting();
    let mut taken = Vec::new();
    host(&event_loop, || {
        taken.extend(server.next_pending_connection());
        taken.len() == 3
    });
    falls_silent(&event_loop);
}

#[test]
fn a_call_and_a_value_from_another_thread_arrive() {
    let event_loop = EventLoop::new().unwrap();
    let arrived = Rc::new(Cell::new(0));
    let count = Rc::clone(&arrived);
    let sender = event_loop.channel(move |number: u32| count.set(count.get() + number));
    let handle = event_loop.handle();
    let thread = std::thread::spawn(move || {
        sender.send(2).unwrap();
        let again = sender.clone();
        handle.post(move |_| again.send(3).unwrap()).unwrap();
    });
    host(&event_loop, || arrived.get() == 5);
    thread.join().unwrap();
    falls_silent(&event_loop);
}

#[test]
fn connecting_out_between_turns_succeeds() {
    let (event_loop, server, _socket, _client) = embedded_pair();
    for name in ["127.0.0.1", "localhost"] {
        let socket = TcpSocket::new(&event_loop);
        socket.connect_to_host(name, server.server_port()).unwrap();
        host(&event_loop, || socket.state() == SocketState::Connected);
        socket.abort();
    }
    falls_silent(&event_loop);
}

#[test]
fn a_wait_between_turns_leaves_the_descriptor_right() {
    let (event_loop, server, socket, mut client) = embedded_pair();
    let posted = Rc::new(Cell::new(0));
    let count = Rc::clone(&posted);
    let sender = event_loop.channel(move |()| count.set(count.get() + 1));
    client.write_all(b"hello").unwrap();
    sender.send(()).unwrap();
    assert!(socket.wait_for_ready_read(Some(LIMIT)).unwrap());
    assert_eq!(posted.get(), 0, "a wait runs no calls");
    host(&event_loop, || posted.get() == 1);
    assert!(!server.wait_for_new_connection(Some(Duration::ZERO)).unwrap());
    falls_silent(&event_loop);
}

#[test]
fn the_next_deadline_is_that_of_the_next_timer() {
    let event_loop = EventLoop::new().unwrap();
    assert_eq!(event_loop.next_deadline(), None);
    let begun = Instant::now();
    let later = event_loop.single_shot(Duration::from_secs(20), |_| {});
    let sooner = event_loop.single_shot(Duration::from_secs(10), |_| {});
    let deadline = event_loop.next_deadline().unwrap();
    assert!(deadline >= begun + Duration::from_secs(10) && deadline < begun + Duration::from_secs(15));
    event_loop.kill_timer(sooner);
    assert!(event_loop.next_deadline().unwrap() >= begun + Duration::from_secs(20));
    event_loop.kill_timer(later);
    assert_eq!(event_loop.next_deadline(), None);
}

#[test]
fn with_something_to_send_the_next_deadline_is_now() {
    let (event_loop, _server, socket, _client) = embedded_pair();
    socket.write(b"x");
    assert!(event_loop.next_deadline().unwrap() <= Instant::now());
}

/// Its time is not that of a host.
#[test]
fn the_descriptor_of_a_simulated_loop_is_never_readable() {
    let world = World::simulation(1);
    let (event_loop, server) = world.server();
    assert!(!calls(&event_loop, Duration::ZERO));
    let _client = world.connect(server.server_port());
    event_loop.single_shot(Duration::ZERO, |_| {});
    event_loop.handle().post(|_| {}).unwrap();
    assert!(!calls(&event_loop, Duration::ZERO), "with something to do");
    settle(&event_loop);
    assert!(server.has_pending_connections());
    assert!(!calls(&event_loop, Duration::ZERO), "after turns");
}

/// Where the poller has an alarm; elsewhere a host asks for the next deadline.
#[cfg(all(target_os = "linux", not(vestibule_polling)))]
mod timers {
    use super::support::assert_sleeps;
    use super::*;

    #[test]
    fn a_timer_calls_and_then_there_is_silence() {
        let event_loop = EventLoop::new().unwrap();
        assert!(!calls(&event_loop, Duration::ZERO));
        let ran = Rc::new(Cell::new(0));
        let count = Rc::clone(&ran);
        event_loop.single_shot(Duration::from_millis(30), move |_| count.set(1));
        let begun = Instant::now();
        host(&event_loop, || ran.get() == 1);
        assert!(begun.elapsed() >= Duration::from_millis(30));
        falls_silent(&event_loop);
    }

    #[test]
    fn a_timer_that_was_set_before_embedding_calls_too() {
        let event_loop = EventLoop::new().unwrap();
        let ran = Rc::new(Cell::new(0));
        let count = Rc::clone(&ran);
        event_loop.start_timer(Duration::from_millis(10), move |_| count.set(count.get() + 1));
        host(&event_loop, || ran.get() == 3);
    }

    #[test]
    fn a_killed_timer_does_not_call() {
        let event_loop = EventLoop::new().unwrap();
        let timer = event_loop.single_shot(Duration::from_millis(50), |_| panic!("it was killed"));
        falls_silent(&event_loop);
        event_loop.kill_timer(timer);
        let _ = calls(&event_loop, Duration::from_millis(80)); // the alarm may ring once more, for nothing
        falls_silent(&event_loop);
    }

    #[test]
    fn a_timer_in_a_slot_calls() {
        let event_loop = EventLoop::new().unwrap();
        let ran = Rc::new(Cell::new(false));
        let mark = Rc::clone(&ran);
        event_loop.single_shot(Duration::from_millis(5), move |event_loop| {
            event_loop.single_shot(Duration::from_millis(5), move |_| mark.set(true));
        });
        host(&event_loop, || ran.get());
        falls_silent(&event_loop);
    }

    /// The alarm that has rung for the slot does not ring on in it.
    #[test]
    fn turns_in_the_slot_of_a_timer_sleep() {
        let event_loop = EventLoop::new().unwrap();
        assert!(!calls(&event_loop, Duration::ZERO));
        let ran = Rc::new(Cell::new(false));
        let mark = Rc::clone(&ran);
        event_loop.single_shot(Duration::from_millis(5), move |event_loop| {
            assert_sleeps(event_loop);
            mark.set(true);
        });
        host(&event_loop, || ran.get());
        falls_silent(&event_loop);
    }

    /// A connection that lingers is cut when its time is over, though nothing happens to it.
    #[test]
    fn a_lingering_connection_is_cut_in_time() {
        let (event_loop, _server, socket, mut client) = embedded_pair();
        event_loop.set_linger_limits(Duration::from_millis(50), 1 << 20);
        socket.write(&vec![7; 100 << 10]);
        client.write_all(b"more").unwrap();
        socket.disconnect_from_host();
        host(&event_loop, || socket.state() == SocketState::Unconnected);
        let begun = Instant::now();
        host(&event_loop, || event_loop.finish(Duration::ZERO).unwrap() == 0);
        assert!(begun.elapsed() < LIMIT);
        falls_silent(&event_loop);
    }

    /// An attempt to connect that nobody answers is given up in time.
    #[test]
    fn an_attempt_to_connect_is_given_up_in_time() {
        let event_loop = EventLoop::new().unwrap();
        let socket = TcpSocket::new(&event_loop);
        socket.set_connect_timeout(Some(Duration::ZERO));
        socket.connect_to_host("127.0.0.1", 9).unwrap();
        assert_eq!(socket.state(), SocketState::Connecting);
        host(&event_loop, || socket.state() == SocketState::Unconnected);
        falls_silent(&event_loop);
    }
}
