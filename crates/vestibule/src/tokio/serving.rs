use super::connection::Connection;
use super::listener::Listener;
use super::orders::GRACE;
use super::shared::{Phase, Shared};
use super::warden::Warden;
use crate::admission::Count;
use crate::error::Result;
use crate::event_loop::later;
use crate::sync::lock;
use ::tokio::sync::watch;
use ::tokio::task::{JoinError, JoinSet};
use ::tokio::time::{sleep, timeout_at};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

/// Serves each connection in a task of its own, until the listener is stopped or drained, and all tasks have ended.
///
/// A panic of the handler or of a task costs its connection alone, and is counted. To drop the future is to end all. A drain is told by [`Connection::draining`]; at its deadline
/// connections are cut, and tasks that go on all the same are ended.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tokio::io::AsyncWriteExt;
/// use vestibule::tokio::{Connection, Listener, Options, serve};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = Listener::bind("127.0.0.1:0", Options::new())?;
/// let handle = listener.handle();
/// let server = tokio::spawn(serve(listener, |mut connection: Connection| async move {
///     let _ = connection.write_all(b"welcome\n").await;
/// }));
/// let report = handle.drain(Duration::from_secs(10)).await?; // as on SIGTERM
/// assert_eq!(report.cut, 0);
/// server.await??;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When a listening descriptor is broken; connections that were let in are served to their end before.
pub async fn serve<H, F>(mut listener: Listener, handler: H) -> Result<()>
where
    H: Fn(Connection) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Arc::clone(&listener.shared);
    let mut tasks = JoinSet::new();
    let outcome = loop {
        let next = std::future::poll_fn(|context: &mut Context<'_>| {
            while let Poll::Ready(Some(ended)) = tasks.poll_join_next(context) {
                count(&shared, &ended);
            }
            listener.poll_accept(context)
        });
        match next.await {
            Ok(Some(connection)) => match catch_unwind(AssertUnwindSafe(|| handler(connection))) {
                Ok(task) => drop(tasks.spawn(task)),
                Err(_panic) => shared.ledger.count(Count::Panics),
            },
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let mut deadline = std::pin::pin!(deadline(shared.phase.subscribe()));
    let mut cut = false;
    // The listener stays: should the task that drains end with its runtime, this one begins another.
    std::future::poll_fn(|context| {
        listener.be_called(context.waker());
        Warden::appoint(&shared);
        if !cut && deadline.as_mut().poll(context).is_ready() {
            cut = true;
            tasks.abort_all();
        }
        while let Poll::Ready(Some(ended)) = tasks.poll_join_next(context) {
            count(&shared, &ended);
        }
        let drains = lock(&shared.door).drain.is_some();
        if tasks.is_empty() && !drains { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(listener);
    outcome
}

fn count(shared: &Shared, ended: &std::result::Result<(), JoinError>) {
    if ended.as_ref().is_err_and(JoinError::is_panic) {
        shared.ledger.count(Count::Panics);
    }
}

/// Comes when a drain's time is over: when tasks had time to see that their connections were cut, or, if nothing was, when that
/// would have been done.
async fn deadline(mut phase: watch::Receiver<Phase>) {
    loop {
        let present = *phase.borrow_and_update();
        let changed = match present {
            Phase::Open => phase.changed().await,
            Phase::Draining(at) => match timeout_at(later(at, GRACE).into(), phase.changed()).await {
                Ok(changed) => changed,
                Err(_it_is_over) => return,
            },
            Phase::Cut => return sleep(GRACE / 2).await,
        };
        if changed.is_err() {
            std::future::pending::<()>().await; // nobody can drain any more
        }
    }
}
