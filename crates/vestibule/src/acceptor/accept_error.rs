use rustix::io::Errno;
use std::io;

/// What an error of accept(2) is about, and so what a server does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AcceptErrorClass {
    /// Nothing is wrong: nobody is waiting, or a signal interrupted the call.
    Nothing,
    /// The one connection failed before it was accepted: the next one is accepted.
    Connection,
    /// The process or the system ran out of descriptors or memory: accepting pauses and goes on by itself.
    Resources,
    /// The listening descriptor is none (any more): the server stops listening.
    Broken,
    /// An error that accept(2) does not document: told, and treated like lacking resources, so that it neither
    /// ends the server nor spins.
    Unknown,
}

impl AcceptErrorClass {
    /// The class of an error that accept(2) returned.
    ///
    /// | class | errors |
    /// | --- | --- |
    /// | `Nothing` | `EAGAIN` `EINTR` |
    /// | `Connection` | `ECONNABORTED` `ECONNRESET` `EPERM` `EPROTO` `ETIMEDOUT` `ENETDOWN` `ENOPROTOOPT` `EHOSTDOWN` `ENONET` `EHOSTUNREACH` `ENETUNREACH` |
    /// | `Resources` | `EMFILE` `ENFILE` `ENOBUFS` `ENOMEM` `ENOSR` |
    /// | `Broken` | `EBADF` `ENOTSOCK` `EINVAL` `EOPNOTSUPP` |
    /// | `Unknown` | all others |
    ///
    /// `EPERM` is a firewall's veto; the network errors are those of the connection, which Linux passes on. The table holds
    /// for Linux, the BSDs and macOS; errors that a system lacks (`ENONET` elsewhere than on Linux, `ENOSR` on some) do not
    /// occur there.
    ///
    /// ```
    /// use std::io;
    /// use vestibule::AcceptErrorClass;
    ///
    /// let out_of_descriptors = io::Error::from_raw_os_error(24); // EMFILE
    /// assert_eq!(AcceptErrorClass::of(&out_of_descriptors), AcceptErrorClass::Resources);
    /// ```
    pub fn of(error: &io::Error) -> Self {
        Errno::from_io_error(error).map_or(Self::Unknown, Self::of_errno)
    }

    pub(crate) fn of_errno(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN | Errno::INTR => Self::Nothing,
            Errno::CONNABORTED | Errno::CONNRESET | Errno::PERM | Errno::PROTO | Errno::TIMEDOUT => {
                Self::Connection
            }
            Errno::NETDOWN | Errno::NOPROTOOPT | Errno::HOSTDOWN | Errno::HOSTUNREACH | Errno::NETUNREACH => {
                Self::Connection
            }
            #[cfg(target_os = "linux")]
            Errno::NONET => Self::Connection,
            #[cfg(any(target_os = "linux", target_vendor = "apple", target_os = "netbsd"))]
            Errno::NOSR => Self::Resources,
            Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Self::Resources,
            Errno::BADF | Errno::NOTSOCK | Errno::INVAL | Errno::OPNOTSUPP => Self::Broken,
            _ => Self::Unknown,
        }
    }
}
