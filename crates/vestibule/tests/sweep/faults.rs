//! The errors of accept(2), by class, with their numbers on Linux.

use vestibule::AcceptErrorClass::{self, Broken, Connection, Nothing, Resources, Unknown};

/// The n-th accept fails so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) nth: u64,
    pub(crate) errno: i32,
}

pub(crate) const CLASSES: [AcceptErrorClass; 5] = [Nothing, Connection, Resources, Broken, Unknown];

/// All in the table of `AcceptErrorClass::of`, and two that it does not know.
pub(crate) const ERRNOS: [(i32, AcceptErrorClass); 24] = [
    (11, Nothing),     // EAGAIN
    (4, Nothing),      // EINTR
    (103, Connection), // ECONNABORTED
    (104, Connection), // ECONNRESET
    (1, Connection),   // EPERM
    (71, Connection),  // EPROTO
    (110, Connection), // ETIMEDOUT
    (100, Connection), // ENETDOWN
    (92, Connection),  // ENOPROTOOPT
    (112, Connection), // EHOSTDOWN
    (64, Connection),  // ENONET
    (113, Connection), // EHOSTUNREACH
    (101, Connection), // ENETUNREACH
    (24, Resources),   // EMFILE
    (23, Resources),   // ENFILE
    (105, Resources),  // ENOBUFS
    (12, Resources),   // ENOMEM
    (63, Resources),   // ENOSR
    (9, Broken),       // EBADF
    (88, Broken),      // ENOTSOCK
    (22, Broken),      // EINVAL
    (95, Broken),      // EOPNOTSUPP
    (5, Unknown),      // EIO
    (14, Unknown),     // EFAULT
];

/// What the table says of an error.
pub(crate) fn class_of(errno: i32) -> AcceptErrorClass {
    ERRNOS.iter().find(|(known, _)| *known == errno).unwrap().1
}

/// An error of the class with this number, which one by the seed.
pub(crate) fn of_class(number: u64, seed: u64) -> i32 {
    let class = CLASSES[usize::try_from(number).unwrap() % CLASSES.len()];
    let errnos: Vec<i32> = ERRNOS.iter().filter(|(_, of)| *of == class).map(|(errno, _)| *errno).collect();
    errnos[usize::try_from(seed % errnos.len() as u64).unwrap()]
}
