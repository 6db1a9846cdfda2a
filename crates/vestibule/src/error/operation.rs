use std::fmt;

/// What was being done when an error occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Making an event loop and its descriptors.
    CreateEventLoop,
    /// Waiting in the event loop for something to happen.
    RunEventLoop,
    /// Making room for many connections.
    ReserveConnections,
    /// Reading an address from text.
    ParseAddress,
    /// Reading a proxy from text.
    ParseProxy,
    /// Making the socket that is to listen.
    CreateSocket,
    /// Binding it to its address.
    Bind,
    /// Making it listen.
    Listen,
    /// Taking over a listening descriptor.
    AdoptListener,
    /// Accepting a connection.
    Accept,
    /// Waiting for a new connection.
    WaitForNewConnection,
    /// Saying whom a server lets in.
    SetLimits,
    /// Asking a server for something from another thread.
    AskServer,
    /// Running a server on several threads.
    RunWorkers,
    /// Handing a socket to a server.
    AddPendingConnection,
    /// Making a server the parent of a socket.
    SetParent,
    /// Taking over the descriptor of a connection.
    AdoptSocket,
    /// Binding a socket that is to connect to its own address.
    BindSocket,
    /// Connecting to a host.
    Connect,
    /// Taking the descriptor out of a socket.
    IntoStd,
    /// Setting or reading an option of a socket.
    SocketOption,
    /// Receiving from the peer.
    Receive,
    /// Sending to the peer.
    Send,
    /// Waiting for a connection to do something.
    Wait,
}

impl fmt::Display for Operation {
    /// The words that follow "cannot".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CreateEventLoop => "create an event loop",
            Self::RunEventLoop => "run the event loop",
            Self::ReserveConnections => "make room for the connections",
            Self::ParseAddress => "read the address",
            Self::ParseProxy => "read the proxy",
            Self::CreateSocket | Self::Bind | Self::Listen => "listen",
            Self::AdoptListener => "listen on the descriptor",
            Self::Accept => "accept",
            Self::WaitForNewConnection => "wait for a new connection",
            Self::SetLimits => "set the limits",
            Self::AskServer => "ask the server",
            Self::RunWorkers => "run the workers",
            Self::AddPendingConnection => "add a pending connection",
            Self::SetParent => "set the parent",
            Self::AdoptSocket => "adopt the descriptor",
            Self::BindSocket => "bind the socket",
            Self::Connect => "connect",
            Self::IntoStd => "take the descriptor out of the socket",
            Self::SocketOption => "use the socket option",
            Self::Receive => "receive",
            Self::Send => "send",
            Self::Wait => "wait",
        })
    }
}
