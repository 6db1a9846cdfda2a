//! A page of HTTP/1.1, on a connection of its own.

use crate::Outcome;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::os::fd::AsFd;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n";
const BODY: &[u8] = b"\r\n\r\nFortune cookie!\n";

/// A request that is sent, and what was heard of the answer.
#[derive(Debug, Default)]
pub(crate) struct Page {
    sent: usize,
    answer: Vec<u8>,
}

impl Page {
    /// Another request, on a connection that is new.
    pub(crate) fn begin(&mut self) {
        self.sent = 0;
        self.answer.clear();
    }

    /// Sends what is left of the request. True when all of it has gone.
    pub(crate) fn ask(&mut self, socket: impl AsFd) -> Outcome<bool> {
        while let Some(rest @ [_, ..]) = REQUEST.get(self.sent..) {
            match send(&socket, rest, SendFlags::NOSIGNAL) {
                Ok(length) => self.sent += length,
                // The second one: it is not connected yet.
                Err(Errno::AGAIN | Errno::NOTCONN) => return Ok(false),
                Err(error) => return Err(format!("cannot ask for a page: {error}").into()),
            }
        }
        Ok(true)
    }

    /// Reads what there is. True when the page and the end have come.
    pub(crate) fn hear(&mut self, socket: impl AsFd) -> Outcome<bool> {
        let mut buffer = [0; 1024];
        loop {
            match recv(&socket, &mut buffer, RecvFlags::empty()) {
                Ok((0, _)) if self.answer.starts_with(HEAD) && self.answer.ends_with(BODY) => {
                    return Ok(true);
                }
                Ok((0, _)) => {
                    return Err(format!("a wrong page: {}", String::from_utf8_lossy(&self.answer)).into());
                }
                Ok((length, _)) => self.answer.extend_from_slice(&buffer[..length]),
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(format!("cannot receive a page: {error}").into()),
            }
        }
    }
}
