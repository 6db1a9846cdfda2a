use super::network_proxy::NetworkProxy;
use super::proxy_type::ProxyType;
use crate::address::HostAddress;
use crate::error::{Error, Operation, SocketError};
use std::borrow::Cow;
use std::str::FromStr;

/// Reads `socks5://user:password@host:port`, also with `socks5h` or `http`; without a port it is 1080, for HTTP 8080. In user
/// and password `%40` is `@`, and so on. With `none` there is no proxy.
impl FromStr for NetworkProxy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text == "none" {
            return Ok(Self::NONE);
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it is not SCHEME://HOST:PORT"))?;
        let (proxy_type, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "socks5" | "socks5h" => (ProxyType::Socks5, 1080),
            "http" => (ProxyType::Http, 8080),
            // What is no scheme may be a user and a password.
            word if word.bytes().all(|byte| byte.is_ascii_alphanumeric()) && word.len() <= 12 => {
                return Err(wrong(format!("`{word}` is none of socks5, socks5h and http")));
            }
            _ => return Err(wrong("it begins with none of socks5, socks5h and http")),
        };
        // Nobody but the proxy is to see a password, so no error repeats what stands before the host.
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, rest),
        };
        let (host, port) = host_and_port(place.strip_suffix('/').unwrap_or(place), default_port)?;
        let proxy = Self::new(proxy_type, host, port);
        let Some(credentials) = credentials else { return Ok(proxy) };
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        Ok(proxy.with_credentials(decoded(user)?, decoded(password)?))
    }
}

fn wrong(words: impl Into<Cow<'static, str>>) -> Error {
    Error::said(Operation::ParseProxy, SocketError::ProxyNotFound, words)
}

fn host_and_port(place: &str, default_port: u16) -> Result<(&str, u16), Error> {
    let (host, port) = match place.strip_prefix('[') {
        Some(inner) => {
            let (host, behind) = inner.split_once(']').ok_or_else(|| wrong("`]` is missing"))?;
            let is_address = host.parse().is_ok_and(|address: HostAddress| address.to_ip_addr().is_some());
            if !is_address || !host.contains(':') {
                return Err(wrong("between `[` and `]` an IPv6 address must stand"));
            }
            match behind.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if behind.is_empty() => (host, None),
                None => return Err(wrong("`:` and a port may stand behind `]`")),
            }
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let is_name = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"/?#[]".contains(letter);
    if host.is_empty() || !host.chars().all(is_name) {
        return Err(wrong("it names no host"));
    }
    let Some(port) = port else { return Ok((host, default_port)) };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let number = port.parse().ok().filter(|number| digits && *number > 0);
    Ok((host, number.ok_or_else(|| wrong("its port is no number from 1 to 65535"))?))
}

/// The text with its `%40` and the like made letters.
fn decoded(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let digits = part.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
        bytes.push(
            byte.filter(|_| digits).ok_or_else(|| wrong("behind a `%` two hexadecimal digits must stand"))?,
        );
        bytes.extend(part.bytes().skip(2));
    }
    String::from_utf8(bytes).map_err(|_| wrong("user and password must be UTF-8"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use crate::{NetworkProxy, ProxyType};
    use proptest::prelude::*;

    #[test]
    fn a_text_is_a_proxy() {
        let read = |text: &str| text.parse::<NetworkProxy>().unwrap();
        let plain = NetworkProxy::new(ProxyType::Socks5, "proxy.example", 1080);
        for text in ["socks5://proxy.example", "SOCKS5h://proxy.example:1080/", " socks5://proxy.example "] {
            assert_eq!(read(text), plain, "{text}");
        }
        assert_eq!(read("none"), NetworkProxy::NONE);
        assert_eq!(read("http://[::1]"), NetworkProxy::new(ProxyType::Http, "::1", 8080));
        let asked = read("http://me%40home:se:c%2Fret@[::1]:3128");
        assert_eq!((asked.user(), asked.password(), asked.port()), ("me@home", "se:c/ret", 3128));
        assert_eq!(asked.to_string(), "http://[::1]:3128");
    }

    #[test]
    fn what_is_no_proxy_says_why_and_keeps_the_password() {
        for text in [
            "",
            "proxy.example:1080",
            "ftp://a",
            "socks5://",
            "socks5://:1080",
            "socks5://a:0",
            "socks5://a:99999",
            "socks5://a:+80",
            "socks5://a:",
            "socks5://[::1",
            "socks5://[::1]80",
            "socks5://a b",
            "socks5://a/b",
            "socks5://u:secret@",
            "socks5://u:secret%4@a",
            "socks5://u:secret%zz@a",
            "socks5://u:secret%ff@a:1",
            "socks4://u:secret@a",
            "u:secret@socks5://a",
            "u:sec://secret@a",
        ] {
            let error = text.parse::<NetworkProxy>().unwrap_err();
            assert!(error.to_string().starts_with("cannot read the proxy: "), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    proptest! {
        /// No text makes it panic, and what it prints reads the same but for who asks.
        #[test]
        fn any_text(text in "(socks5|http|x)://[a-z%:@\\[\\]/0-9 é]{0,20}|.{0,20}") {
            if let Ok(proxy) = text.parse::<NetworkProxy>() {
                let again = match proxy.proxy_type() {
                    ProxyType::None => NetworkProxy::NONE,
                    _ => proxy.to_string().parse().unwrap(),
                };
                prop_assert_eq!(again.with_credentials(proxy.user(), proxy.password()), proxy);
            }
        }
    }
}
