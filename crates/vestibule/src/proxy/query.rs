use crate::address::HostAddress;

/// What somebody wants to do who asks for a proxy; the reference's `QNetworkProxyQuery`.
///
/// What a query does not carry is `None`, or an empty text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NetworkProxyQuery {
    query_type: ProxyQueryType,
    peer_host_name: String,
    peer_port: Option<u16>,
    local_port: Option<u16>,
    protocol_tag: String,
}

/// What a proxy is asked for; the reference's `QNetworkProxyQuery::QueryType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyQueryType {
    /// Making a connection.
    TcpSocket = 0,
    /// Listening.
    TcpServer = 100,
}

impl NetworkProxyQuery {
    /// The query of a socket that is to connect to a host.
    pub fn for_socket(host: impl Into<String>, port: u16) -> Self {
        Self {
            query_type: ProxyQueryType::TcpSocket,
            peer_host_name: host.into(),
            peer_port: Some(port),
            local_port: None,
            protocol_tag: String::new(),
        }
    }

    /// The query of a server that is to listen on a port, 0 for any.
    pub fn for_server(port: u16) -> Self {
        Self {
            query_type: ProxyQueryType::TcpServer,
            peer_host_name: String::new(),
            peer_port: None,
            local_port: Some(port),
            protocol_tag: String::new(),
        }
    }

    /// The same with the name of the protocol that will be spoken, such as `http`.
    #[must_use]
    pub fn with_protocol_tag(mut self, tag: impl Into<String>) -> Self {
        self.protocol_tag = tag.into();
        self
    }

    /// What the proxy is asked for; the reference's `queryType`.
    pub fn query_type(&self) -> ProxyQueryType {
        self.query_type
    }

    /// The host that is to be reached, empty for a server; the reference's `peerHostName`.
    pub fn peer_host_name(&self) -> &str {
        &self.peer_host_name
    }

    /// The port there; `None` for a server. The reference's `peerPort`, which is -1 then.
    pub fn peer_port(&self) -> Option<u16> {
        self.peer_port
    }

    /// The port that a server asks for; `None` for a socket. The reference's `localPort`, which is -1 then.
    pub fn local_port(&self) -> Option<u16> {
        self.local_port
    }

    /// The name of the protocol, empty if nobody has said it; the reference's `protocolTag`.
    pub fn protocol_tag(&self) -> &str {
        &self.protocol_tag
    }

    /// Whether the host is this one: such connections never go through a proxy.
    pub(crate) fn is_local(&self) -> bool {
        is_this_host(&self.peer_host_name)
    }
}

/// Whether a name or an address means this host itself.
pub(crate) fn is_this_host(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let last = host.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost") || host.parse::<HostAddress>().is_ok_and(|it| it.is_loopback())
}
