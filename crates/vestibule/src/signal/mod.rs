//! Signals and slots: [`Signal`], its [`SlotId`]s, and the list of slots that they share.

mod argument;
mod signal_type;
mod slot;
mod slot_list;

pub use argument::SignalArgument;
pub use signal_type::Signal;
pub use slot_list::SlotId;

pub(crate) use slot::{Slot, fixed, slot};
pub(crate) use slot_list::SlotList;
