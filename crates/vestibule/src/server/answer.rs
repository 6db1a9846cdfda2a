use crate::error::{Error, Operation, Result, SocketError};
use crate::sync::{Condvar, Mutex, lock, wait};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// What a server will answer to a question from another thread.
///
/// [`wait`](Self::wait) blocks for it; it is also a future, for those who have an executor. Dropping it takes nothing back.
#[must_use = "the server does what it was told anyway; the answer says when it has"]
pub struct Answer<T> {
    place: Arc<Place<T>>,
    /// The threads that have to act before the answer can come.
    homes: Vec<ThreadId>,
}

/// Where the server leaves its answer. Dropped without one, it says that none will come.
pub(crate) struct Reply<T>(Arc<Place<T>>);

struct Place<T> {
    content: Mutex<Content<T>>,
    there: Condvar,
}

struct Content<T> {
    answer: Option<T>,
    waker: Option<Waker>,
    /// Nothing more will come.
    done: bool,
}

impl<T> Answer<T> {
    /// An answer, and where it is to be left once the threads with these ids have acted.
    pub(crate) fn new(homes: impl Into<Vec<ThreadId>>) -> (Self, Reply<T>) {
        let content = Mutex::new(Content { answer: None, waker: None, done: false });
        let place = Arc::new(Place { content, there: Condvar::new() });
        (Self { place: Arc::clone(&place), homes: homes.into() }, Reply(place))
    }

    /// Blocks until the answer is there, at most so long; `None` waits for ever.
    ///
    /// # Errors
    ///
    /// `SocketTimeout` when the time is over, `Operation` when the server is gone or the call has panicked, or when this is the server's own thread,
    /// which cannot answer while it waits.
    pub fn wait(self, timeout: Option<Duration>) -> Result<T> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut content = lock(&self.place.content);
        loop {
            if let Some(answer) = content.answer.take() {
                return Ok(answer);
            }
            if content.done {
                return Err(no_answer(NONE_WILL_COME));
            }
            if self.homes.contains(&thread::current().id()) {
                return Err(no_answer("its own thread would wait for itself"));
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                let (kind, words) = (SocketError::SocketTimeout, "it has not answered in time");
                return Err(Error::said(Operation::AskServer, kind, words));
            }
            content = wait(&self.place.there, content, left);
        }
    }
}

const NONE_WILL_COME: &str = "it is gone, or the call has panicked";

fn no_answer(words: &'static str) -> Error {
    Error::said(Operation::AskServer, SocketError::Operation, words)
}

impl<T> Future for Answer<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut content = lock(&self.place.content);
        match content.answer.take() {
            Some(answer) => Poll::Ready(Ok(answer)),
            None if content.done => Poll::Ready(Err(no_answer(NONE_WILL_COME))),
            None => {
                content.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Reply<T> {
    pub(crate) fn send(self, answer: T) {
        lock(&self.0.content).answer = Some(answer);
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let waker = {
            let mut content = lock(&self.0.content);
            content.done = true;
            content.waker.take()
        };
        self.0.there.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
