//! Decides which URLs may be requested.
//!
//! The check is on the parsed URL in its canonical form, and that same parsed URL is then requested, so no second
//! parser can read the host differently. The text is checked as well, because the URL standard repairs a lot (it drops
//! tabs and newlines, turns backslashes into slashes, maps full-width dots, decodes percent signs in hosts), and no
//! honest service needs such repairs in the scheme and authority. Paths and queries may contain spaces and non-ASCII
//! letters, since file names do.

use super::address::AddressRule;
use super::hosts::{HostPatterns, MAX_HOST_LENGTH};
use std::net::IpAddr;
use url::{Host, Url};

/// Longest accepted URL, in bytes. Pre-signed URLs with session tokens stay under 3 KB.
const MAX_URL_LENGTH: usize = 16 * 1024;

/// Why a URL is refused. Carries at most the host: path and query can be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not an absolute URL, or one that only a lenient parser accepts.
    #[error("the URL is malformed")]
    Malformed,
    /// A scheme other than `https` (or `http`, if insecure downloads are allowed).
    #[error("the URL is not HTTPS")]
    NotHttps,
    /// A user name or password before the host.
    #[error("the URL for {host} contains a user name or password")]
    UserInfo {
        /// The host after the `@`.
        host: String,
    },
    /// A port other than 443.
    #[error("the URL for {host} uses port {port}")]
    Port {
        /// The URL's host.
        host: String,
        /// The URL's port.
        port: u16,
    },
    /// A literal of a non-public address.
    #[error("{host} is not a public address")]
    Address {
        /// The address, as it is written in a URL.
        host: String,
    },
    /// A host that is not on the list.
    #[error("the host {host} is not allowed")]
    Host {
        /// The URL's host, which would have to be added to the list.
        host: String,
    },
}

impl Refused {
    /// A stable code for logs, records and operators.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed_url",
            Self::NotHttps => "not_https",
            Self::UserInfo { .. } => "user_info_not_allowed",
            Self::Port { .. } => "port_not_allowed",
            Self::Address { .. } => "address_not_public",
            Self::Host { .. } => "host_not_allowed",
        }
    }

    /// The host of the refused URL, if it is known.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Malformed | Self::NotHttps => None,
            Self::UserInfo { host } | Self::Port { host, .. } | Self::Address { host } | Self::Host { host } => {
                Some(host)
            }
        }
    }
}

/// Checks every URL before it is requested: the first of the two checks.
#[derive(Clone, Debug)]
pub struct UrlPolicy {
    hosts: HostPatterns,
    addresses: AddressRule,
}

impl UrlPolicy {
    /// A policy for a list of hosts. `addresses` (`ALLOW_INSECURE_DOWNLOADS`) limits the addresses that they may resolve to.
    /// Any other rule than [`AddressRule::Public`] also permits `http` and any port; `true` stands for loopback.
    #[must_use]
    pub fn new(hosts: HostPatterns, addresses: impl Into<AddressRule>) -> Self {
        Self { hosts, addresses: addresses.into() }
    }

    /// A policy for one API: only the host of its base URL. Returns the parsed base URL as well.
    ///
    /// # Errors
    /// [`Refused`] if the base URL itself breaks a rule: not HTTPS, a port, user info, a non-public address.
    pub fn only_host_of(base: &str, addresses: impl Into<AddressRule>) -> Result<(Self, Url), Refused> {
        let parsed = Url::parse(base).map_err(|_| Refused::Malformed)?;
        let policy = Self::new(HostPatterns::only_host_of(&parsed), addresses);
        let base = policy.parse(base)?;
        Ok((policy, base))
    }

    /// The same rules for another list of hosts.
    #[must_use]
    pub fn with_hosts(&self, hosts: HostPatterns) -> Self {
        Self::new(hosts, self.addresses)
    }

    /// Which addresses may be connected to under this policy.
    #[must_use]
    pub fn address_rule(&self) -> AddressRule {
        self.addresses
    }

    /// Whether plain HTTP and other ports than 443 are allowed.
    fn is_insecure(&self) -> bool {
        self.addresses != AddressRule::Public
    }

    /// Parses an absolute URL and checks it.
    ///
    /// # Errors
    /// [`Refused`] names the rule that it breaks.
    pub fn parse(&self, text: &str) -> Result<Url, Refused> {
        check_text(text)?;
        let url = Url::parse(text).map_err(|_| Refused::Malformed)?;
        self.check_scheme(&url)?;
        let (_, after_scheme) = text.split_once(':').ok_or(Refused::Malformed)?;
        check_authority(after_scheme, &url)?;
        self.check(&url)?;
        Ok(url)
    }

    /// Resolves a `Location` header against the URL that returned it, and checks the result like any other URL.
    ///
    /// # Errors
    /// [`Refused`] names the rule that the target breaks.
    pub fn redirect(&self, from: &Url, location: &[u8]) -> Result<Url, Refused> {
        let text = str::from_utf8(location).map_err(|_| Refused::Malformed)?;
        check_text(text)?;
        if Url::parse(text).is_ok() {
            return self.parse(text);
        }
        let target = from.join(text).map_err(|_| Refused::Malformed)?;
        if text.starts_with("//") {
            check_authority(text, &target)?;
        }
        self.check(&target)?;
        Ok(target)
    }

    /// Checks a parsed URL. The HTTP client calls this before each request.
    ///
    /// # Errors
    /// [`Refused`] names the first rule that it breaks, in this order: scheme, syntax of the host, user info, port,
    /// address, list of hosts.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        self.check_scheme(url)?;
        let name = url.host_str().ok_or(Refused::Malformed)?;
        let empty_label = name.split('.').any(str::is_empty);
        if name.len() > MAX_HOST_LENGTH || (empty_label && matches!(url.host(), Some(Host::Domain(_)))) {
            return Err(Refused::Malformed);
        }
        let host = || name.to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::UserInfo { host: host() });
        }
        if let (Some(port), false) = (url.port(), self.is_insecure()) {
            return Err(Refused::Port { host: host(), port });
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) | None => None,
        };
        if address.is_some_and(|address| !self.address_rule().permits(address)) {
            return Err(Refused::Address { host: host() });
        }
        if !self.hosts.allows(name) {
            return Err(Refused::Host { host: host() });
        }
        Ok(())
    }

    fn check_scheme(&self, url: &Url) -> Result<(), Refused> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.is_insecure() => Ok(()),
            _ => Err(Refused::NotHttps),
        }
    }
}

/// Checks the text of an absolute or relative URL: its length, no surrounding whitespace, no control characters, and no
/// backslash before the query, where parsers turn it into a slash.
fn check_text(text: &str) -> Result<(), Refused> {
    let up_to_query = text.split(['?', '#']).next().unwrap_or_default();
    let sound = text.len() <= MAX_URL_LENGTH
        && text.trim() == text
        && !text.contains(char::is_control)
        && !up_to_query.contains('\\');
    if sound { Ok(()) } else { Err(Refused::Malformed) }
}

/// Checks the authority as it was written. `text` begins with the `//` before it. `url` is the parsed URL, for the host
/// in the error.
fn check_authority(text: &str, url: &Url) -> Result<(), Refused> {
    let rest = text.strip_prefix("//").ok_or(Refused::Malformed)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('%') || !authority.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refused::Malformed);
    }
    if authority.contains('@') {
        let host = url.host_str().unwrap_or_default().to_owned();
        return Err(Refused::UserInfo { host });
    }
    Ok(())
}
