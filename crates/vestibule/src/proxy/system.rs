use super::network_proxy::NetworkProxy;
use super::query::NetworkProxyQuery;
use std::collections::HashMap;

/// The tags of protocols whose proxy has a variable of its own.
const TAGS: [&str; 3] = ["http", "https", "ftp"];

/// What the environment says of proxies.
#[derive(Debug, Default)]
pub(super) struct Environment(HashMap<String, String>);

impl Environment {
    /// As it is now. Names are in small letters alone: a client of a CGI program can set `HTTP_PROXY`.
    pub(super) fn present() -> Self {
        let names = TAGS.iter().chain(&["all", "no"]).map(|tag| format!("{tag}_proxy"));
        Self(names.filter_map(|name| std::env::var(&name).ok().map(|value| (name, value))).collect())
    }

    fn get(&self, tag: &str) -> Option<&str> {
        self.0.get(&format!("{tag}_proxy")).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// The proxies that an environment names for something.
pub(super) fn proxies_of(environment: &Environment, query: &NetworkProxyQuery) -> Vec<NetworkProxy> {
    let direct = || vec![NetworkProxy::NONE];
    if environment.get("no").is_some_and(|list| is_exempt(list, query.peer_host_name())) {
        return direct();
    }
    let tag = query.protocol_tag().to_ascii_lowercase();
    let own = if TAGS.contains(&tag.as_str()) { environment.get(&tag) } else { environment.get("all") };
    let named = own.or_else(|| environment.get("http"));
    let Some(text) = named else { return direct() };
    // Many leave out what a proxy for HTTP begins with.
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    url.parse().map_or_else(|_| direct(), |proxy| vec![proxy])
}

/// Whether a host ends in one of the names of a list.
fn is_exempt(list: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    list.split(',').map(str::trim).any(|entry| {
        let entry = entry.trim_start_matches('*').trim_end_matches('.').to_ascii_lowercase();
        match entry.trim_start_matches('.') {
            "" => list.contains('*') && entry.is_empty(),
            name => host.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.')),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Environment, proxies_of};
    use crate::{NetworkProxy, NetworkProxyQuery, ProxyType};

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_variable_of_the_protocol_comes_first() {
        let all = environment(&[
            ("http_proxy", "web:1"),
            ("ftp_proxy", "http://files:2"),
            ("all_proxy", "socks5://all:3"),
        ]);
        let query = NetworkProxyQuery::for_socket("there.example", 80);
        let socks5 = NetworkProxy::new(ProxyType::Socks5, "all", 3);
        assert_eq!(proxies_of(&all, &query), std::slice::from_ref(&socks5));
        assert_eq!(proxies_of(&all, &NetworkProxyQuery::for_server(0)), [socks5]);
        for (tag, host, port) in [("http", "web", 1), ("FTP", "files", 2), ("https", "web", 1)] {
            let proxy = NetworkProxy::new(ProxyType::Http, host, port);
            assert_eq!(proxies_of(&all, &query.clone().with_protocol_tag(tag)), [proxy], "{tag}");
        }
        for unusable in ["", "  ", "ftp://there", "socks5://"] {
            let one = environment(&[("all_proxy", unusable)]);
            assert_eq!(proxies_of(&one, &query), [NetworkProxy::NONE], "{unusable}");
        }
    }

    #[test]
    fn some_hosts_are_exempt() {
        let reached_directly = |list: &str, host: &str| {
            let environment = environment(&[("no_proxy", list), ("all_proxy", "socks5://all:3")]);
            proxies_of(&environment, &NetworkProxyQuery::for_socket(host, 1)) == [NetworkProxy::NONE]
        };
        for (list, host) in [
            ("*", "a"),
            ("a", "a"),
            ("a.example", "b.a.example"),
            (".example", "a.example"),
            ("*.example", "a.EXAMPLE"),
            ("x, a.example. ,y", "a.example."),
            (".a", "a"),
        ] {
            assert!(reached_directly(list, host), "{list} {host}");
        }
        for (list, host) in [("", "a"), (",", "a"), ("a", "ba"), ("a.example", "example"), (".", "a")] {
            assert!(!reached_directly(list, host), "{list} {host}");
        }
    }
}
