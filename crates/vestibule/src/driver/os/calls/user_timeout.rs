use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How long sent bytes may stay unacknowledged; 0 in the system's count is its default.
#[cfg(target_os = "linux")]
pub(in crate::driver::os) fn set_user_timeout(
    descriptor: &OwnedFd,
    timeout: Option<Duration>,
) -> Result<(), Errno> {
    let milliseconds = timeout.map_or(0, |timeout| timeout.as_millis().max(1));
    let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(descriptor, milliseconds)
}

#[cfg(target_os = "linux")]
pub(in crate::driver::os) fn user_timeout(descriptor: &OwnedFd) -> Result<Option<Duration>, Errno> {
    let milliseconds = rustix::net::sockopt::tcp_user_timeout(descriptor)?;
    Ok((milliseconds > 0).then(|| Duration::from_millis(milliseconds.into())))
}

/// Elsewhere it cannot be said.
#[cfg(not(target_os = "linux"))]
pub(in crate::driver::os) fn set_user_timeout(
    _descriptor: &OwnedFd,
    _timeout: Option<Duration>,
) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(not(target_os = "linux"))]
pub(in crate::driver::os) fn user_timeout(_descriptor: &OwnedFd) -> Result<Option<Duration>, Errno> {
    Err(Errno::OPNOTSUPP)
}
