//! A thousand clients through one listener behind a SOCKS5 proxy: nobody is lost, nobody comes twice, and nothing stays open.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod support;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use support::socks5::Proxy;
use support::{LIMIT, until};
use vestibule::{EventLoop, HostAddress, ListenOptions, TcpServer};

const CLIENTS: u32 = 1000;
const THREADS: u32 = 4;

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Sends each client's number back, ends the connection, and writes the numbers down.
fn serve(server: &TcpServer) -> Rc<RefCell<Vec<u32>>> {
    let numbers: Rc<RefCell<Vec<u32>>> = Rc::default();
    let list = Rc::clone(&numbers);
    server.new_connection().connect(move |server| {
        let socket = server.next_pending_connection().unwrap();
        let list = Rc::clone(&list);
        socket.ready_read().connect(move |socket| {
            if socket.bytes_available() == 4 {
                let bytes = socket.read_all();
                list.borrow_mut().push(u32::from_be_bytes(bytes.as_slice().try_into().unwrap()));
                socket.write(&bytes);
                socket.disconnect_from_host();
            }
        });
        socket.set_parent(server);
    });
    numbers
}

fn visit(proxy: &Proxy, number: u32) {
    let mut stream = TcpStream::connect(proxy.claim()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(&number.to_be_bytes()).unwrap();
    let mut echo = Vec::new();
    stream.read_to_end(&mut echo).unwrap();
    assert_eq!(echo, number.to_be_bytes());
}

#[test]
fn of_a_thousand_clients_none_is_lost_and_none_comes_twice() {
    let event_loop = EventLoop::new().unwrap();
    let before = open_descriptors();
    let server = TcpServer::new(&event_loop);
    let proxy = Arc::new(Proxy::new());
    server.set_proxy(proxy.as_proxy());
    let numbers = serve(&server);
    server.listen_with(ListenOptions::new((HostAddress::ANY, 0)).proxy_binds(4)).unwrap();
    let visitors: Vec<_> = (0..THREADS)
        .map(|first| {
            let proxy = Arc::clone(&proxy);
            let mine = (first..CLIENTS).step_by(THREADS as usize);
            thread::spawn(move || mine.for_each(|number| visit(&proxy, number)))
        })
        .collect();
    until(&event_loop, || visitors.iter().all(thread::JoinHandle::is_finished));
    for visitor in visitors {
        visitor.join().unwrap();
    }
    let mut numbers = numbers.take();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..CLIENTS));
    until(&event_loop, || server.statistics().open == 0);
    let statistics = server.statistics();
    assert_eq!((statistics.accepted, statistics.refused_in_all()), (CLIENTS.into(), 0));
    assert_eq!(statistics.errors, vestibule::AcceptErrors::default());
    until(&event_loop, || server.bound_addresses().len() == 4);
    server.close();
    drop(proxy);
    assert_eq!(open_descriptors(), before);
}
