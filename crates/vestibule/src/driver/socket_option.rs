use std::time::Duration;

/// An option of a connection, with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketOption {
    NoDelay(bool),
    KeepAlive(Option<KeepAlive>),
    SendBufferSize(usize),
    ReceiveBufferSize(usize),
    TypeOfService(u8),
    UserTimeout(Option<Duration>),
}

/// Which option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionName {
    NoDelay,
    KeepAlive,
    SendBufferSize,
    ReceiveBufferSize,
    TypeOfService,
    UserTimeout,
}

/// How an idle connection is probed, see [`TcpSocket::set_keep_alive`](crate::TcpSocket::set_keep_alive).
///
/// ```
/// use std::time::Duration;
/// use vestibule::KeepAlive;
///
/// let patient = KeepAlive::default(); // as the system has it: on Linux after two hours
/// let brisk = KeepAlive { idle: Some(Duration::from_secs(60)), ..patient };
/// # let _ = brisk;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// After how long without traffic the first probe is sent, in whole seconds. `None`: the system's default.
    pub idle: Option<Duration>,
    /// How long after an unanswered probe the next is sent, in whole seconds. `None`: the system's default.
    pub interval: Option<Duration>,
    /// After how many unanswered probes the connection counts as broken. `None`: the system's default.
    pub count: Option<u32>,
}

/// Options that were set, the last value of each.
#[derive(Debug, Default)]
pub(crate) struct SocketOptions(Vec<SocketOption>);

impl SocketOptions {
    pub(crate) fn set(&mut self, option: SocketOption) {
        self.0.retain(|earlier| earlier.name() != option.name());
        self.0.push(option);
    }

    pub(crate) fn get(&self, name: OptionName) -> Option<SocketOption> {
        self.0.iter().copied().find(|option| option.name() == name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = SocketOption> {
        self.0.iter().copied()
    }
}

impl SocketOption {
    fn name(self) -> OptionName {
        match self {
            Self::NoDelay(_) => OptionName::NoDelay,
            Self::KeepAlive(_) => OptionName::KeepAlive,
            Self::SendBufferSize(_) => OptionName::SendBufferSize,
            Self::ReceiveBufferSize(_) => OptionName::ReceiveBufferSize,
            Self::TypeOfService(_) => OptionName::TypeOfService,
            Self::UserTimeout(_) => OptionName::UserTimeout,
        }
    }
}
