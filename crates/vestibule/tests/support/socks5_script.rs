//! A SOCKS5 proxy that does what a test has written down, right or wrong.

use super::LIMIT;
use super::far_end::await_reading;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use vestibule::{NetworkProxy, ProxyType};

/// What the proxy does next on a connection to it. After the last step it is silent, and reads to the end.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads so many bytes, which have to be these.
    Expect(Vec<u8>),
    Send(Vec<u8>),
    /// Waits until the other side has read everything.
    UntilRead,
    /// The same, and then until the test lets it [go on](Script::go_on).
    Pause,
    /// Sends nothing any more.
    End,
    Reset,
    /// Goes on with the next connection, and leaves this one open.
    Leave,
}

pub struct Script {
    pub port: u16,
    listener: Arc<TcpListener>,
    shared: Arc<Shared>,
    go_on: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stream: Mutex<Option<Arc<TcpStream>>>,
    received: Mutex<Vec<Vec<u8>>>,
    paused: Mutex<bool>,
}

impl Script {
    /// One connection after the other, with these steps; further ones are let in and ignored.
    pub fn new(conversations: impl IntoIterator<Item = Vec<Step>>) -> Self {
        let conversations: Vec<_> = conversations.into_iter().collect();
        let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let port = listener.local_addr().unwrap().port();
        let (go_on, may_go_on) = channel();
        let shared = Arc::<Shared>::default();
        let thread = thread::spawn({
            let (shared, listener) = (Arc::clone(&shared), Arc::clone(&listener));
            move || {
                let mut left = Vec::new();
                for steps in conversations {
                    let Ok((stream, _)) = listener.accept() else { return };
                    stream.set_nodelay(true).unwrap();
                    left.extend(shared.play(stream, steps, &may_go_on));
                }
                let _ = listener.accept(); // what was left is kept until the end
            }
        });
        Self { port, listener, shared, go_on: Some(go_on), thread: Some(thread) }
    }

    /// As the library names it.
    pub fn as_proxy(&self) -> NetworkProxy {
        NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", self.port)
    }

    /// Whether it is at a pause, and everything that it has sent was read.
    pub fn is_paused(&self) -> bool {
        *self.shared.paused.lock().unwrap()
    }

    /// Ends a pause.
    pub fn go_on(&self) {
        *self.shared.paused.lock().unwrap() = false;
        self.go_on.as_ref().unwrap().send(()).unwrap();
    }

    /// Ends whatever it is at, and tells what came on each connection; fails if a step was not as expected.
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        self.end(Shutdown::Write).unwrap(); // what the other side has sent may still be under way
        std::mem::take(&mut self.shared.received.lock().unwrap())
    }

    fn end(&mut self, shutdown: Shutdown) -> thread::Result<()> {
        drop(self.go_on.take());
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both); // wakes the thread
        if let Some(stream) = &*self.shared.stream.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = stream.shutdown(shutdown);
        }
        self.thread.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let ended = self.end(Shutdown::Both);
        assert!(ended.is_ok() || thread::panicking(), "a step was not as expected");
    }
}

impl Shared {
    /// Gives back a connection that is to be left open.
    fn play(&self, stream: TcpStream, steps: Vec<Step>, go_on: &Receiver<()>) -> Option<Arc<TcpStream>> {
        let stream = Arc::new(stream);
        *self.stream.lock().unwrap() = Some(Arc::clone(&stream));
        let mut received = Vec::new();
        for step in steps {
            match step {
                Step::Expect(bytes) => {
                    let mut came = vec![0; bytes.len()];
                    if (&*stream).read_exact(&mut came).is_err() {
                        break;
                    }
                    assert_eq!(came, bytes);
                    received.extend(came);
                }
                Step::Send(bytes) => drop((&*stream).write_all(&bytes)), // the other side may have gone
                Step::UntilRead => await_reading(&*stream),
                Step::Pause => {
                    await_reading(&*stream);
                    *self.paused.lock().unwrap() = true;
                    let _ = go_on.recv_timeout(LIMIT);
                }
                Step::End => drop(stream.shutdown(Shutdown::Write)),
                Step::Reset => {
                    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
                    self.over(received);
                    return None;
                }
                Step::Leave => {
                    self.over(received);
                    return Some(stream);
                }
            }
        }
        let _ = (&*stream).read_to_end(&mut received);
        self.over(received);
        None
    }

    fn over(&self, received: Vec<u8>) {
        *self.stream.lock().unwrap() = None;
        self.received.lock().unwrap().push(received);
    }
}
