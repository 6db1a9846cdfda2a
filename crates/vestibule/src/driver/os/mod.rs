//! The driver of the operating system: epoll, and the calls on sockets around it.

mod change_list;
mod connection;
mod epoll;
mod events;
pub(crate) mod listener;
mod wait_for;
mod waker;

pub(crate) use connection::check_connected;
pub(super) use epoll::Epoll;
pub(crate) use waker::Waker;
