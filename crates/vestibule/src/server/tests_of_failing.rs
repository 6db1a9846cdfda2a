//! What is released while an accept fails, where no test from outside can do it.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::TcpServer;
use crate::EventLoop;
use rustix::io::Errno;

/// Steps: 1. An accept fails for lack of descriptors. 2. One is released, and the next accept begins. 3. While it does, another is
/// released; it fails all the same, because somebody else was faster. 4. The server goes on at once, not after a pause.
#[test]
fn a_release_during_a_failing_accept_is_not_missed() {
    let event_loop = EventLoop::new().unwrap();
    let server = TcpServer::bind(&event_loop, "127.0.0.1:0").unwrap();
    let core = server.core();
    core.accept_failed(Errno::MFILE);
    for _ in 0..10 {
        core.ledger.bell().ring();
        assert!(core.goes_on(core.now()), "a release was missed");
        core.ledger.bell().ring();
        core.accept_failed(Errno::MFILE);
        assert!(core.can_go_on(), "a release was missed");
        assert!(core.goes_on(core.now()));
        core.accept_failed(Errno::MFILE);
    }
}
