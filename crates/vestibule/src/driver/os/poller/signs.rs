/// What a poller is asked to tell of a descriptor, or tells, as a set of bits. Asked for none: not registered.
pub(in crate::driver::os) type Signs = u8;
/// Registered, if only for hang-ups and errors where the system tells those unasked.
pub(in crate::driver::os) const WATCH: Signs = 1;
/// There is something to receive or to accept.
pub(in crate::driver::os) const READ: Signs = 2;
/// The peer's end has come, perhaps behind unread bytes.
pub(in crate::driver::os) const END: Signs = 4;
/// There is room to send.
pub(in crate::driver::os) const WRITE: Signs = 8;
/// Both directions have ended.
pub(in crate::driver::os) const HANGUP: Signs = 16;
/// Of those that wait for the same listener only one is to be woken, where the system can do that.
pub(in crate::driver::os) const EXCLUSIVE: Signs = 64;
/// The connection broke.
pub(in crate::driver::os) const ERROR: Signs = 32;
