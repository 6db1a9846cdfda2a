//! Which proxy is used for what, and what is said to it: pure decisions and codecs without I/O.
//!
//! Only [`NetworkProxyFactory`] holds something global, the application's choice, as the reference does.

mod bindings;
mod capabilities;
mod choice;
mod factory;
mod handshake;
mod http_connect;
mod network_proxy;
mod parse;
mod proxy_type;
mod query;
mod refusal;
mod socks5;
mod socks5_reply;
mod system;

#[cfg(any(test, fuzzing))]
mod fuzzing;
#[cfg(test)]
mod tests;

pub use capabilities::ProxyCapabilities;
pub use factory::NetworkProxyFactory;
pub use network_proxy::NetworkProxy;
pub use proxy_type::ProxyType;
pub use query::{NetworkProxyQuery, ProxyQueryType};

pub(crate) use bindings::{BindFailed, BindFault, Bindings, NextBind};
pub(crate) use choice::{Way, way_to_connect, way_to_listen};
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzing::fuzz_proxies;
pub(crate) use handshake::{Handshake, Progress};
pub(crate) use query::is_this_host;
pub(crate) use refusal::ProxyRefusal;
pub(crate) use socks5::Request;
