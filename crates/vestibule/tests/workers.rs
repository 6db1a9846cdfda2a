//! Workers are one server to their clients and to their operator: both ways of sharing clients, limits, pausing, draining,
//! statistics; what happens when one dies or leaves.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use vestibule::{
    Limits, QueueSharing, ServerState, SocketError, TcpServer, TcpSocket, WorkerGroup, WorkerLoss, Workers,
    WorkersHandle,
};

const LIMIT: Duration = Duration::from_secs(20);
const WAYS: [QueueSharing; 2] = [QueueSharing::OneQueue, QueueSharing::ReusePort];

/// Echoes, and says on request which worker it is, dies, or keeps its worker busy.
fn serve(server: &TcpServer) {
    server.new_connection().connect(|server| {
        while let Some(socket) = server.next_pending_connection() {
            let worker = server.object_name();
            socket.ready_read().connect(move |socket| answer(socket, &worker));
            socket.set_parent(server);
        }
    });
}

fn answer(socket: &TcpSocket, worker: &str) {
    let bytes = socket.read_all();
    match bytes.as_slice() {
        b"who?" => {
            socket.write(format!("{worker}\n").as_bytes());
        }
        b"die!" => panic!("as it was told"),
        b"rest" => std::thread::sleep(Duration::from_millis(300)),
        other => {
            socket.write(other);
        }
    }
}

fn connect(group: &WorkerGroup) -> TcpStream {
    connect_to(address(group))
}

fn address(group: &WorkerGroup) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], group.server_port()))
}

fn connect_to(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn ask(stream: &mut TcpStream, question: &[u8]) -> String {
    stream.write_all(question).unwrap();
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).unwrap();
    assert!(length > 0, "the connection has ended");
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// Looks until it is so.
#[track_caller]
fn until(what: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !what() {
        assert!(Instant::now() < end, "it never came to be");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn open_of_each(handle: &WorkersHandle) -> Vec<u64> {
    handle.statistics_of_each().iter().map(|of| of.open).collect()
}

#[test]
fn every_client_is_served_and_counted_once() {
    for way in WAYS {
        let group = Workers::new(3).sharing(way).bind("127.0.0.1:0", serve).unwrap();
        let handle = group.handle();
        assert_eq!((handle.workers(), handle.state()), (3, ServerState::Listening), "{way:?}");
        let mut clients: Vec<_> = (0..60).map(|_| connect(&group)).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            let text = format!("client {number}");
            assert_eq!(ask(client, text.as_bytes()), text);
        }
        let statistics = handle.statistics();
        assert_eq!((statistics.accepted, statistics.open, statistics.most_open), (60, 60, 60), "{way:?}");
        until(|| handle.statistics().received == handle.statistics().sent);
        drop(clients);
        until(|| handle.statistics().open == 0);
        drop(group);
        assert_eq!(handle.state(), ServerState::Closed);
        assert_eq!(handle.statistics().accepted, 60);
    }
}

#[test]
fn a_port_that_is_taken_and_a_text_that_is_no_address_are_told_at_once() {
    let group = Workers::new(2).bind("127.0.0.1:0", |_| {}).unwrap();
    let taken = Workers::new(2).bind(address(&group).to_string().as_str(), |_| {}).unwrap_err();
    assert_eq!(taken.kind(), SocketError::AddressInUse);
    assert!(Workers::new(2).bind("nowhere", |_| {}).is_err());
}

#[test]
fn a_limit_holds_for_all_together_and_each_place_is_given_again() {
    for way in WAYS {
        let limits = Limits::new().max_connections(7);
        let group = Workers::new(3).sharing(way).limits(limits).bind("127.0.0.1:0", serve).unwrap();
        let handle = group.handle();
        let (served, answers) = mpsc::channel();
        let clients: Vec<_> = (0..100)
            .map(|number| {
                let (address, served) = (address(&group), served.clone());
                std::thread::spawn(move || {
                    let mut client = connect_to(address);
                    let text = format!("{number}");
                    let same = ask(&mut client, text.as_bytes()) == text;
                    served.send(same).unwrap();
                })
            })
            .collect();
        for _ in 0..100 {
            assert_eq!(answers.recv_timeout(LIMIT), Ok(true), "{way:?}");
            assert!(handle.statistics().open <= 7);
        }
        for client in clients {
            client.join().unwrap();
        }
        until(|| handle.statistics().open == 0);
        assert!((1..=7).contains(&handle.statistics().most_open), "{way:?}");
        // The limit is lowered under way, and what is open counts.
        let mut open: Vec<_> = (0..5).map(|_| connect(&group)).collect();
        for client in &mut open {
            ask(client, b"?");
        }
        handle.set_limits(Limits::new().max_connections(5)).wait(Some(LIMIT)).unwrap();
        let mut sixth = connect(&group);
        sixth.write_all(b"?").unwrap();
        sixth.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(sixth.read(&mut [0]).is_err(), "nobody is let in over the limit");
        open.pop();
        sixth.set_read_timeout(Some(LIMIT)).unwrap();
        assert_eq!(sixth.read(&mut [0; 2]).unwrap(), 1);
    }
}

#[test]
fn a_pause_holds_for_all_also_for_one_that_comes_later() {
    for way in WAYS {
        let group = Workers::new(2).sharing(way).bind("127.0.0.1:0", serve).unwrap();
        let handle = group.handle();
        handle.pause().wait(Some(LIMIT)).unwrap();
        assert_eq!(handle.state(), ServerState::Paused);
        handle.set_workers(3, Duration::ZERO).unwrap();
        until(|| handle.statistics_of_each().len() == 3);
        let mut clients: Vec<_> = (0..12).map(|_| connect(&group)).collect();
        for client in &mut clients {
            client.write_all(b"waiting").unwrap();
            client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            assert!(client.read(&mut [0; 8]).is_err());
        }
        assert_eq!(handle.statistics().accepted, 0, "{way:?}");
        handle.resume().wait(Some(LIMIT)).unwrap();
        for client in &mut clients {
            client.set_read_timeout(Some(LIMIT)).unwrap();
            assert_eq!(client.read(&mut [0; 8]).unwrap(), 7, "{way:?}");
        }
    }
}

#[test]
fn a_drain_serves_who_waits_ends_all_and_reports_for_all() {
    for way in WAYS {
        let group = Workers::new(2).sharing(way).bind("127.0.0.1:0", serve).unwrap();
        let handle = group.handle();
        let mut idle: Vec<_> = (0..20).map(|_| connect(&group)).collect();
        for client in &mut idle {
            ask(client, b"?");
        }
        let began = Instant::now();
        let report = handle.drain(LIMIT).wait(Some(LIMIT)).unwrap();
        assert!(began.elapsed() < LIMIT / 2, "a drain ends when nothing is left, not at its deadline");
        assert_eq!((report.idle + report.ended, report.cut, report.left_in_queue), (20, 0, 0), "{way:?}");
        for client in &mut idle {
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
        }
        let address = address(&group);
        group.join().unwrap();
        assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
        assert_eq!(handle.state(), ServerState::Closed);
    }
}

#[test]
fn a_worker_that_dies_is_replaced_and_no_client_in_the_queue_is_lost() {
    for way in WAYS {
        let plan = Workers::new(2).sharing(way).contain_panics(false);
        let group = plan.bind("127.0.0.1:0", serve).unwrap();
        let handle = group.handle();
        for death in 1..=4 {
            let mut client = connect(&group);
            ask(&mut client, b"who?");
            client.write_all(b"die!").unwrap();
            let mut others: Vec<_> = (0..20).map(|_| connect(&group)).collect();
            for (number, other) in others.iter_mut().enumerate() {
                // Whoever was let in by the worker that died is ended with it; who waited is served.
                other.write_all(b"who?").unwrap();
                let mut answer = [0; 64];
                if !matches!(other.read(&mut answer), Ok(1..)) {
                    let mut again = connect(&group);
                    assert!(ask(&mut again, b"who?").starts_with("worker-"), "{way:?}, client {number}");
                }
            }
            until(|| handle.losses() == death && handle.statistics_of_each().len() == 2);
        }
        assert_eq!(handle.state(), ServerState::Listening);
    }
}

/// A worker dies while clients are in the queue, whom nobody has accepted.
///
/// 1. The only worker is busy in a slot.
/// 2. Twenty clients connect and write; all are in the kernel's queue.
/// 3. The slot panics, and the worker dies with its loop and its copy of the listening descriptor.
/// 4. Its replacement serves all twenty.
#[test]
fn clients_in_the_queue_outlive_the_worker() {
    for way in WAYS {
        let plan = Workers::new(1).sharing(way).contain_panics(false);
        let (busy, is_busy) = mpsc::channel();
        let (go, may_go) = mpsc::channel::<()>();
        let may_go = Arc::new(std::sync::Mutex::new(may_go));
        let group = plan
            .bind("127.0.0.1:0", move |server| {
                serve(server);
                let (busy, may_go) = (busy.clone(), Arc::clone(&may_go));
                let first = AtomicUsize::new(0);
                server.new_connection().connect(move |_| {
                    let is_first = first.fetch_add(1, Ordering::Relaxed) == 0 && busy.send(()).is_ok();
                    let dies = is_first && may_go.lock().unwrap().recv_timeout(LIMIT).is_ok();
                    assert!(!dies, "in the middle of it");
                });
            })
            .unwrap();
        let _first = connect(&group);
        is_busy.recv_timeout(LIMIT).unwrap();
        let mut clients: Vec<_> = (0..20).map(|_| connect(&group)).collect();
        go.send(()).unwrap();
        drop(go);
        for client in &mut clients {
            assert_eq!(ask(client, b"still here"), "still here", "{way:?}");
        }
        assert_eq!(group.handle().losses(), 1);
    }
}

#[test]
fn the_group_ends_with_its_worker_if_it_is_to() {
    for way in WAYS {
        let plan = Workers::new(2).sharing(way).contain_panics(false).on_loss(WorkerLoss::End);
        let group = plan.bind("127.0.0.1:0", serve).unwrap();
        let mut client = connect(&group);
        client.write_all(b"die!").unwrap();
        let address = address(&group);
        let error = group.join().unwrap_err();
        assert_eq!(error.to_string(), "cannot run the workers: a panic: as it was told");
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn a_slot_that_panics_costs_its_connection_alone() {
    let group = Workers::new(2).bind("127.0.0.1:0", serve).unwrap();
    let mut other = connect(&group);
    ask(&mut other, b"?");
    let mut client = connect(&group);
    client.write_all(b"die!").unwrap();
    assert!(!matches!(client.read(&mut [0]), Ok(1..)));
    assert_eq!(ask(&mut other, b"alive?"), "alive?");
    let handle = group.handle();
    assert_eq!((handle.losses(), handle.statistics().panics), (0, 1));
}

#[test]
fn a_function_that_panics_at_the_start_is_an_error_of_the_start() {
    let error = Workers::new(2).bind("127.0.0.1:0", |_| panic!("no")).unwrap_err();
    assert_eq!(error.to_string(), "cannot run the workers: a panic: no");
}

/// Lasting connections are spread: nobody is ahead by more than the bound and a batch.
#[test]
fn lasting_connections_are_spread_over_the_workers_of_one_queue() {
    let group = Workers::new(2).bind("127.0.0.1:0", serve).unwrap();
    let handle = group.handle();
    let mut clients = Vec::new();
    for _ in 0..400 {
        let mut client = connect(&group);
        ask(&mut client, b"?");
        clients.push(client);
    }
    let open = open_of_each(&handle);
    let (most, fewest) = (open.iter().max().unwrap(), open.iter().min().unwrap());
    assert!(most - fewest <= fewest / 8 + 16 + 16, "{open:?}");
}

/// A worker that is behind, but busy, keeps nobody waiting: another lets the clients in after the patience.
#[test]
fn a_busy_worker_that_is_behind_starves_nobody() {
    let group = Workers::new(2).bind("127.0.0.1:0", serve).unwrap();
    let handle = group.handle();
    let mut first = connect(&group);
    let busy = ask(&mut first, b"who?");
    // The other gets so many that it is ahead.
    let mut clients = Vec::new();
    for _ in 0..80 {
        let mut client = connect(&group);
        if ask(&mut client, b"who?") != busy {
            clients.push(client);
        }
    }
    until(|| handle.statistics().open == clients.len() as u64 + 1);
    for _ in 0..5 {
        first.write_all(b"rest").unwrap(); // 300 ms in a slot
        let began = Instant::now();
        let mut all: Vec<_> = (0..10).map(|_| connect(&group)).collect();
        let worker = ask(&mut all[9], b"who?");
        if worker != busy {
            assert!(began.elapsed() < Duration::from_millis(290), "it waited for the busy worker");
        }
    }
}

/// A worker leaves while clients wait in its queue.
///
/// 1. All workers are paused; forty clients connect, and wait in the queues of the kernel, some in each.
/// 2. The group is reduced to one worker: two leave.
/// 3. Accepting is resumed. All forty are served by the one, none was reset.
#[test]
fn a_worker_that_leaves_hands_its_queue_on_and_nobody_is_reset() {
    for way in WAYS {
        let group = Workers::new(3).sharing(way).bind("127.0.0.1:0", serve).unwrap();
        let handle = group.handle();
        handle.pause().wait(Some(LIMIT)).unwrap();
        let mut clients: Vec<_> = (0..40).map(|_| connect(&group)).collect();
        for client in &mut clients {
            client.write_all(b"who?").unwrap();
        }
        handle.set_workers(1, Duration::ZERO).unwrap();
        until(|| handle.statistics_of_each().len() == 1);
        handle.resume().wait(Some(LIMIT)).unwrap();
        for client in &mut clients {
            let mut answer = [0; 64];
            let length = client.read(&mut answer).unwrap();
            assert_eq!(&answer[..length], b"worker-0\n", "{way:?}");
        }
        // And those who come later, whichever queue the system chooses.
        let mut clients: Vec<_> = (0..40).map(|_| connect(&group)).collect();
        for client in &mut clients {
            assert_eq!(ask(client, b"who?"), "worker-0\n");
        }
        // More workers again take their part.
        handle.set_workers(3, Duration::ZERO).unwrap();
        until(|| handle.statistics_of_each().len() == 3);
        let mut clients: Vec<_> = (0..90).map(|_| connect(&group)).collect();
        for client in &mut clients {
            assert_eq!(ask(client, b"alive"), "alive");
        }
        assert_eq!(handle.statistics().accepted, 170);
    }
}

#[test]
fn a_rate_holds_for_all_together() {
    let limits = Limits::new().rate(vestibule::Rate::new(5, Duration::from_secs(3600)));
    let group = Workers::new(3).limits(limits).bind("127.0.0.1:0", serve).unwrap();
    let mut clients: Vec<_> = (0..12).map(|_| connect(&group)).collect();
    for client in &mut clients {
        client.write_all(b"?").unwrap();
    }
    let handle = group.handle();
    until(|| handle.statistics().received == 5);
    clients[11].set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(clients[11].read(&mut [0]).is_err());
    assert_eq!(handle.statistics().accepted, 5);
}

#[test]
fn a_limit_for_a_source_counts_all_its_connections_whoever_has_them() {
    let limits = Limits::new().max_connections_per_source(4);
    let group = Workers::new(3).limits(limits).bind("127.0.0.1:0", serve).unwrap();
    let mut clients: Vec<_> = (0..30).map(|_| connect(&group)).collect();
    let served = clients
        .iter_mut()
        .filter_map(|client| client.write_all(b"?").ok().and_then(|()| client.read(&mut [0]).ok()))
        .filter(|length| *length == 1)
        .count();
    assert_eq!(served, 4);
    let statistics = group.handle().statistics();
    assert_eq!((statistics.accepted, statistics.refused_in_all()), (4, 26));
}

/// A worker joins while the limit is reached.
///
/// 1. Three clients fill the limit; a fourth waits.
/// 2. A second worker is added; its function takes its time, in which it has no limits of its own yet.
/// 3. The fourth is not let in by the first worker meanwhile.
#[test]
fn a_worker_that_joins_lifts_no_limit() {
    let (begun, has_begun) = mpsc::channel();
    let number = AtomicUsize::new(0);
    let plan = Workers::new(1).limits(Limits::new().max_connections(3));
    let group = plan
        .bind("127.0.0.1:0", move |server| {
            if number.fetch_add(1, Ordering::Relaxed) > 0 {
                begun.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(100));
            }
            serve(server);
        })
        .unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| connect(&group)).collect();
    for client in &mut clients {
        ask(client, b"?");
    }
    let mut fourth = connect(&group);
    fourth.write_all(b"?").unwrap();
    fourth.set_read_timeout(Some(Duration::from_millis(80))).unwrap();
    group.handle().set_workers(2, Duration::ZERO).unwrap();
    has_begun.recv_timeout(LIMIT).unwrap();
    assert!(fourth.read(&mut [0]).is_err(), "it was let in over the limit");
    assert_eq!(group.handle().statistics().most_open, 3);
    drop(clients);
    fourth.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(fourth.read(&mut [0; 2]).unwrap(), 1);
}

#[test]
fn a_worker_that_cannot_be_added_costs_the_others_nothing() {
    let number = AtomicUsize::new(0);
    let group = Workers::new(2)
        .bind("127.0.0.1:0", move |server| {
            assert!(number.fetch_add(1, Ordering::Relaxed) != 2, "the third cannot begin");
            serve(server);
        })
        .unwrap();
    let handle = group.handle();
    let mut client = connect(&group);
    ask(&mut client, b"?");
    handle.set_workers(3, Duration::ZERO).unwrap();
    until(|| handle.losses() == 1 && handle.statistics_of_each().len() == 3);
    assert_eq!(ask(&mut client, b"alive"), "alive");
}

#[test]
fn workers_that_leave_before_they_have_begun_do_not_begin() {
    for way in WAYS {
        let group = Workers::new(1).sharing(way).bind("127.0.0.1:0", serve).unwrap();
        let handle = group.handle();
        for _ in 0..20 {
            handle.set_workers(4, Duration::ZERO).unwrap();
            handle.set_workers(1, Duration::ZERO).unwrap();
        }
        until(|| handle.statistics_of_each().len() == 1);
        let mut clients: Vec<_> = (0..20).map(|_| connect(&group)).collect();
        for client in &mut clients {
            assert_eq!(ask(client, b"who?"), "worker-0\n", "{way:?}");
        }
    }
}

#[test]
fn a_worker_whose_loop_is_told_to_quit_is_replaced() {
    for way in WAYS {
        let group = Workers::new(1)
            .sharing(way)
            .bind("127.0.0.1:0", |server| {
                server.new_connection().connect(|server| {
                    while let Some(socket) = server.next_pending_connection() {
                        let quit = server.event_loop().handle();
                        socket.ready_read().connect(move |socket| {
                            if socket.read_all() == b"quit" {
                                quit.quit();
                            } else {
                                socket.write(b"served");
                            }
                        });
                        socket.set_parent(server);
                    }
                });
            })
            .unwrap();
        let handle = group.handle();
        connect(&group).write_all(b"quit").unwrap();
        until(|| handle.losses() == 1);
        assert_eq!(ask(&mut connect(&group), b"?"), "served", "{way:?}");
    }
}

/// A worker's own slot drains the group: its own server has to hear of it, too.
#[test]
fn a_slot_of_a_worker_can_drain_the_group() {
    for way in WAYS {
        let slot = Arc::new(std::sync::Mutex::new(None::<WorkersHandle>));
        let handle = Arc::clone(&slot);
        let group = Workers::new(2)
            .sharing(way)
            .bind("127.0.0.1:0", move |server| {
                let handle = Arc::clone(&handle);
                server.new_connection().connect(move |server| {
                    while let Some(socket) = server.next_pending_connection() {
                        let handle = Arc::clone(&handle);
                        socket.ready_read().connect(move |socket| {
                            socket.read_all();
                            drop(handle.lock().unwrap().as_ref().map(|handle| handle.drain(LIMIT)));
                        });
                        socket.set_parent(server);
                    }
                });
            })
            .unwrap();
        *slot.lock().unwrap() = Some(group.handle());
        let mut client = connect(&group);
        client.write_all(b"end").unwrap();
        let began = Instant::now();
        group.join().unwrap();
        assert!(began.elapsed() < LIMIT / 2, "{way:?}");
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}

/// A worker dies in the turn in which a connection was written to and dropped.
///
/// 1. A slot writes to one socket and drops it, then panics; nothing of the turn was sent yet.
/// 2. The loop ends with the panic.
/// 3. The client gets the bytes, or at least an end; its place is free again.
#[test]
fn nothing_is_left_of_a_worker_that_dies_with_something_unsent() {
    let plan = Workers::new(1).contain_panics(false);
    let group = plan
        .bind("127.0.0.1:0", |server| {
            server.new_connection().connect(|server| {
                if let Some(socket) = server.next_pending_connection() {
                    socket.write(b"last words");
                    drop(socket);
                    panic!("with something unsent");
                }
            });
        })
        .unwrap();
    let handle = group.handle();
    let mut client = connect(&group);
    let mut words = Vec::new();
    let _ = client.read_to_end(&mut words); // an end or a reset, and no time-out
    until(|| handle.losses() >= 1 && handle.statistics().open == 0);
    assert_eq!(words, b"last words");
}
