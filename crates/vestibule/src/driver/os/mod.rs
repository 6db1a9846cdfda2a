//! The driver of the operating system: a poller, and the calls on sockets around it.

mod asking;
mod calls;
mod change_list;
mod connecting;
mod connection;
mod descriptor;
mod events;
pub(crate) mod listener;
mod options;
mod os_driver;
mod poller;
mod registration;
mod resting;
mod wait_for;
mod waker;

pub(crate) use calls::pin_to_core;
pub(crate) use connection::{check_connected, local_address};
pub(crate) use descriptor::{Descriptor, RELEASES};
pub(super) use os_driver::OsDriver;
pub(crate) use waker::Waker;
#[cfg(feature = "tokio")]
pub(crate) use {
    asking::{accept_from, arrival_of, kernel_queue_of, queue_overflows, reserve_descriptor},
    connection::send_now,
    descriptor::Release,
    listener::check_listening,
};
