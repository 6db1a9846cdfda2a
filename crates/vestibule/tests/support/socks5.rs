//! A well-behaved SOCKS5 proxy on 127.0.0.1, made of threads and blocking calls of `std`.

use super::LIMIT;
use super::socks5_wire::{read, read_host, read_text, refuse, reply};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketType};
use std::io::{Error, ErrorKind, Read, Result, Write, copy};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use vestibule::{NetworkProxy, ProxyType};

/// What the proxy does with a BIND.
#[derive(Clone, Copy)]
pub enum OnBind {
    /// Listens on the port that is asked for, or on another when it is taken.
    AsAsked,
    /// Never on the port that is asked for.
    Elsewhere,
    Refuse(u8),
    /// Closes the connection.
    Close,
    /// Says nothing.
    Ignore,
}

type AskBind = Box<dyn FnMut(u16) -> OnBind + Send>;
type AskConnect = Box<dyn FnMut(&str, u16) -> std::result::Result<SocketAddr, u8> + Send>;

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    listener: Option<Arc<TcpListener>>,
    /// All connections, for the end.
    streams: Vec<Weak<TcpStream>>,
    binds: Vec<Bind>,
    held: Vec<(SocketAddr, OwnedFd)>,
    opened: usize,
    standing: usize,
    threads: usize,
    requests: Vec<String>,
    credentials: Option<(String, String)>,
    on_bind: Option<AskBind>,
    on_connect: Option<AskConnect>,
}

/// A BIND that waits for its client.
struct Bind {
    control: Arc<TcpStream>,
    listener: Arc<TcpListener>,
    at: SocketAddr,
    claimed: bool,
}

impl Proxy {
    pub fn new() -> Self {
        let mut proxy = Self { port: 0, shared: Arc::default() };
        proxy.start_at(0);
        proxy
    }

    /// Refuses whoever does not know these.
    pub fn require(&self, user: &str, password: &str) {
        self.shared.lock().credentials = Some((user.into(), password.into()));
    }

    /// What to do with each BIND, for which port.
    pub fn on_bind(&self, ask: impl FnMut(u16) -> OnBind + Send + 'static) {
        self.shared.lock().on_bind = Some(Box::new(ask));
    }

    /// Where hosts are, or the code with which a CONNECT is refused.
    pub fn on_connect(
        &self,
        ask: impl FnMut(&str, u16) -> std::result::Result<SocketAddr, u8> + Send + 'static,
    ) {
        self.shared.lock().on_connect = Some(Box::new(ask));
    }

    /// As the library names it.
    pub fn as_proxy(&self) -> NetworkProxy {
        NetworkProxy::new(ProxyType::Socks5, "127.0.0.1", self.port)
    }

    /// How many connections were made to the proxy.
    pub fn opened(&self) -> usize {
        self.shared.lock().opened
    }

    /// How many of those are not over.
    pub fn standing(&self) -> usize {
        self.shared.lock().standing
    }

    /// How many BINDs wait for a client.
    pub fn idle(&self) -> usize {
        self.shared.lock().binds.len()
    }

    /// What was asked for since the last look: `bind 0.0.0.0:0`, `connect there.test:80`.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().requests)
    }

    /// Where a client can come to, which nobody else gets: blocks until there is such a BIND.
    pub fn claim(&self) -> SocketAddr {
        self.shared
            .wait(|state| {
                let bind = state.binds.iter_mut().find(|bind| !bind.claimed)?;
                bind.claimed = true;
                Some(bind.at)
            })
            .unwrap()
    }

    /// Closes the BINDs that have no client; their ports are free before that can be seen.
    pub fn close_idle(&self) {
        for bind in self.shared.lock().binds.drain(..) {
            let _ = rustix::net::shutdown(&bind.listener, rustix::net::Shutdown::Both);
            let _ = bind.control.shutdown(Shutdown::Both);
        }
    }

    /// Closes everything at once, and returns when no connection is left; only its ports stay taken.
    pub fn kill(&self) {
        let mut state = self.shared.lock();
        if let Some(listener) = state.listener.take() {
            let _ = rustix::net::shutdown(&listener, rustix::net::Shutdown::Both); // wakes its thread
        }
        for stream in state.streams.drain(..).filter_map(|stream| stream.upgrade()) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        let ended = self.shared.wait(|state| (state.threads == 0).then_some(()));
        assert!(ended.is_some() || thread::panicking(), "the proxy does not end");
    }

    /// Starts it again where it was.
    pub fn start(&mut self) {
        self.start_at(self.port);
    }

    pub fn start_at(&mut self, port: u16) {
        let listener = Arc::new(self.shared.listen(port).unwrap());
        self.port = listener.local_addr().unwrap().port();
        self.shared.lock().listener = Some(Arc::clone(&listener));
        let shared = Arc::clone(&self.shared);
        self.shared.spawn(move || {
            while let Ok((control, _)) = listener.accept() {
                let control = Arc::new(control);
                if !shared.register(&control) {
                    return;
                }
                let serving = Arc::clone(&shared);
                shared.lock().opened += 1;
                shared.lock().standing += 1;
                shared.spawn(move || {
                    let _ = serving.serve(&control); // an error is the end of the connection
                    drop(control);
                    serving.lock().standing -= 1;
                });
            }
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.kill();
        self.shared.lock().held.clear();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<R>(&self, mut find: impl FnMut(&mut State) -> Option<R>) -> Option<R> {
        let mut found = None;
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, LIMIT, |state| {
            found = find(state);
            found.is_none()
        }));
        found
    }

    fn spawn(self: &Arc<Self>, body: impl FnOnce() + Send + 'static) {
        self.lock().threads += 1;
        let ended = Ended(Arc::clone(self));
        thread::spawn(move || {
            let _ended = ended; // goes last, when nothing of the thread is open
            body();
        });
    }

    /// False when everything was closed meanwhile.
    fn register(&self, stream: &Arc<TcpStream>) -> bool {
        let mut state = self.lock();
        state.streams.retain(|stream| stream.strong_count() > 0);
        state.streams.push(Arc::downgrade(stream));
        stream.set_nodelay(true).unwrap();
        state.listener.is_some()
    }

    fn serve(&self, control: &Arc<TcpStream>) -> Result<()> {
        self.greet(control)?;
        let [_, command, _, kind] = read(control)?;
        let host = read_host(control, kind)?;
        let port = u16::from_be_bytes(read(control)?);
        let word = if command == 2 { "bind" } else { "connect" };
        self.lock().requests.push(format!("{word} {host}:{port}"));
        match command {
            1 => self.connect(control, &host, port),
            2 => self.bind(control, port),
            _ => refuse(control, 7),
        }
    }

    fn greet(&self, mut control: &TcpStream) -> Result<()> {
        let [_, number] = read(control)?;
        let mut methods = vec![0; number.into()];
        control.read_exact(&mut methods)?;
        let credentials = self.lock().credentials.clone();
        let method = if credentials.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            return control.write_all(&[5, 0xff]);
        }
        control.write_all(&[5, method])?;
        let Some((user, password)) = credentials else { return Ok(()) };
        let [_] = read(control)?;
        let told = (read_text(control)?, read_text(control)?);
        let known = told == (user, password);
        control.write_all(&[1, u8::from(!known)])?;
        if known { Ok(()) } else { Err(ErrorKind::PermissionDenied.into()) }
    }

    fn connect(&self, control: &Arc<TcpStream>, host: &str, port: u16) -> Result<()> {
        let target = self.lock().on_connect.as_mut().map_or(Err(4), |ask| ask(host, port));
        let Ok(target) = target.map_err(|code| refuse(control, code)) else { return Ok(()) };
        let Ok(far) = TcpStream::connect(target) else { return refuse(control, 5) };
        let far = Arc::new(far);
        if self.register(&far) {
            (&**control).write_all(&reply(0, far.local_addr()?))?;
            relay(control, &far);
        }
        Ok(())
    }

    /// Listens on a port, which is the proxy's from then on: nobody else gets it, and it is never given for 0 again.
    fn listen(&self, port: u16) -> Result<TcpListener> {
        let held = &mut self.lock().held;
        if let Some((at, _)) = held.iter().find(|(at, _)| at.port() == port) {
            return TcpListener::bind(at);
        }
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
        rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        let at = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?;
        held.push((at, socket));
        TcpListener::bind(at)
    }

    fn bind(&self, control: &Arc<TcpStream>, port: u16) -> Result<()> {
        let on_bind = self.lock().on_bind.as_mut().map_or(OnBind::AsAsked, |ask| ask(port));
        let listener = match on_bind {
            OnBind::Refuse(code) => return refuse(control, code),
            OnBind::Close => return Ok(()),
            OnBind::Ignore => return (&**control).read(&mut [0]).map(drop), // until the other side gives up
            OnBind::AsAsked => self.listen(port).or_else(|_| self.listen(0))?,
            OnBind::Elsewhere => self.listen(0)?,
        };
        let at = listener.local_addr()?;
        let listener = Arc::new(listener);
        let bind = Bind { control: Arc::clone(control), listener: Arc::clone(&listener), at, claimed: false };
        self.lock().binds.push(bind);
        let _ = (&**control).write_all(&reply(0, at)); // its end is seen below
        self.changed.notify_all();
        let client = first_client(control, &listener);
        self.lock().binds.retain(|bind| !Arc::ptr_eq(&bind.control, control));
        drop(listener);
        let (client, peer) = client?;
        let client = Arc::new(client);
        if self.register(&client) {
            (&**control).write_all(&reply(0, peer))?;
            relay(control, &client);
        }
        Ok(())
    }
}

/// Whatever becomes of a thread, it is counted as ended.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.changed.notify_all();
    }
}

/// Waits for a client, unless the connection to the proxy ends.
fn first_client(control: &TcpStream, listener: &TcpListener) -> Result<(TcpStream, SocketAddr)> {
    let mut both = [PollFd::new(control, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
    poll(&mut both, None)?;
    if both[0].revents().is_empty() { listener.accept() } else { Err(Error::from(ErrorKind::BrokenPipe)) }
}

/// Copies both ways until both have ended, or one is reset.
fn relay(one: &TcpStream, other: &TcpStream) {
    let way = |mut from: &TcpStream, mut to: &TcpStream| {
        if copy(&mut from, &mut to).is_ok() {
            let _ = to.shutdown(Shutdown::Write);
        } else {
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| way(one, other));
        way(other, one);
    });
}
