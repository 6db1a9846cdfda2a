use super::rate::Rate;
use super::refusal::{Refusal, RefusalReason};
use super::shared_limit::SharedLimit;
use super::sources::SourceLimits;
use crate::address::Subnet;
use crate::driver::Arrival;
use std::net::IpAddr;
use std::time::Duration;

/// Whom a server lets in: how many at once, how many of one source, how many in a time, and what happens to the others.
///
/// Everything is unlimited at first. Each limit is exact: there is never one connection more, not for a moment, and a
/// place is given away as soon as it is free. A connection holds its place from before it is accepted until its
/// descriptor is closed, which may be on another thread, and includes the time in which it lingers so that its peer gets
/// everything.
///
/// Who is over a limit for all waits in the kernel's queue, unless [`over_limit`](Self::over_limit) says otherwise. Who is
/// over a limit for one source is [refused](Self::refusal), because the next in the queue may be of another source.
///
/// ```
/// use vestibule::{EventLoop, Limits, OverLimit, Rate, Refusal, TcpServer};
///
/// let event_loop = EventLoop::new()?;
/// let server = TcpServer::bind(&event_loop, "127.0.0.1:0")?;
/// server.set_limits(
///     Limits::new()
///         .max_connections(10_000)
///         .max_connections_per_source(20)
///         .rate_per_source(Rate::per_second(10))
///         .exempt("10.0.0.0/8".parse()?)
///         .refusal(Refusal::last_word("421 too many connections from you\r\n")?),
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Limits {
    pub(crate) connections: Option<usize>,
    pub(crate) shared: Option<SharedLimit>,
    pub(crate) rate: Option<Rate>,
    pub(crate) over: OverLimit,
    pub(crate) source: SourceLimits,
    pub(crate) exempt: Vec<Subnet>,
    pub(crate) refusal: Refusal,
    pub(crate) skip_dead: bool,
    pub(crate) queue_age: Option<Duration>,
    pub(crate) reserve: bool,
}

/// What happens to clients while a limit for all is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverLimit {
    /// They wait in the kernel's queue until a place is free.
    #[default]
    Wait,
    /// They are accepted and refused.
    Refuse(Refusal),
}

impl Limits {
    /// No limit at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections of the server may be open at once. 0 lets nobody in.
    pub fn max_connections(self, number: usize) -> Self {
        Self { connections: Some(number), ..self }
    }

    /// A limit that the server shares with others of the process, on whatever thread. Connections that are open when it
    /// is set are not counted in it.
    pub fn shared(self, limit: &SharedLimit) -> Self {
        Self { shared: Some(limit.clone()), ..self }
    }

    /// How many new connections are let in over time.
    pub fn rate(self, rate: Rate) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// What happens to clients over the limits above. Default: they wait.
    pub fn over_limit(self, over: OverLimit) -> Self {
        Self { over, ..self }
    }

    /// How many connections of one source may be open at once. 0 lets only the [exempt](Self::exempt) in.
    ///
    /// Connections that are open when the server gets its first limit for a source are not counted; a limit that is
    /// changed later keeps its counts.
    pub fn max_connections_per_source(mut self, number: u32) -> Self {
        self.source.connections = Some(number);
        self
    }

    /// How many new connections of one source are let in over time.
    pub fn rate_per_source(mut self, rate: Rate) -> Self {
        self.source.rate = Some(rate);
        self
    }

    /// What one source is: addresses that share so many leading bits. Default: 32 for IPv4, so each address, and 64 for
    /// IPv6, so each network of a customer. An IPv4 address in IPv6's clothes counts as the IPv4 address that it is. A server
    /// whose prefixes are changed begins to count anew.
    pub fn source_prefixes(mut self, ipv4: u8, ipv6: u8) -> Self {
        self.source.prefixes = (ipv4.min(32), ipv6.min(128));
        self
    }

    /// For how many sources the rate is remembered that have no connection open. Default: 65,536, which takes about 5 MB.
    ///
    /// A source is forgotten once its rate is free again. While so many are remembered, newcomers share one rate among them
    /// and are not remembered: memory is bounded by this and the number of connections open at once, and nobody gets more
    /// than the rate.
    pub fn remembered_sources(mut self, number: usize) -> Self {
        self.source.remembered = number;
        self
    }

    /// Addresses to which the limits for a source do not apply; may be called several times.
    pub fn exempt(mut self, subnet: Subnet) -> Self {
        self.exempt.push(subnet);
        self
    }

    /// What a client gets that is over a limit for its source, or has waited too long. Default: the connection is closed.
    pub fn refusal(self, refusal: Refusal) -> Self {
        Self { refusal, ..self }
    }

    /// Drops connections that the client has reset before they were accepted; nobody sees them, they are only counted.
    /// One system call more for a connection. Default: false.
    pub fn skip_dead(self, skip: bool) -> Self {
        Self { skip_dead: skip, ..self }
    }

    /// Refuses clients that have waited longer in the kernel's queue, who have likely gone or tried again. One system
    /// call more for a connection. On Linux only; elsewhere nobody knows how long they waited.
    pub fn max_queue_age(self, age: Duration) -> Self {
        Self { queue_age: Some(age), ..self }
    }

    /// Keeps one descriptor in reserve. When the process has none left, it is used to give the waiting clients the
    /// [refusal](Self::refusal), a few at a time, instead of leaving them in the kernel's queue. Default: false.
    pub fn reserve_descriptor(self, reserve: bool) -> Self {
        Self { reserve, ..self }
    }

    /// The limit of [`max_connections`](Self::max_connections).
    pub fn connections(&self) -> Option<usize> {
        self.connections
    }

    /// The limit of [`max_connections_per_source`](Self::max_connections_per_source).
    pub fn connections_per_source(&self) -> Option<u32> {
        self.source.connections
    }

    /// Whether the limits for a source apply to this address.
    pub(crate) fn limits_source(&self, address: IpAddr) -> bool {
        self.source.is_limited()
            && !self.exempt.iter().any(|subnet| subnet.contains(address.to_canonical().into()))
    }

    /// Whether this is the limit that the server shares.
    pub(crate) fn shares(&self, limit: &SharedLimit) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.is(limit))
    }

    /// Whether clients over a limit for all are refused.
    pub(crate) fn refuses(&self) -> bool {
        matches!(self.over, OverLimit::Refuse(_))
    }

    /// Why a connection is not worth having, if it is not.
    pub(crate) fn judge(&self, arrival: &Arrival) -> Option<RefusalReason> {
        if self.skip_dead && arrival.dead {
            return Some(RefusalReason::Dead);
        }
        self.queue_age.filter(|most| arrival.age > Some(*most)).map(|_| RefusalReason::TooOld)
    }

    /// What a client gets that is not let in for this reason.
    pub(crate) fn refusal_for(&self, reason: RefusalReason) -> Refusal {
        match (reason, &self.over) {
            (RefusalReason::Dead, _) => Refusal::Close,
            (
                RefusalReason::TooManyConnections | RefusalReason::SharedLimit | RefusalReason::TooFast,
                OverLimit::Refuse(refusal),
            ) => refusal.clone(),
            _ => self.refusal.clone(),
        }
    }

    /// Whether a connection is looked at before it is let in.
    pub(crate) fn looks_at_arrivals(&self) -> bool {
        self.skip_dead || self.queue_age.is_some()
    }
}
