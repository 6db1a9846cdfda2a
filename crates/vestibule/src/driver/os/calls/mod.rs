//! System calls that are not the same everywhere: one file a system, the same functions in the same order.

mod affinity;
#[cfg(all(target_os = "linux", not(vestibule_polling)))]
mod linux;
#[cfg(any(not(target_os = "linux"), vestibule_polling))]
mod portable;
mod retried;
#[cfg(target_os = "linux")]
mod tcp_option;
mod timespec;
#[cfg(not(target_os = "linux"))]
mod untold;
mod user_timeout;

pub(crate) use affinity::pin_to_core;
#[cfg(all(target_os = "linux", not(vestibule_polling)))]
pub(super) use linux::{Doorbell, END_OF_PEER, accept, accepts, family, interface_index, send_flags, socket};
#[cfg(any(not(target_os = "linux"), vestibule_polling))]
pub(super) use portable::{
    Doorbell, END_OF_PEER, accept, accepts, family, interface_index, send_flags, socket,
};
pub(super) use retried::retried;
#[cfg(target_os = "linux")]
pub(super) use tcp_option::{arrival, kernel_queue, queue_overflows, set_defer_accept};
pub(super) use timespec::timespec;
#[cfg(not(target_os = "linux"))]
pub(super) use untold::{arrival, kernel_queue, queue_overflows, set_defer_accept};
pub(super) use user_timeout::{set_user_timeout, user_timeout};
