use super::threads;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

/// A name that is being looked up; dropping it gives it up.
pub(crate) struct Lookup(Arc<Answer>);

type Answer = Mutex<Option<io::Result<Vec<SocketAddr>>>>;

impl Lookup {
    /// Begins to look a name up; `done` is called in another thread when the answer can be taken.
    ///
    /// # Errors
    ///
    /// When the system has no thread for it.
    pub(crate) fn begin(host: String, port: u16, done: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let answer = Arc::new(Answer::default());
        let wanted = Arc::downgrade(&answer);
        threads::run(Box::new(move || {
            if wanted.strong_count() == 0 {
                return; // given up while it was queued
            }
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
            if let Some(answer) = wanted.upgrade() {
                *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                done();
            }
        }))?;
        Ok(Self(answer))
    }

    /// The answer, once.
    pub(crate) fn take(&self) -> Option<io::Result<Vec<SocketAddr>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").finish_non_exhaustive()
    }
}
