//! Listeners and the runtimes that they are in: one after the other, several at once, and such as end badly.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod under_tokio;

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use under_tokio::{LIMIT, bind, connect_blocking, next, runtime, with_limits, within};
use vestibule::tokio::{Connection, Listener, Options, serve};
use vestibule::{Limits, Rate};

async fn poll_once(listener: &mut Listener) -> Poll<()> {
    std::future::poll_fn(|context| Poll::Ready(listener.poll_accept(context).map(|_| ()))).await
}

const MOMENT: Duration = Duration::from_millis(5);

/// It waited for its rate, on a clock that is gone. Runtimes with several threads wait with one and the same waker.
#[test]
fn a_listener_that_waited_for_its_rate_goes_on_in_the_next_runtime() {
    for runtime in [runtime, || Runtime::new().unwrap()] {
        let rate = Rate::new(1, Duration::from_secs(1)).burst(1);
        let (mut listener, address) = with_limits(Limits::new().rate(rate));
        let _clients = [connect_blocking(address), connect_blocking(address)];
        runtime().block_on(async {
            drop(next(&mut listener).await);
            assert!(timeout(MOMENT, listener.accept()).await.is_err(), "it is too early");
        });
        runtime().block_on(async { drop(next(&mut listener).await) });
    }
}

/// The first runtime is there still, but does nothing.
#[test]
fn a_listener_is_called_by_the_runtime_that_it_is_in() {
    let (mut listener, address) = bind(Options::new());
    let (one, two) = (runtime(), runtime());
    one.handle().block_on(async { assert!(poll_once(&mut listener).await.is_pending()) });
    let _client = connect_blocking(address);
    two.block_on(async { drop(next(&mut listener).await) });
}

/// 1. A shard has been polled in a runtime, and is polled outside of any, which panics. 2. The other serves, and a pause is answered.
#[test]
fn a_shard_outside_of_a_runtime_does_not_disturb_the_others() {
    let (listener, address) = bind(Options::new());
    let mut shards = listener.shards(2).unwrap().into_iter();
    let (mut first, mut second) = (shards.next().unwrap(), shards.next().unwrap());
    let runtime = runtime();
    runtime.block_on(async { assert!(poll_once(&mut first).await.is_pending()) });
    let _client = connect_blocking(address);
    runtime.block_on(tokio::task::yield_now()); // the reactor knows of the client
    let outside = thread::spawn(move || {
        let _ = first.poll_accept(&mut Context::from_waker(Waker::noop()));
    });
    assert!(outside.join().is_err());
    runtime.block_on(async {
        drop(next(&mut second).await);
        within(second.handle().pause()).await.unwrap();
    });
}

/// Steps: 1. Two shards are in two runtimes, of which the first carries orders out. 2. The first ends by somebody else's panic. 3. The
/// second serves, and orders are carried out.
#[test]
fn a_runtime_that_ends_by_a_panic_does_not_end_the_others() {
    let (listener, address) = bind(Options::new());
    let handle = listener.handle();
    let mut shards = listener.shards(2).unwrap().into_iter();
    let (mut first, second) = (shards.next().unwrap(), shards.next().unwrap());
    let one = thread::spawn(move || {
        runtime().block_on(async {
            assert!(timeout(MOMENT, first.accept()).await.is_err());
            std::panic::resume_unwind(Box::new("a bug of this thread's"));
        });
    });
    assert!(one.join().is_err());
    let two = thread::spawn(move || {
        let greet = |mut connection: Connection| async move { connection.write_all(b"x").await.unwrap() };
        runtime().block_on(serve(second, greet))
    });
    let mut words = String::new();
    connect_blocking(address).read_to_string(&mut words).unwrap();
    assert_eq!(words, "x");
    handle.pause().wait(Some(LIMIT)).unwrap();
    assert_eq!(handle.drain(LIMIT).wait(Some(LIMIT)).unwrap().cut, 0);
    two.join().unwrap().unwrap();
}

/// 1. A shard is polled in a runtime without a reactor, which panics. 2. The other shard serves who waits, and drains in time.
#[test]
fn a_shard_in_a_runtime_without_a_reactor_does_not_disturb_the_others() {
    let (listener, address) = bind(Options::new());
    let handle = listener.handle();
    let mut shards = listener.shards(2).unwrap().into_iter();
    let (mut first, mut second) = (shards.next().unwrap(), shards.next().unwrap());
    let lame = Builder::new_current_thread().enable_time().build().unwrap();
    let panicked = thread::spawn(move || lame.block_on(async { first.accept().await.map(|_| ()) })).join();
    assert!(panicked.is_err());
    let _client = connect_blocking(address);
    runtime().block_on(async {
        let drain = handle.drain(LIMIT);
        assert!(within(second.accept()).await.unwrap().is_some());
        assert!(within(second.accept()).await.unwrap().is_none());
        assert_eq!(within(drain).await.unwrap().let_in, 1);
    });
}

/// The shard that was the listener, the last of them, is dropped first: the others know their queue all the same.
#[test]
fn a_shard_needs_no_other_shard() {
    for drains in [true, false] {
        let (listener, address) = bind(Options::new());
        let mut shards = listener.shards(2).unwrap();
        drop(shards.pop());
        let mut left = shards.pop().unwrap();
        let handle = left.handle();
        runtime().block_on(async {
            assert!(timeout(MOMENT, left.accept()).await.is_err());
            if drains {
                let _client = connect_blocking(address);
                assert_eq!(within(handle.kernel_queue()).await.unwrap().unwrap().depth, 1);
                let drain = handle.drain(LIMIT);
                drop(next(&mut left).await);
                assert!(within(left.accept()).await.unwrap().is_none());
                assert_eq!(within(drain).await.unwrap().let_in, 1);
            } else {
                within(handle.stop()).await.unwrap();
                assert!(TcpStream::connect(address).is_err(), "it still listens");
            }
        });
    }
}

/// Somebody else who has the descriptor made it wait.
#[test]
fn a_descriptor_that_was_made_blocking_again_blocks_nobody() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = socket.try_clone().unwrap();
    let mut listener = Listener::from_std(socket, Options::new()).unwrap();
    copy.set_nonblocking(false).unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async { tell.send(timeout(MOMENT, listener.accept()).await.is_err()) }).unwrap();
    });
    assert!(told.recv_timeout(LIMIT).unwrap());
}
