//! Trusted roots, and whether a certificate leads to one of them. Revocation isn't checked: it would need the network.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use openssl::{
    error::ErrorStack,
    stack::Stack,
    x509::{
        X509, X509StoreContext,
        store::{X509Store, X509StoreBuilder},
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};

use super::Certificate;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Roots that are trusted.
pub struct TrustRoots(Vec<X509>);

/// A text has no certificate, or one that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one or more certificates in PEM")]
pub struct InvalidRoots;

impl TrustRoots {
    /// Reads certificates in PEM. Spaces may stand for line breaks, which not every environment variable can have.
    ///
    /// # Errors
    /// If there is none, or one can't be read.
    pub fn parse(pem: &str) -> Result<Self, InvalidRoots> {
        let blocks = pem.split(BEGIN).skip(1).map(|block| {
            let base64: String = block.split_once(END).ok_or(InvalidRoots)?.0.split_whitespace().collect();
            let der = BASE64_STANDARD.decode(base64).map_err(|_| InvalidRoots)?;
            X509::from_der(&der).map_err(|_| InvalidRoots)
        });
        let roots = blocks.collect::<Result<Vec<_>, _>>()?;
        if roots.is_empty() { Err(InvalidRoots) } else { Ok(Self(roots)) }
    }

    /// Whether a certificate was valid at this time, and leads to a root over `others`.
    #[must_use]
    pub fn reach(&self, certificate: &Certificate, others: &[Certificate], at: Timestamp) -> bool {
        self.chain(certificate, others, at).unwrap_or(false)
    }

    fn chain(&self, certificate: &Certificate, others: &[Certificate], at: Timestamp) -> Result<bool, ErrorStack> {
        let mut chain = Stack::new()?;
        for other in others {
            chain.push(other.x509.clone())?;
        }
        let store = self.store(at)?;
        X509StoreContext::new()?.init(&store, &certificate.x509, &chain, |context| context.verify_cert())
    }

    fn store(&self, at: Timestamp) -> Result<X509Store, ErrorStack> {
        let mut builder = X509StoreBuilder::new()?;
        for root in &self.0 {
            builder.add_cert(root.clone())?;
        }
        let mut parameters = X509VerifyParam::new()?;
        parameters.set_time(at.as_second());
        // A configured certificate is trusted even if it isn't self-signed.
        parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        builder.set_param(&parameters)?;
        Ok(builder.build())
    }
}
