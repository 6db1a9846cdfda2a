use super::proxy_type::ProxyType;

bitflags::bitflags! {
    /// What a proxy can be used for; the reference's `QNetworkProxy::Capabilities`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct ProxyCapabilities: u8 {
        /// Connections can be made through it.
        const TUNNELING = 0x01;
        /// A server can listen through it.
        const LISTENING = 0x02;
        /// Datagrams can be sent through it. Of no use here.
        const UDP_TUNNELING = 0x04;
        /// It keeps what was transferred. Of no use here.
        const CACHING = 0x08;
        /// It looks up the names of hosts; without this they are looked up here.
        const HOST_NAME_LOOKUP = 0x10;
        /// SCTP connections can be made through it. Of no use here.
        const SCTP_TUNNELING = 0x20;
        /// An SCTP server can listen through it. Of no use here.
        const SCTP_LISTENING = 0x40;
    }
}

impl ProxyCapabilities {
    /// What proxies of a type can do when nobody says otherwise, as in the reference.
    ///
    /// ```
    /// use vestibule::{ProxyCapabilities, ProxyType};
    ///
    /// assert!(ProxyCapabilities::of(ProxyType::Socks5).contains(ProxyCapabilities::LISTENING));
    /// assert!(!ProxyCapabilities::of(ProxyType::Http).contains(ProxyCapabilities::LISTENING));
    /// ```
    pub fn of(proxy_type: ProxyType) -> Self {
        let here = Self::TUNNELING | Self::LISTENING | Self::UDP_TUNNELING;
        match proxy_type {
            ProxyType::Default | ProxyType::None => here | Self::SCTP_TUNNELING | Self::SCTP_LISTENING,
            ProxyType::Socks5 => here | Self::HOST_NAME_LOOKUP,
            ProxyType::Http => Self::TUNNELING | Self::CACHING | Self::HOST_NAME_LOOKUP,
            ProxyType::HttpCaching | ProxyType::FtpCaching => Self::CACHING | Self::HOST_NAME_LOOKUP,
        }
    }
}
