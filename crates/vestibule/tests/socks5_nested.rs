//! Turns and waits inside slots of a server that listens through a SOCKS5 proxy: clients come there too.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use support::socks5::{OnBind, Proxy};
use support::socks5_server::{behind, client, clients, listening, options};
use support::{Client, LIMIT, World, settle, until};
use vestibule::{EventLoop, HostAddress, ListenOptions, ServerState, TcpServer};

/// A client that comes while the slot waits, from a thread: the BIND whose signal is told has it.
fn wait_in_slot(server: &TcpServer) -> bool {
    let port = server.server_port();
    let client = std::thread::spawn(move || World::Os.connect(port));
    let came = server.wait_for_new_connection(Some(LIMIT)).unwrap();
    let taken = server.next_pending_connection(); // or the next wait would see it
    drop((client.join().unwrap(), taken));
    came
}

/// 1. A BIND stands, and a slot is told. 2. It waits. 3. The client of that same BIND comes.
#[test]
fn a_wait_in_a_slot_hears_of_the_bind_that_the_slot_is_told_of() {
    let proxy = Proxy::new();
    let (event_loop, server) = behind(proxy.as_proxy());
    let came = Rc::new(Cell::new(None));
    let told = Rc::clone(&came);
    server.listening_changed().connect(move |server, _| told.set(Some(wait_in_slot(server))));
    server.listen_with(options().in_background(true)).unwrap();
    until(&event_loop, || came.get().is_some());
    assert_eq!(came.get(), Some(true));

    proxy.on_bind(|_| OnBind::Elsewhere);
    let moved = Rc::new(Cell::new(None));
    let told = Rc::clone(&moved);
    server.address_changed().connect(move |server| {
        if told.get().is_none() {
            told.set(Some(wait_in_slot(server)));
        }
    });
    if moved.get().is_none() {
        drop(client(&event_loop, &server));
    }
    until(&event_loop, || moved.get().is_some());
    assert_eq!(moved.get(), Some(true));
}

/// As a slot does that shows a dialog.
#[test]
fn turns_in_a_slot_let_further_clients_in() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 1);
    let (told, kept) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::new())));
    let (count, keep) = (Rc::clone(&told), Rc::clone(&kept));
    server.new_connection().connect(move |server| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            let event_loop = server.event_loop();
            for number in 2..5 {
                keep.borrow_mut().push(client(&event_loop, server));
                until(&event_loop, || count.get() == number);
            }
        }
    });
    let _first = client(&event_loop, &server);
    until(&event_loop, || told.get() == 4);
    assert_eq!(server.statistics().accepted, 4);
}

/// 1. Three clients have come and wait. 2. The slot panics for the first. 3. The next turns tell of the others.
#[test]
fn a_panic_leaves_nobody_behind() {
    let proxy = Proxy::new();
    let (event_loop, server) = listening(&proxy, 3);
    server.pause_accepting();
    let _clients: (Vec<Client>, _) = clients(&server);
    until(&event_loop, || server.kernel_queue().unwrap().depth == 3);
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    server.new_connection().connect(move |_| {
        count.set(count.get() + 1);
        assert!(count.get() != 1, "for the first");
    });
    server.resume_accepting();
    let turns = || {
        until(&event_loop, || told.get() == 1);
        event_loop.process_events(Some(Duration::ZERO)).unwrap();
    };
    assert!(catch_unwind(AssertUnwindSafe(turns)).is_err());
    until(&event_loop, || told.get() == 3);
}

/// A signal of a listening that is over is not told of the next.
#[test]
fn who_listens_again_is_not_told_of_what_was_before() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    server.listening_changed().connect(move |_, result| {
        assert_eq!(result, Ok(()));
        count.set(count.get() + 1);
    });
    let background = ListenOptions::new((HostAddress::LOCALHOST, 0)).in_background(true);
    server.listen_with(background).unwrap();
    server.close();
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    settle(&event_loop);
    assert_eq!(told.get(), 0);
    server.close();
    server.listen_with(background).unwrap();
    assert!(!server.wait_for_new_connection(Some(Duration::ZERO)).unwrap());
    assert_eq!((told.get(), server.state()), (1, ServerState::Listening), "also in a wait");
}
