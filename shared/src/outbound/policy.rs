//! Which URLs may be requested.
//!
//! What is judged is the parsed URL, in its one canonical form, and the same parsed URL is then requested: there is no
//! second parser that could read the host differently. The text is looked at as well, before and after parsing, because
//! the URL standard repairs a good deal (it drops tabs and newlines, turns backslashes into slashes, maps full-width
//! dots, decodes percent signs in hosts), and no honest service needs such repairs in the part that says where to go.
//! In paths and queries, spaces and letters outside ASCII are let through: file names have them.

use super::address::AddressRule;
use super::hosts::{HostPatterns, MAX_HOST_LENGTH};
use std::net::IpAddr;
use url::{Host, Url};

/// Pre-signed URLs with session tokens stay under 3 KB; this leaves room, and bounds what is parsed.
const MAX_URL_LENGTH: usize = 16 * 1024;

/// Why a URL is not requested. Carries the host at most: path and query can be secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not an absolute URL, or one that only a lenient parser would take.
    #[error("the URL is malformed")]
    Malformed,
    /// Another scheme than `https` (or `http`, when insecure downloads are allowed).
    #[error("the URL is not HTTPS")]
    NotHttps,
    /// A user name or password before the host.
    #[error("the URL for {host} names a user")]
    UserInfo {
        /// The host after the `@`.
        host: String,
    },
    /// Another port than 443.
    #[error("the URL for {host} names port {port}")]
    Port {
        /// The URL's host.
        host: String,
        /// The URL's port.
        port: u16,
    },
    /// An address literal that isn't public.
    #[error("{host} is not a public address")]
    Address {
        /// The address, as a URL writes it.
        host: String,
    },
    /// A host that is not on the list.
    #[error("the host {host} is not allowed")]
    Host {
        /// The URL's host: what would have to be added to the list.
        host: String,
    },
}

impl Refused {
    /// A stable code for people and records.
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

    /// The host of the refused URL, where it is known.
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

/// The first gate: judges every URL before it is requested.
#[derive(Clone, Debug)]
pub struct UrlPolicy {
    hosts: HostPatterns,
    insecure: bool,
}

impl UrlPolicy {
    /// A policy over a list of hosts. `insecure` (`ALLOW_INSECURE_DOWNLOADS`) admits `http`, any port and loopback.
    #[must_use]
    pub fn new(hosts: HostPatterns, insecure: bool) -> Self {
        Self { hosts, insecure }
    }

    /// A policy for one API: exactly the host of its base URL. Gives the parsed base as well.
    ///
    /// # Errors
    /// [`Refused`] if the base itself breaks a rule: not HTTPS, a port, user info, an address that isn't public.
    pub fn only_host_of(base: &str, insecure: bool) -> Result<(Self, Url), Refused> {
        let parsed = Url::parse(base).map_err(|_| Refused::Malformed)?;
        let policy = Self::new(HostPatterns::only_host_of(&parsed), insecure);
        let base = policy.parse(base)?;
        Ok((policy, base))
    }

    /// The same rules over another list of hosts.
    #[must_use]
    pub fn with_hosts(&self, hosts: HostPatterns) -> Self {
        Self::new(hosts, self.insecure)
    }

    /// What may be connected to under this policy.
    #[must_use]
    pub fn address_rule(&self) -> AddressRule {
        if self.insecure { AddressRule::PublicOrLoopback } else { AddressRule::Public }
    }

    /// Parses an absolute URL and judges it.
    ///
    /// # Errors
    /// [`Refused`] says which rule it breaks.
    pub fn parse(&self, text: &str) -> Result<Url, Refused> {
        check_text(text)?;
        let url = Url::parse(text).map_err(|_| Refused::Malformed)?;
        self.check_scheme(&url)?;
        let (_, after_scheme) = text.split_once(':').ok_or(Refused::Malformed)?;
        check_authority(after_scheme, &url)?;
        self.check(&url)?;
        Ok(url)
    }

    /// Resolves a `Location` header against the URL that answered with it, and judges the result like any other URL.
    ///
    /// # Errors
    /// [`Refused`] says which rule the target breaks.
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

    /// Judges a parsed URL. The HTTP client does this before each request.
    ///
    /// # Errors
    /// [`Refused`] says which rule it breaks; the first in the order of the variants.
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
        if let (Some(port), false) = (url.port(), self.insecure) {
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
            "http" if self.insecure => Ok(()),
            _ => Err(Refused::NotHttps),
        }
    }
}

/// What no URL may contain, absolute or relative. Backslashes count as slashes up to the query.
fn check_text(text: &str) -> Result<(), Refused> {
    let up_to_query = text.split(['?', '#']).next().unwrap_or_default();
    let sound = text.len() <= MAX_URL_LENGTH
        && text.trim() == text
        && !text.contains(char::is_control)
        && !up_to_query.contains('\\');
    if sound { Ok(()) } else { Err(Refused::Malformed) }
}

/// `text` begins at the `//` before the authority. `url` is what it was parsed to, for the host in the answer.
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
