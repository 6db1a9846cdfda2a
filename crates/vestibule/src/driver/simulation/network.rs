use super::client::SimulatedClient;
use super::simulated_driver::SimulatedDriver;
use super::state::{Shared, State, lock};
use crate::driver::Driver;
use crate::event_loop::EventLoop;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A network in memory, with virtual time: servers and sockets run on it unchanged, and clients are driven by hand.
///
/// Nothing here waits: a loop on this network that has nothing to do moves the clock on by its time-out. A loop that
/// always has something to do takes a microsecond a turn after a while. Which of
/// several ready objects comes first, and how many bytes go at once, is drawn from the seed; the same seed and the same
/// steps give the same run. A loop that would wait for ever gets an error instead, because nothing can ever happen.
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
    state: Shared,
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
        Ok(Self { state: Arc::new(Mutex::new(State::new(seed))), stand_in: Arc::new(stand_in.into()) })
    }

    /// A loop on this network; several may share it.
    pub fn event_loop(&self) -> EventLoop {
        let driver = SimulatedDriver::new(Arc::clone(&self.state), Arc::clone(&self.stand_in));
        EventLoop::on(Driver::Simulation(driver))
    }

    /// A client connects: the network completes it, the server need not accept yet.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when nobody listens on the port, `TimedOut` when the listener's queue is full.
    pub fn connect(&self, port: u16) -> io::Result<SimulatedClient> {
        let mut state = lock(&self.state);
        let id = state.next_id();
        state.connect(id, (Ipv4Addr::LOCALHOST, port).into(), None)?;
        Ok(SimulatedClient::new(Arc::clone(&self.state), id))
    }

    /// How far the clock has gone.
    pub fn elapsed(&self) -> Duration {
        lock(&self.state).elapsed
    }

    /// How many connections have not been left by both sides.
    pub fn open_connections(&self) -> usize {
        lock(&self.state).pipes.len()
    }
}
