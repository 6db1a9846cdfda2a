use super::channel::SendError;
use super::event_loop_type::EventLoop;
use super::posted::{Posted, PostedCall};
use std::sync::Arc;

/// Reaches a loop from any thread.
///
/// It is `Send`, `Sync` and cheap to clone, and does not keep the loop alive.
#[derive(Clone, Debug)]
pub struct EventLoopHandle {
    posted: Arc<Posted>,
}

impl EventLoopHandle {
    pub(super) fn new(posted: Arc<Posted>) -> Self {
        Self { posted }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.posted.is_closed()
    }

    /// Has the loop make a call on its own thread, in its next turn; calls of one thread run in order.
    ///
    /// Never blocks. The reference does this with `QMetaObject::invokeMethod` and queued connections.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] gives the call back when the loop is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use vestibule::EventLoop;
    ///
    /// let event_loop = EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// std::thread::spawn(move || handle.post(|event_loop| event_loop.quit()));
    /// event_loop.run()?;
    /// # Ok::<(), vestibule::Error>(())
    /// ```
    pub fn post(&self, call: impl FnOnce(&EventLoop) + Send + 'static) -> Result<(), SendError<PostedCall>> {
        self.posted.post(Box::new(call)).map_err(SendError::Closed)
    }

    /// Ends the loop's [`run`](EventLoop::run), the one under way or the next. Nothing happens when the loop is gone.
    pub fn quit(&self) {
        let _ = self.post(EventLoop::quit);
    }
}
