use crate::error::SocketError;
use std::time::Duration;

/// What a signal can carry to its slots: implement it for a type of your own to have signals of it.
///
/// A signal that carries nothing is a `Signal<Sender>`.
pub trait SignalArgument: Clone + 'static {}

macro_rules! signal_arguments {
    ($($argument:ty),*) => { $(impl SignalArgument for $argument {})* };
}

signal_arguments!(bool, char, f32, f64, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);
signal_arguments!(Result<(), SocketError>, String, &'static str, Duration, SocketError);
