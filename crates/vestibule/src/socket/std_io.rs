use super::core::Flag;
use super::tcp_socket::TcpSocket;
use crate::driver::Token;
use std::io::{self, Read, Write};

/// Non-blocking, as `std` means it: `WouldBlock` when nothing is there, `Ok(0)` only at the end, `ConnectionReset` when
/// everything was read that came before the connection broke, `NotConnected` without a connection.
impl Read for &TcpSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = TcpSocket::read(self, buffer);
        match length {
            0 if buffer.is_empty() => Ok(0),
            0 if self.core().has(Flag::Broken) => Err(io::ErrorKind::ConnectionReset.into()),
            0 if self.core().is_closed() && self.core().token() == Token::NOWHERE => {
                Err(io::ErrorKind::NotConnected.into())
            }
            0 if !self.core().has_finished_reading() => Err(io::ErrorKind::WouldBlock.into()),
            length => Ok(length),
        }
    }
}

/// Takes all bytes or none, see [`TcpSocket::write`]; `WouldBlock` when too much waits to be sent.
impl Write for &TcpSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.core().can_write() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        match TcpSocket::write(self, bytes) {
            0 if !bytes.is_empty() && self.core().can_write() => Err(io::ErrorKind::WouldBlock.into()),
            0 if !bytes.is_empty() => Err(io::ErrorKind::BrokenPipe.into()),
            length => Ok(length),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        TcpSocket::flush(self);
        if self.core().has(Flag::Cut) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.bytes_to_write() == 0 { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}

/// As for `&TcpSocket`.
impl Read for TcpSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buffer)
    }
}

/// As for `&TcpSocket`.
impl Write for TcpSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut &*self)
    }
}
