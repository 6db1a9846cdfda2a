use super::crew::Crew;
use super::plan::{Plan, QueueSharing, WorkerLoss};
use super::worker_group::WorkerGroup;
use crate::address::Endpoint;
use crate::admission::Limits;
use crate::error::{Error, Result};
use crate::event_loop::Timeouts;
use crate::server::{ListenOptions, TcpServer};

/// Runs an event loop and a server on each of several threads, on one address.
///
/// To its clients, and to whoever operates it, the group is one server: limits hold for all workers together and stay
/// exact, and pausing, draining and statistics are those of one (see [`WorkersHandle`](crate::WorkersHandle)). Each
/// connection stays on the thread that accepted it; nothing is handed over.
///
/// Workers listen on addresses of this host: proxies are not asked.
///
/// What a worker does is said in one function that is called with its server, on its thread: connect slots there. It is called
/// again for a worker that takes the place of one that died, and for a queue that a worker takes over.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use vestibule::{Limits, Workers};
///
/// let group = Workers::new(2).limits(Limits::new().max_connections(1_000)).bind("127.0.0.1:0", |server| {
///     server.new_connection().connect(|server| {
///         while let Some(socket) = server.next_pending_connection() {
///             socket.write(b"You will be hungry again in one hour.\n");
///             socket.disconnect_from_host();
///         }
///     });
/// })?;
/// println!("listening on {}", group.local_addr());
/// # let mut fortune = String::new();
/// # std::io::Read::read_to_string(&mut std::net::TcpStream::connect(group.local_addr())?, &mut fortune)?;
/// # assert_eq!(fortune, "You will be hungry again in one hour.\n");
/// let report = group.handle().drain(Duration::from_secs(10)).wait(None)?;
/// assert_eq!(report.cut, 0);
/// group.join()?; // returns when all have ended
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "workers begin with `bind` or `listen_with`"]
pub struct Workers {
    plan: Plan,
}

impl Workers {
    /// So many workers; with 0 one for each core that the process may use.
    pub fn new(number: usize) -> Self {
        Self { plan: Plan::new(number) }
    }

    /// How the workers share their clients. Default: [`QueueSharing::OneQueue`].
    pub fn sharing(mut self, sharing: QueueSharing) -> Self {
        self.plan.sharing = sharing;
        self
    }

    /// Whom the workers let in, all together. Default: everybody.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.plan.limits = limits;
        self
    }

    /// The time-outs of their connections. Default: none.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.plan.timeouts = timeouts;
        self
    }

    /// What happens when a worker dies. Default: [`WorkerLoss::Replace`].
    pub fn on_loss(mut self, loss: WorkerLoss) -> Self {
        self.plan.loss = loss;
        self
    }

    /// Whether a panic in a slot costs only its connection, see
    /// [`EventLoop::contain_panics`](crate::EventLoop::contain_panics), or the worker. Default: true, only its connection.
    pub fn contain_panics(mut self, contain: bool) -> Self {
        self.plan.contain_panics = contain;
        self
    }

    /// Whether each worker stays on one core: the first on the first that the process may use, and so on, from the first again
    /// when there are more workers. On Linux only; elsewhere it changes nothing. Default: false.
    ///
    /// Worth it when the workers have the machine to themselves; else the system's choice is better.
    pub fn pin_to_cores(mut self, pin: bool) -> Self {
        self.plan.pin = pin;
        self
    }

    /// Listens on an [`Endpoint`], or a text such as `"127.0.0.1:0"` or `"*:7777"`, and starts the workers. Returns when
    /// all are there; `prepare` was called for each.
    ///
    /// # Errors
    ///
    /// When the text is no endpoint; as [`TcpServer::listen`]; and when a thread or a loop cannot be made. Nothing stays
    /// behind then.
    pub fn bind<E>(
        self,
        endpoint: E,
        prepare: impl Fn(&TcpServer) + Send + Sync + 'static,
    ) -> Result<WorkerGroup>
    where
        E: TryInto<Endpoint>,
        Error: From<E::Error>,
    {
        self.listen_with(ListenOptions::new(endpoint.try_into().map_err(Error::from)?), prepare)
    }

    /// Listens, with more to choose, and starts the workers.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn listen_with(
        self,
        options: ListenOptions,
        prepare: impl Fn(&TcpServer) + Send + Sync + 'static,
    ) -> Result<WorkerGroup> {
        Crew::listen(self.plan, options, Box::new(prepare)).map(WorkerGroup::new)
    }
}
