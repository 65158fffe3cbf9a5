//! The second gate: what DNS says is judged at the moment of connecting.
//!
//! Checking a name before the request would be useless: DNS can answer differently a moment later ("rebinding"). The
//! connector asks [`GuardedResolver`] when it needs addresses to dial, and dials exactly those. A name that mixes public
//! and private addresses is connected to by its public ones only.

use super::address::AddressRule;
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError, SharedDnsResolver};
use std::io;

/// Everything that a name resolved to is out of bounds. Found by its type in the connector's chain of errors.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to no public address")]
pub struct AddressRefused;

/// The operating system's resolver (`getaddrinfo`, on tokio's blocking threads).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl ResolveDns for SystemResolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            // The port is the connector's business.
            match tokio::net::lookup_host((name, 0)).await {
                Ok(found) => Ok(found.map(|address| address.ip()).collect()),
                Err(error) => Err(ResolveDnsError::new(error)),
            }
        })
    }
}

/// A resolver that passes on only the addresses that may be connected to.
#[derive(Clone, Debug)]
pub struct GuardedResolver {
    inner: SharedDnsResolver,
    rule: AddressRule,
}

impl GuardedResolver {
    /// Puts `rule` over what `inner` answers.
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
