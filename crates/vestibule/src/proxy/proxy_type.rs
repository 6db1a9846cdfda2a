use std::fmt;

/// What kind of proxy it is; the reference's `QNetworkProxy::ProxyType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyType {
    /// Whatever the application uses: see [`NetworkProxyFactory`](crate::NetworkProxyFactory). As the application's own
    /// choice it means [`None`](Self::None).
    #[default]
    Default = 0,
    /// SOCKS version 5: for connecting out, with `CONNECT`, and for listening, with `BIND`.
    Socks5 = 1,
    /// No proxy.
    None = 2,
    /// An HTTP proxy, for connecting out, with `CONNECT`.
    Http = 3,
    /// A cache for HTTP requests; no connection can be made through it.
    HttpCaching = 4,
    /// A cache for FTP requests; no connection can be made through it.
    FtpCaching = 5,
}

impl ProxyType {
    /// What a URL of such a proxy begins with.
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Socks5 => "socks5",
            Self::None => "none",
            Self::Http => "http",
            Self::HttpCaching => "http-caching",
            Self::FtpCaching => "ftp-caching",
        }
    }
}

impl fmt::Display for ProxyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme())
    }
}
