//! The second check: the addresses from DNS, at the moment of connecting.
//!
//! Checking a name before the request would be useless: DNS can answer differently a moment later ("rebinding"). The
//! connector gets its addresses from [`GuardedResolver`] and connects only to these. If a name has both public and
//! private addresses, only the public ones are used.

use super::address::AddressRule;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError, SharedDnsResolver};
use std::io;

/// Every address that a name resolved to is refused. `classify` finds this by its type in the connector's error chain.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to no public address")]
pub struct AddressRefused;

/// The operating system's resolver (`getaddrinfo`, on tokio's blocking threads).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            // The port is irrelevant here: the connector sets it.
            match tokio::net::lookup_host((name, 0)).await {
                Ok(found) => Ok(found.map(|address| address.ip()).collect()),
                Err(error) => Err(ResolveDnsError::new(error)),
            }
        })
    }
}

/// A resolver that drops the addresses that may not be connected to.
#[derive(Clone, Debug)]
pub struct GuardedResolver {
    inner: SharedDnsResolver,
    rule: AddressRule,
}

impl GuardedResolver {
    /// Applies `rule` to the addresses that `inner` returns.
    #[must_use]
    pub fn new(inner: impl ResolveDns + 'static, rule: AddressRule) -> Self {
        Self { inner: SharedDnsResolver::new(inner), rule }
    }
}

impl ResolveDns for GuardedResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let mut addresses = self.inner.resolve_dns(name).await?;
            if addresses.is_empty() {
                return Err(ResolveDnsError::new(io::Error::from(io::ErrorKind::NotFound)));
            }
            addresses.retain(|&address| self.rule.permits(address));
            if addresses.is_empty() {
                return Err(ResolveDnsError::new(AddressRefused));
            }
            Ok(addresses)
        })
    }
}
