//! Where a server listens and who a peer is: [`HostAddress`], [`Endpoint`] and subnets.

mod classification;
mod endpoint;
mod host_address;
mod parse;
mod scope;
mod subnet;

pub use endpoint::Endpoint;
pub use host_address::{HostAddress, NetworkLayerProtocol};
pub use parse::AddressParseError;
pub use subnet::Subnet;

pub(crate) use host_address::Kind;
