//! Memory does not grow with the number of connections that a server without a loop has had. One test: the count of bytes
//! is the process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;
use vestibule::simulation::SimulatedNetwork;
use vestibule::{EventLoop, TcpServer};

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

fn count(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(0)
}

// SAFETY: The system's allocator does all the work; the counter does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(count(layout), Ordering::Relaxed);
        // SAFETY: The caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(count(layout), Ordering::Relaxed);
        // SAFETY: The pointer comes from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const ROUNDS: usize = 500;

/// How many bytes are added in so many rounds, after as many for warming up.
fn growth(mut round: impl FnMut()) -> isize {
    (0..ROUNDS).for_each(|_| round());
    let before = LIVE.load(Ordering::Relaxed);
    (0..ROUNDS).for_each(|_| round());
    LIVE.load(Ordering::Relaxed) - before
}

fn server() -> (SimulatedNetwork, EventLoop, TcpServer) {
    let network = SimulatedNetwork::new(1).unwrap();
    let event_loop = network.event_loop();
    let server = TcpServer::bind(&event_loop, "127.0.0.1:7").unwrap();
    (network, event_loop, server)
}

/// The server waits and never takes a turn; each time its batch is used up.
fn accepting_in_waits() -> isize {
    let (network, _event_loop, server) = server();
    server.set_incoming_connection(|_, connection| drop(connection));
    growth(|| {
        let clients: Vec<_> = (0..16).map(|_| network.connect(7).unwrap()).collect();
        drop(clients);
        assert!(server.wait_for_new_connection(Some(Duration::from_millis(1))).unwrap());
    })
}

/// 1. A socket has more to send than fits.
/// 2. A wait of the server sends a part, which a turn would tell, but none comes.
/// 3. The socket is dropped.
/// 4. The peer reads to the end.
fn sending_in_waits_of_others() -> isize {
    let (network, _event_loop, server) = server();
    growth(|| {
        let wait = || server.wait_for_new_connection(Some(Duration::from_millis(1))).unwrap();
        let client = network.connect(7).unwrap();
        assert!(wait());
        let socket = server.next_pending_connection().unwrap();
        socket.write(&vec![1; 150_000]);
        wait();
        drop(socket);
        for _ in 0..40 {
            client.read().unwrap();
            wait();
        }
        drop(client);
        wait();
        assert_eq!(network.open_connections(), 0);
    })
}

#[test]
fn waiting_servers_do_not_grow() {
    let (accepting, sending) = (accepting_in_waits(), sending_in_waits_of_others());
    assert!(accepting < 2000 && sending < 2000, "{accepting} and {sending} bytes in {ROUNDS} rounds");
}
