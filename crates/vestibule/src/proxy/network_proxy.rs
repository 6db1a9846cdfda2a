use super::capabilities::ProxyCapabilities;
use super::factory::NetworkProxyFactory;
use super::proxy_type::ProxyType;
use std::fmt;

/// A proxy: its type, where it is, who asks it, and what it can do; the reference's `QNetworkProxy`.
///
/// The default is of type [`Default`](ProxyType::Default): whatever the application uses. A text such as
/// `socks5://user:password@proxy.example:1080` is a proxy too. It prints without user and password, with `{:?}` without the password.
///
/// # Examples
///
/// ```
/// use vestibule::{NetworkProxy, ProxyType};
///
/// let proxy: NetworkProxy = "socks5://user:secret@proxy.example".parse()?;
/// assert_eq!((proxy.proxy_type(), proxy.port()), (ProxyType::Socks5, 1080));
/// assert_eq!(proxy.to_string(), "socks5://proxy.example:1080");
/// # Ok::<(), vestibule::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct NetworkProxy {
    proxy_type: ProxyType,
    host: String,
    port: u16,
    user: String,
    password: String,
    /// Unless they are those of the type.
    capabilities: Option<ProxyCapabilities>,
}

impl NetworkProxy {
    /// No proxy: a connection is made, or a server listens, directly, whatever the application uses.
    pub const NONE: Self = Self {
        proxy_type: ProxyType::None,
        host: String::new(),
        port: 0,
        user: String::new(),
        password: String::new(),
        capabilities: None,
    };

    /// A proxy of a type, on a host, which is a name or an address, and a port.
    pub fn new(proxy_type: ProxyType, host: impl Into<String>, port: u16) -> Self {
        Self { proxy_type, host: host.into(), port, ..Self::default() }
    }

    /// The same proxy, asked by a user with a password. They are sent in plain text (RFC 1929, RFC 7617).
    #[must_use]
    pub fn with_credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        (self.user, self.password) = (user.into(), password.into());
        self
    }

    /// What kind of proxy it is; the reference's `type`.
    pub fn proxy_type(&self) -> ProxyType {
        self.proxy_type
    }

    /// Makes it a proxy of another type, with the capabilities of that unless others were set; the reference's `setType`.
    pub fn set_proxy_type(&mut self, proxy_type: ProxyType) {
        self.proxy_type = proxy_type;
    }

    /// The host that it runs on; the reference's `hostName`.
    pub fn host_name(&self) -> &str {
        &self.host
    }

    /// Sets the host that it runs on; the reference's `setHostName`.
    pub fn set_host_name(&mut self, host: impl Into<String>) {
        self.host = host.into();
    }

    /// The port that it listens on; the reference's `port`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets the port that it listens on; the reference's `setPort`.
    pub fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    /// Who asks, empty for nobody in particular; the reference's `user`.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Sets who asks: at most 255 bytes for SOCKS5. The reference's `setUser`.
    pub fn set_user(&mut self, user: impl Into<String>) {
        self.user = user.into();
    }

    /// The password of who asks; the reference's `password`.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Sets the password of who asks: at most 255 bytes for SOCKS5. The reference's `setPassword`.
    pub fn set_password(&mut self, password: impl Into<String>) {
        self.password = password.into();
    }

    /// What it can be used for. Default: what its [type](ProxyCapabilities::of) can. The reference's `capabilities`.
    pub fn capabilities(&self) -> ProxyCapabilities {
        self.capabilities.unwrap_or_else(|| ProxyCapabilities::of(self.proxy_type))
    }

    /// Says what it can be used for, also if its type changes. That a type can do something which it cannot do here, such as
    /// listening through HTTP, is not made true by saying so. The reference's `setCapabilities`.
    pub fn set_capabilities(&mut self, capabilities: ProxyCapabilities) {
        self.capabilities = Some(capabilities);
    }

    /// Whether it keeps what was transferred; the reference's `isCachingProxy`.
    pub fn is_caching_proxy(&self) -> bool {
        self.capabilities().contains(ProxyCapabilities::CACHING)
    }

    /// Whether connections can be made through it; the reference's `isTransparentProxy`.
    pub fn is_transparent_proxy(&self) -> bool {
        self.capabilities().contains(ProxyCapabilities::TUNNELING)
    }

    /// Whether a user or a password is to be told.
    pub(crate) fn has_credentials(&self) -> bool {
        !self.user.is_empty() || !self.password.is_empty()
    }

    /// The proxy that servers and sockets use which have none of their own; the reference's `applicationProxy`.
    ///
    /// [`NONE`](Self::NONE) also when a factory or the system's configuration decides.
    pub fn application_proxy() -> Self {
        NetworkProxyFactory::application_proxy()
    }

    /// Sets the proxy that servers and sockets use which have none of their own, in the whole process, from the next call of
    /// `listen` or `connect_to_host` on; the reference's `setApplicationProxy`.
    ///
    /// It takes the place of a factory, and of the system's configuration. One of type `Default` means no proxy.
    pub fn set_application_proxy(proxy: Self) {
        NetworkProxyFactory::set_application_proxy(proxy);
    }
}

/// All that can be asked is the same.
impl PartialEq for NetworkProxy {
    fn eq(&self, other: &Self) -> bool {
        self.proxy_type == other.proxy_type
            && self.port == other.port
            && self.host == other.host
            && self.user == other.user
            && self.password == other.password
            && self.capabilities() == other.capabilities()
    }
}

impl Eq for NetworkProxy {}

impl fmt::Display for NetworkProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.proxy_type {
            ProxyType::Default => f.write_str("the application's proxy"),
            ProxyType::None => f.write_str("no proxy"),
            scheme if self.host.contains(':') => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            scheme => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

/// Without the password.
impl fmt::Debug for NetworkProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkProxy")
            .field("proxy_type", &self.proxy_type)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("capabilities", &self.capabilities())
            .finish_non_exhaustive()
    }
}
