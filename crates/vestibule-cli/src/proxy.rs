//! The proxy that is asked to listen, if there is one.

use crate::arguments::Proxy;
use std::error::Error;
use std::path::Path;
use vestibule::{NetworkProxy, ProxyType};

/// What holds the password when it is said nowhere else.
const VARIABLE: &str = "VESTIBULE_PROXY_PASSWORD";

impl Proxy {
    /// The proxy that was asked for, with its password.
    pub(crate) fn chosen(&self) -> Result<Option<NetworkProxy>, Box<dyn Error>> {
        let Some(url) = &self.url else { return Ok(None) };
        let mut proxy: NetworkProxy = url.parse()?;
        if proxy.proxy_type() != ProxyType::Socks5 {
            return Err("a server can listen through a SOCKS5 proxy alone".into());
        }
        if let Some(file) = &self.password_file {
            proxy.set_password(first_line(file)?);
        } else if proxy.password().is_empty() && !proxy.user().is_empty() {
            proxy.set_password(std::env::var(VARIABLE).unwrap_or_default());
        }
        Ok(Some(proxy))
    }
}

fn first_line(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read the password in {}: {error}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
