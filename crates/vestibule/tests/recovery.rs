//! A server without descriptors retries without memory. One test: the limit is the process's.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator that counts")]

mod support;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs::File;
use std::time::{Duration, Instant};
use support::{World, until};
use vestibule::{EventLoop, HostAddress, ServerState, TcpServer};

struct Counting;

thread_local! {
    /// Those of this thread: the test harness has another, which allocates when it pleases.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: The system's allocator does all the work; the counter does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: The caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: The pointer comes from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Uses up the descriptors that the process may have.
fn take_all_descriptors() -> Vec<File> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum: limit.maximum }).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

/// 1. No descriptor is left, and a client waits. 2. The server tries in vain, again and again: nothing is allocated.
/// 3. Descriptors are closed, which the server cannot know of: the next try lets the client in.
#[test]
fn trying_again_allocates_nothing() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::new(&event_loop);
    server.listen(HostAddress::LOCALHOST, 0).unwrap();
    let _client = World::Os.connect(server.server_port());
    let mut taken = take_all_descriptors();
    until(&event_loop, || server.state() == ServerState::Exhausted);
    event_loop.process_events(Some(Duration::ZERO)).unwrap();

    let failed = || server.statistics().errors.resources;
    let (begun, before, failed_before) = (Instant::now(), ALLOCATIONS.get(), failed());
    while failed() < failed_before + 5 {
        assert!(begun.elapsed() < support::LIMIT, "it has given up");
        event_loop.process_events(Some(Duration::from_secs(1))).unwrap();
    }
    assert_eq!(ALLOCATIONS.get() - before, 0, "allocations in five tries");

    taken.truncate(taken.len() - 4);
    until(&event_loop, || server.has_pending_connections());
    assert_eq!(server.state(), ServerState::Listening);
}
