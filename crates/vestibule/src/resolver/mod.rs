//! Names of hosts become addresses, in threads of their own: the system's call for it blocks.

mod literal;
mod lookup;
mod threads;

pub(crate) use literal::literal;
pub(crate) use lookup::Lookup;
