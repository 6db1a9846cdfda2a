use rustix::io::Errno;

/// The call's result, tried again when a signal interrupted it.
pub(in crate::driver::os) fn retried<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
