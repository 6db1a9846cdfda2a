//! Rates and sources against naive models, and permits on every path.

#![allow(clippy::unwrap_used, reason = "tests")]

mod loom;
mod permits;
mod rates;
mod sources;
