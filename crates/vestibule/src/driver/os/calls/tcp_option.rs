//! What the kernel tells of a connection or a listener, and the option of a listener for which no safe wrapper exists.

use crate::driver::{Arrival, KernelQueue};
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// The state of a connection that was reset, `TCP_CLOSE`.
const CLOSED: u8 = 7;
/// Of the kernel's `tcp_info`, whose layout never changes but by growth: the state, and the numbers behind the first 8 bytes.
const STATE: usize = 0;
const UNACKED: usize = 24;
const SACKED: usize = 28;
const LAST_DATA_SENT: usize = 44;
const LENGTH: usize = 48;
const SOCKET_LENGTH: libc::socklen_t = 48;
/// Of the value of most options.
const INT_LENGTH: libc::socklen_t = 4;

/// The beginning of `tcp_info`; all bytes are there.
#[allow(unsafe_code, reason = "neither std nor rustix can ask for TCP_INFO")]
fn tcp_info(descriptor: BorrowedFd<'_>) -> Result<[u8; LENGTH], Errno> {
    let mut info = [0_u8; LENGTH];
    let mut length = SOCKET_LENGTH;
    // SAFETY: the descriptor is open while it is borrowed; `info` is a writable buffer of exactly `length` bytes, of which
    // the kernel writes at most so many, and `length` is a valid place for what it wrote.
    let result = unsafe {
        libc::getsockopt(
            descriptor.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result == 0 && length == SOCKET_LENGTH {
        Ok(info)
    } else {
        let error = std::io::Error::last_os_error();
        Err(Errno::from_io_error(&error).filter(|_| result != 0).unwrap_or(Errno::OPNOTSUPP))
    }
}

/// Keeps clients in the kernel until they have sent something, at most about so long: it counts in retransmissions.
#[allow(unsafe_code, reason = "neither std nor rustix can set TCP_DEFER_ACCEPT")]
pub(in crate::driver::os) fn set_defer_accept(descriptor: impl AsFd, limit: Duration) -> Result<(), Errno> {
    let seconds = libc::c_int::try_from(limit.as_secs()).unwrap_or(libc::c_int::MAX).max(1);
    // SAFETY: the descriptor is open while it is borrowed; the value is an int that lives through the call, and the length is
    // that of an int.
    let result = unsafe {
        libc::setsockopt(
            descriptor.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            INT_LENGTH,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
    }
}

fn number(info: &[u8; LENGTH], at: usize) -> u32 {
    let bytes = info.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_ne_bytes)
}

/// Whether a connection is dead, and since when it stands: nothing was sent on it yet, and the time since something was
/// begins with the handshake.
pub(in crate::driver::os) fn arrival(descriptor: impl AsFd) -> Option<Arrival> {
    let info = tcp_info(descriptor.as_fd()).ok()?;
    let age = Duration::from_millis(number(&info, LAST_DATA_SENT).into());
    Some(Arrival { dead: info.get(STATE) == Some(&CLOSED), age: Some(age) })
}

/// Of a listener the kernel tells the length of the queue in the place of unacknowledged segments, and its limit in the next.
pub(in crate::driver::os) fn kernel_queue(descriptor: impl AsFd) -> Option<KernelQueue> {
    let info = tcp_info(descriptor.as_fd()).ok()?;
    Some(KernelQueue { depth: number(&info, UNACKED), limit: number(&info, SACKED), overflows: None })
}

/// How often a queue of the network namespace was full.
pub(in crate::driver::os) fn queue_overflows() -> Option<u64> {
    overflows(&std::fs::read_to_string("/proc/net/netstat").ok()?)
}

/// The counter stands under its name, in a line of names followed by a line of numbers.
fn overflows(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let at = lines.next()?.split_whitespace().position(|name| name == "ListenOverflows")?;
    lines.next()?.split_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::overflows;

    #[test]
    fn the_counter_is_found_by_its_name() {
        let text = "TcpExt: A ListenOverflows B\nTcpExt: 1 23 4\nIpExt: A\nIpExt: 5\n";
        assert_eq!(overflows(text), Some(23));
        assert_eq!(overflows("TcpExt: A B\nTcpExt: 1 2\n"), None);
    }
}
