//! A network in memory with virtual time and a seed, and the driver that runs on it.

mod client;
mod connecting;
mod connection;
mod events;
mod exploring;
mod listening;
mod network;
mod pipe;
mod script;
mod simulated_driver;
mod state;

pub use client::SimulatedClient;
pub use exploring::explore;
pub use network::SimulatedNetwork;

pub(crate) use connection::SimulatedConnection;
pub(super) use simulated_driver::SimulatedDriver;
