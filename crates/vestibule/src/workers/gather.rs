use crate::server::{Answer, Reply};
use crate::sync::{Mutex, lock};
use std::sync::Arc;
use std::thread::ThreadId;

/// Makes one answer of those of several servers. It comes when the last [`Share`] is gone: a server that ends without having
/// answered has nothing to add.
pub(super) struct Gather<T, R> {
    parts: Mutex<Vec<T>>,
    end: Mutex<Option<End<T, R>>>,
}

type Combine<T, R> = Box<dyn FnOnce(Vec<T>) -> R + Send>;

struct End<T, R> {
    combine: Combine<T, R>,
    reply: Reply<R>,
}

/// One server's part in an answer.
pub(super) struct Share<T, R>(Arc<Gather<T, R>>);

impl<T, R> Gather<T, R> {
    /// The answer that the threads with these ids will give together, and the first share of it.
    pub(super) fn begin(
        homes: Vec<ThreadId>,
        combine: impl FnOnce(Vec<T>) -> R + Send + 'static,
    ) -> (Answer<R>, Share<T, R>) {
        let (answer, reply) = Answer::new(homes);
        let end = Mutex::new(Some(End { combine: Box::new(combine) as Combine<T, R>, reply }));
        (answer, Share(Arc::new(Self { parts: Mutex::new(Vec::new()), end })))
    }
}

impl<T, R> Share<T, R> {
    pub(super) fn add(self, part: T) {
        lock(&self.0.parts).push(part);
    }
}

impl<T, R> Clone for Share<T, R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T, R> Drop for Gather<T, R> {
    fn drop(&mut self) {
        if let Some(End { combine, reply }) = lock(&self.end).take() {
            reply.send(combine(std::mem::take(&mut *lock(&self.parts))));
        }
    }
}
