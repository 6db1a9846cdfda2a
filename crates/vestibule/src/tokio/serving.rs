use super::connection::Connection;
use super::listener::Listener;
use crate::admission::{Count, DrainPhase};
use crate::error::Result;
use ::tokio::task::{JoinError, JoinSet};
use std::sync::Arc;
use std::task::{Context, Poll};

/// Serves each connection in a task of its own, until the listener is stopped or drained, and all tasks have ended.
///
/// A panic of a task costs its connection alone, and is counted. A drain is told by [`Connection::draining`]; at its deadline
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
    let count = |ended: std::result::Result<(), JoinError>| {
        if ended.is_err_and(|error| error.is_panic()) {
            shared.ledger.count(Count::Panics);
        }
    };
    let outcome = loop {
        let next = std::future::poll_fn(|context: &mut Context<'_>| {
            while let Poll::Ready(Some(ended)) = tasks.poll_join_next(context) {
                count(ended);
            }
            listener.poll_accept(context)
        });
        match next.await {
            Ok(Some(connection)) => drop(tasks.spawn(handler(connection))),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(listener);
    let mut phase = shared.phase.subscribe();
    loop {
        let cut = std::pin::pin!(phase.wait_for(|phase| *phase == DrainPhase::Cutting));
        match either(tasks.join_next(), cut).await {
            Either::First(Some(ended)) => count(ended),
            Either::First(None) => return outcome,
            Either::Second => break,
        }
    }
    tasks.abort_all();
    while let Some(ended) = tasks.join_next().await {
        count(ended);
    }
    outcome
}

enum Either<T> {
    First(T),
    Second,
}

/// Whichever is ready first.
async fn either<A: Future, B: Future>(first: A, second: B) -> Either<A::Output> {
    let (mut first, mut second) = (std::pin::pin!(first), std::pin::pin!(second));
    std::future::poll_fn(move |context| {
        if let Poll::Ready(output) = first.as_mut().poll(context) {
            return Poll::Ready(Either::First(output));
        }
        second.as_mut().poll(context).map(|_| Either::Second)
    })
    .await
}
