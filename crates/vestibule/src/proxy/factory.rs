use super::network_proxy::NetworkProxy;
use super::proxy_type::ProxyType;
use super::query::NetworkProxyQuery;
use super::system::{Environment, proxies_of};
use std::sync::{Arc, PoisonError, RwLock};

/// Which proxies the application uses for what; the reference's `QNetworkProxyFactory`, for the static functions of that.
///
/// It is asked by servers and sockets whose own proxy is of type [`Default`](ProxyType::Default), once for each
/// `listen` and `connect_to_host`; the first proxy of the answer that can do what is wanted is used. Nothing is ever asked
/// for this host itself. What is set here holds for the whole process. Default: no proxy, and in particular none of those
/// that the environment names.
///
/// # Examples
///
/// ```
/// use vestibule::{NetworkProxy, NetworkProxyFactory, NetworkProxyQuery, ProxyType};
///
/// NetworkProxyFactory::set_application_proxy_factory(|query: &NetworkProxyQuery| {
///     if query.peer_host_name().ends_with(".internal") {
///         return vec![NetworkProxy::NONE];
///     }
///     vec![NetworkProxy::new(ProxyType::Socks5, "proxy.example", 1080), NetworkProxy::NONE]
/// });
/// let query = NetworkProxyQuery::for_socket("db.internal", 5432);
/// assert_eq!(NetworkProxyFactory::proxy_for_query(&query), [NetworkProxy::NONE]);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct NetworkProxyFactory;

type Factory = dyn Fn(&NetworkProxyQuery) -> Vec<NetworkProxy> + Send + Sync;

/// What the application has said.
#[derive(Clone)]
enum Application {
    Proxy(NetworkProxy),
    Factory(Arc<Factory>),
    System,
}

static APPLICATION: RwLock<Application> = RwLock::new(Application::Proxy(NetworkProxy::NONE));

/// Nothing runs under the lock that could panic.
fn application() -> Application {
    APPLICATION.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set(application: Application) {
    let earlier =
        std::mem::replace(&mut *APPLICATION.write().unwrap_or_else(PoisonError::into_inner), application);
    drop(earlier);
}

impl NetworkProxyFactory {
    /// Has a function decide which proxies are used; it may be called in any thread, and takes the place of the application's
    /// proxy and of the system's configuration. The reference's `setApplicationProxyFactory`.
    ///
    /// An empty answer means no proxy. A panic in it comes out of the call that needed the proxy.
    pub fn set_application_proxy_factory(
        factory: impl Fn(&NetworkProxyQuery) -> Vec<NetworkProxy> + Send + Sync + 'static,
    ) {
        set(Application::Factory(Arc::new(factory)));
    }

    /// Whether the proxies that the environment names are used (`no_proxy`, `http_proxy`, `https_proxy`, `ftp_proxy`,
    /// `all_proxy`): default false, because they break listening for programs that do not expect them. True takes the place of
    /// the application's proxy and of its factory. The reference's `setUseSystemConfiguration`.
    pub fn use_system_configuration(enable: bool) {
        if enable {
            set(Application::System);
        } else if Self::uses_system_configuration() {
            set(Application::Proxy(NetworkProxy::NONE));
        }
    }

    /// Whether the proxies that the environment names are used; the reference's `usesSystemConfiguration`.
    pub fn uses_system_configuration() -> bool {
        matches!(application(), Application::System)
    }

    /// The proxies that are to be tried for something, in this order; never empty. The reference's `proxyForQuery`.
    pub fn proxy_for_query(query: &NetworkProxyQuery) -> Vec<NetworkProxy> {
        if query.is_local() {
            return vec![NetworkProxy::NONE];
        }
        match application() {
            Application::Proxy(proxy) => vec![proxy],
            Application::Factory(factory) => {
                let proxies = factory(query);
                if proxies.is_empty() { vec![NetworkProxy::NONE] } else { proxies }
            }
            Application::System => {
                let mut proxies = Self::system_proxy_for_query(query);
                if proxies.last() != Some(&NetworkProxy::NONE) {
                    proxies.push(NetworkProxy::NONE);
                }
                proxies
            }
        }
    }

    /// What the environment says, whether or not it is used; never empty. The reference's `systemProxyForQuery`.
    ///
    /// `no_proxy` lists ends of names of hosts that are reached directly, `*` for all. The proxy for a
    /// [protocol tag](NetworkProxyQuery::with_protocol_tag) `http`, `https` or `ftp` is in `http_proxy` and so on, for others in
    /// `all_proxy`; where those say nothing, in `http_proxy`. What cannot be read counts as nothing.
    pub fn system_proxy_for_query(query: &NetworkProxyQuery) -> Vec<NetworkProxy> {
        proxies_of(&Environment::present(), query)
    }

    pub(super) fn application_proxy() -> NetworkProxy {
        match application() {
            Application::Proxy(proxy) => proxy,
            Application::Factory(_) | Application::System => NetworkProxy::NONE,
        }
    }

    pub(super) fn set_application_proxy(proxy: NetworkProxy) {
        let is_default = proxy.proxy_type() == ProxyType::Default;
        set(Application::Proxy(if is_default { NetworkProxy::NONE } else { proxy }));
    }
}
