//! What the library says to a log: through `tracing` with the feature of that name, to nobody without it.

/// Something a person who runs a server should know.
macro_rules! warning {
    ($($message:tt)*) => {{
        #[cfg(feature = "tracing")]
        tracing::warn!(target: "vestibule", $($message)*);
        #[cfg(not(feature = "tracing"))]
        let _ = format_args!($($message)*);
    }};
}

pub(crate) use warning;
