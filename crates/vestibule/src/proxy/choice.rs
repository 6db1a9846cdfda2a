use super::capabilities::ProxyCapabilities;
use super::network_proxy::NetworkProxy;
use super::proxy_type::ProxyType;

/// How a connection is made, or a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Through(NetworkProxy),
}

/// With the first proxy of a list that a server can listen through; `None` if there is none.
pub(crate) fn way_to_listen(proxies: impl IntoIterator<Item = NetworkProxy>) -> Option<Way> {
    first(proxies, ProxyCapabilities::LISTENING, &[ProxyType::Socks5])
}

/// With the first proxy of a list that a connection can be made through; `None` if there is none.
pub(crate) fn way_to_connect(proxies: impl IntoIterator<Item = NetworkProxy>) -> Option<Way> {
    first(proxies, ProxyCapabilities::TUNNELING, &[ProxyType::Socks5, ProxyType::Http])
}

/// What a proxy is said to be able to, and what can be asked of its type here.
fn first(
    proxies: impl IntoIterator<Item = NetworkProxy>,
    wanted: ProxyCapabilities,
    known: &[ProxyType],
) -> Option<Way> {
    let mut able = proxies.into_iter().filter(|proxy| proxy.capabilities().contains(wanted));
    able.find_map(|proxy| match proxy.proxy_type() {
        ProxyType::None | ProxyType::Default => Some(Way::Direct),
        other => known.contains(&other).then_some(Way::Through(proxy)),
    })
}

#[cfg(test)]
mod tests {
    use super::{Way, way_to_connect, way_to_listen};
    use crate::{NetworkProxy, ProxyCapabilities, ProxyType};

    fn proxy(proxy_type: ProxyType) -> NetworkProxy {
        NetworkProxy::new(proxy_type, "p", 1)
    }

    #[test]
    fn the_first_that_can_is_taken() {
        use ProxyType::{Default, FtpCaching, Http, HttpCaching, None as Direct, Socks5};
        let through = |proxy_type| Some(Way::Through(proxy(proxy_type)));
        for (list, listens, connects) in [
            (vec![], None, None),
            (vec![Direct], Some(Way::Direct), Some(Way::Direct)),
            (vec![Default], Some(Way::Direct), Some(Way::Direct)),
            (vec![Http], None, through(Http)),
            (vec![Http, Direct], Some(Way::Direct), through(Http)),
            (vec![HttpCaching, FtpCaching], None, None),
            (vec![FtpCaching, Socks5, Direct], through(Socks5), through(Socks5)),
        ] {
            let proxies = || list.iter().copied().map(proxy);
            assert_eq!(way_to_listen(proxies()), listens, "{list:?}");
            assert_eq!(way_to_connect(proxies()), connects, "{list:?}");
        }
    }

    #[test]
    fn what_a_proxy_is_said_to_be_able_to_counts_where_it_can_be_asked() {
        let mut socks5 = proxy(ProxyType::Socks5);
        socks5.set_capabilities(ProxyCapabilities::TUNNELING);
        assert_eq!(way_to_listen([socks5.clone(), NetworkProxy::NONE]), Some(Way::Direct));
        assert_eq!(way_to_connect([socks5.clone()]), Some(Way::Through(socks5)));
        let mut http = proxy(ProxyType::Http);
        http.set_capabilities(ProxyCapabilities::all());
        assert_eq!(way_to_listen([http]), None);
        let mut direct = NetworkProxy::NONE;
        direct.set_capabilities(ProxyCapabilities::empty());
        assert_eq!(way_to_listen([direct]), None);
    }
}
