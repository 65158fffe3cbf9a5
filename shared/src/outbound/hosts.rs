//! The hosts that may be contacted: the setting `DOWNLOAD_HOSTS`.
//!
//! A comma-separated list of exact hosts and `*.suffix` patterns. `*.example.com` matches every name below
//! `example.com`, at any depth, but not `example.com` itself (as in a certificate), so a domain with its subdomains
//! needs two entries. Names are compared in the canonical form of a parsed URL: lower case, punycode, no trailing dot.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use url::Url;

/// The longest name that DNS can carry, in its textual form (RFC 1035, section 2.3.4).
pub(super) const MAX_HOST_LENGTH: usize = 253;

/// A list of hosts and `*.suffix` patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPatterns(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// A name or an address, as `Url::host_str` writes it.
    Exact(String),
    /// The suffix after `*.`.
    Below(String),
}

/// An entry of `DOWNLOAD_HOSTS` that is neither a host nor `*.suffix`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is neither a host nor `*.suffix`: {reason}")]
pub struct InvalidHostPattern {
    /// The entry as it was written.
    pub pattern: String,
    /// Why it is invalid.
    pub reason: &'static str,
}

impl HostPatterns {
    /// Parses a comma-separated list. Spaces around an entry and upper case are ignored.
    ///
    /// # Errors
    /// [`InvalidHostPattern`] names the first invalid entry: empty, with a scheme, a port or a path, a `*` anywhere but
    /// as the first label, a wildcard for a whole top-level domain, non-ASCII letters, or an address in an unusual
    /// notation.
    pub fn parse(list: &str) -> Result<Self, InvalidHostPattern> {
        list.split(',').map(|entry| parse_pattern(entry.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// A list with only the host of `url`; empty if the URL has none.
    #[must_use]
    pub fn only_host_of(url: &Url) -> Self {
        Self(url.host_str().map(|host| Pattern::Exact(host.to_owned())).into_iter().collect())
    }

    /// Whether `host`, as `Url::host_str` writes it, is on the list.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exact(exact) => host == exact,
            Pattern::Below(suffix) => host
                .strip_suffix(suffix.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .is_some_and(|below| below.split('.').all(|label| !label.is_empty())),
        })
    }
}

impl fmt::Display for HostPatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, pattern) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "," };
            match pattern {
                Pattern::Exact(host) => write!(f, "{separator}{host}")?,
                Pattern::Below(suffix) => write!(f, "{separator}*.{suffix}")?,
            }
        }
        Ok(())
    }
}

fn parse_pattern(entry: &str) -> Result<Pattern, InvalidHostPattern> {
    let refuse = |reason| Err(InvalidHostPattern { pattern: entry.to_owned(), reason });
    let lower = entry.to_ascii_lowercase();
    if let Some(suffix) = lower.strip_prefix("*.") {
        return match check_name(suffix) {
            Ok(()) if !suffix.contains('.') => refuse("it would allow a whole top-level domain"),
            Ok(()) => Ok(Pattern::Below(suffix.to_owned())),
            Err(reason) => refuse(reason),
        };
    }
    let bare = lower.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&lower);
    if let Ok(address) = bare.parse::<Ipv6Addr>() {
        // A parsed URL writes IPv6 addresses in this canonical form, with brackets.
        return Ok(Pattern::Exact(url::Host::<&str>::Ipv6(address).to_string()));
    }
    if lower.parse::<Ipv4Addr>().is_ok() {
        return Ok(Pattern::Exact(lower));
    }
    match check_name(&lower) {
        Ok(()) => Ok(Pattern::Exact(lower)),
        Err(reason) => refuse(reason),
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.contains('*') {
        return Err("`*` is allowed only at the start, as `*.`");
    }
    if !name.is_ascii() {
        return Err("write it in punycode (xn--…)");
    }
    if name.contains(['/', ':', '@']) {
        return Err("give only the host, without scheme, user, port or path");
    }
    if name.len() > MAX_HOST_LENGTH || name.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return Err("a label is empty or too long");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        return Err("only letters, digits, `-`, `_` and `.` are allowed");
    }
    // URL parsers take a name whose last label looks like a number for an IPv4 address, so it could never match.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("write an IPv4 address as four decimal numbers");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_hosts_and_suffixes_match_only_their_names() {
        let patterns = HostPatterns::parse("Files.Example, *.store.example ,127.0.0.1,[::1],2606:4700::1111").unwrap();
        for host in ["files.example", "a.store.example", "b.a.store.example", "127.0.0.1", "[::1]", "[2606:4700::1111]"]
        {
            assert!(patterns.allows(host), "{host}");
        }
        for host in [
            "",
            "example",
            "a.files.example",
            "xfiles.example",
            "files.example.evil",
            "files.example.",
            "store.example",
            "evilstore.example",
            ".store.example",
            "a..store.example",
            "..store.example",
            "a.store.example.",
            "a.store.example.evil",
            "127.0.0.2",
            "1.127.0.0.1",
            "[::2]",
            "::1",
        ] {
            assert!(!patterns.allows(host), "{host}");
        }
    }

    #[test]
    fn the_list_is_displayed_in_canonical_form() {
        let patterns = HostPatterns::parse("Files.Example , *.Store.example,::1").unwrap();
        assert_eq!(patterns.to_string(), "files.example,*.store.example,[::1]");
        assert_eq!(HostPatterns::parse(&patterns.to_string()), Ok(patterns));
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert!(!HostPatterns::default().allows("files.example"));
        assert!(!HostPatterns::default().allows(""));
    }

    #[test]
    fn errors_name_the_invalid_entry() {
        for entry in [
            "",
            "*",
            "*.",
            "*.com",
            "*.*.example.com",
            "a.*.example.com",
            "a*.example.com",
            "*example.com",
            ".example.com",
            "*..example.com",
            "example.com.",
            "*.example.com.",
            "https://example.com",
            "example.com/path",
            "example.com:443",
            "user@example.com",
            "exa mple.com",
            "exämple.com",
            "example.com;other.com",
            "*.1.2.3.4",
            "*.127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0x7f000001",
            "1.2.3.256",
            "[::1",
            "fe80::1%eth0",
            "exam\\ple.com",
        ] {
            let error = HostPatterns::parse(&format!("good.example,{entry}")).expect_err(entry);
            assert_eq!(error.pattern, entry);
        }
        assert!(HostPatterns::parse("").is_err());
        assert!(HostPatterns::parse("a.example,").is_err());
        assert!(HostPatterns::parse(&format!("{}.example", "a".repeat(64))).is_err());
        assert!(HostPatterns::parse(&format!("{}example", "a.".repeat(130))).is_err());
    }
}
