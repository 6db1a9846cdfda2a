use super::client::SimulatedClient;
use super::simulated_driver::SimulatedDriver;
use super::state::{Network, Shared, lock};
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// A network in memory, with virtual time: servers and sockets run on it unchanged, and clients are driven by hand.
///
/// Nothing here waits: a loop on this network that has nothing to do moves the clock on, by its time-out or to what comes
/// next. A loop that always has something to do takes a microsecond a turn after a while. Which of several ready objects
/// comes first, and how many bytes go at once, is drawn from the seed; the same seed and the same steps give the same run:
/// [`explore`](super::explore) runs a test with many seeds. A loop that would wait for ever gets an error instead, because
/// nothing can ever happen.
///
/// What is to go wrong is said beforehand: which accept, receive or send fails and how, how many descriptors are left, how
/// little is sent at once, how long it takes, whether the clock goes. Peers that reset, half-close or stall are clients
/// that do so.
///
/// ```
/// use std::time::Duration;
/// use vestibule::{HostAddress, TcpServer, simulation::SimulatedNetwork};
///
/// let network = SimulatedNetwork::new(7)?;
/// let event_loop = network.event_loop();
/// let server = TcpServer::new(&event_loop);
/// server.new_connection().connect(|server| {
///     while let Some(socket) = server.next_pending_connection() {
///         socket.write(b"welcome");
///         socket.disconnect_from_host();
///     }
/// });
/// server.listen(HostAddress::ANY, 7777)?;
///
/// let client = network.connect(7777)?;
/// event_loop.process_events(Some(Duration::from_secs(1)))?;
/// event_loop.process_events(Some(Duration::from_secs(1)))?;
/// assert_eq!(client.read()?, b"welcome");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SimulatedNetwork {
    network: Shared,
    seed: u64,
    stand_in: Arc<OwnedFd>,
}

impl SimulatedNetwork {
    /// A network without anybody on it.
    ///
    /// # Errors
    ///
    /// When the process has no descriptor left: a real one stands in where a program asks a simulated connection for
    /// its descriptor.
    pub fn new(seed: u64) -> io::Result<Self> {
        let stand_in = std::fs::File::open("/dev/null")?;
        Ok(Self { network: Network::new(seed), seed, stand_in: Arc::new(stand_in.into()) })
    }

    /// A loop on this network; several may share it.
    pub fn event_loop(&self) -> EventLoop {
        let driver = SimulatedDriver::new(Arc::clone(&self.network), Arc::clone(&self.stand_in));
        EventLoop::on(Driver::Simulation(Box::new(driver)))
    }

    /// A client connects: the network completes it, the server need not accept yet.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when nobody listens on the port, `TimedOut` when the listener's queue is full.
    pub fn connect(&self, port: u16) -> io::Result<SimulatedClient> {
        self.connect_from(Ipv4Addr::LOCALHOST, port)
    }

    /// The same for a client with this address.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn connect_from(&self, address: impl Into<IpAddr>, port: u16) -> io::Result<SimulatedClient> {
        let mut state = lock(&self.network);
        let id = state.next_id();
        let from = SocketAddr::new(address.into(), 0);
        state.connect(id, (Ipv4Addr::LOCALHOST, port).into(), Some(from))?;
        Ok(SimulatedClient::new(Arc::clone(&self.network), id))
    }

    /// Has the n-th accept fail with this error number; the first accept of the network that finds a client is 1.
    ///
    /// As on a real system the client is lost when the error is its own (see
    /// [`AcceptErrorClass::Connection`](crate::AcceptErrorClass::Connection)), and else goes on waiting.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vestibule::{HostAddress, ServerState, TcpServer, simulation::SimulatedNetwork};
    ///
    /// let network = SimulatedNetwork::new(7)?;
    /// network.fail_accept(1, 24); // EMFILE
    /// let event_loop = network.event_loop();
    /// let server = TcpServer::new(&event_loop);
    /// server.listen(HostAddress::ANY, 7777)?;
    /// let _client = network.connect(7777)?;
    /// event_loop.process_events(Some(Duration::ZERO))?;
    /// assert_eq!(server.state(), ServerState::Exhausted);
    /// while !server.has_pending_connections() {
    ///     event_loop.process_events(Some(Duration::from_secs(1)))?;
    /// }
    /// assert!(network.elapsed() < Duration::from_millis(6)); // the first back-off
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fail_accept(&self, nth: u64, raw_os_error: i32) {
        lock(&self.network).script.accepts.fail(nth, raw_os_error);
    }

    /// Has the n-th receive of the network's loops fail with this error number; the first is 1.
    pub fn fail_receive(&self, nth: u64, raw_os_error: i32) {
        lock(&self.network).script.receives.fail(nth, raw_os_error);
    }

    /// Has the n-th send of the network's loops fail with this error number; the first is 1.
    pub fn fail_send(&self, nth: u64, raw_os_error: i32) {
        lock(&self.network).script.sends.fail(nth, raw_os_error);
    }

    /// Takes back what was to fail and has not: from now on everything succeeds, as far as descriptors are left.
    pub fn clear_faults(&self) {
        let script = &mut lock(&self.network).script;
        script.accepts.forgive();
        script.receives.forgive();
        script.sends.forgive();
    }

    /// The seed of the network, for a test that draws numbers of its own from it.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many accepts have found a client so far, those that failed included.
    pub fn accepts(&self) -> u64 {
        lock(&self.network).script.accepts.made()
    }

    /// How many receives were tried so far.
    pub fn receives(&self) -> u64 {
        lock(&self.network).script.receives.made()
    }

    /// How many sends were tried so far.
    pub fn sends(&self) -> u64 {
        lock(&self.network).script.sends.made()
    }

    /// Leaves descriptors for so many more accepted connections: then accepting fails with `EMFILE`, until one of them is
    /// closed. `None`, the default, for as many as there are.
    pub fn set_descriptors(&self, left: Option<usize>) {
        lock(&self.network).script.descriptors = left;
        self.network.releases.ring();
    }

    /// Has one send of the network's loops take no more than so many bytes.
    pub fn set_longest_send(&self, bytes: Option<usize>) {
        lock(&self.network).script.longest_send = bytes;
    }

    /// How long what is sent takes, in either direction, on connections to come. Default: no time.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.network).latency = latency;
    }

    /// Stops the clock, or has it go on: while it stands no time passes, however long somebody waits.
    pub fn freeze_clock(&self, frozen: bool) {
        lock(&self.network).frozen = frozen;
    }

    /// Moves the clock on.
    pub fn pass(&self, time: Duration) {
        lock(&self.network).pass(time);
    }

    /// How far the clock has gone.
    pub fn elapsed(&self) -> Duration {
        lock(&self.network).elapsed
    }

    /// How many connections have not been left by both sides.
    pub fn open_connections(&self) -> usize {
        lock(&self.network).pipes.len()
    }

    /// How many clients wait to be accepted on a port.
    pub fn queued(&self, port: u16) -> usize {
        lock(&self.network).listeners.get(&port).map_or(0, |listening| listening.queue.len())
    }
}
