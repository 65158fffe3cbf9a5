//! The part of a request that its sender signed.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;
use bytes::Bytes;

/// A message and the signature over it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedPart {
    /// The message, byte by byte as it was sent.
    pub message: Bytes,
    /// The signature, in base64.
    pub signature: Bytes,
}

impl SignedPart {
    /// Which of a body's parts it is.
    #[must_use]
    pub fn id(&self) -> SignedPartId {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&(self.message.len() as u64).to_be_bytes());
        hash.update(&self.message);
        hash.update(&self.signature);
        let mut id = [0; digest::SHA256_OUTPUT_LEN];
        id.copy_from_slice(hash.finish().as_ref());
        SignedPartId(id)
    }
}

impl fmt::Debug for SignedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedPart").field("message_bytes", &self.message.len()).finish_non_exhaustive()
    }
}

/// Identifies a signed part by a hash of message and signature. If a body can be read in several ways, it is stored which
/// part was proven, so that no other is read later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedPartId([u8; digest::SHA256_OUTPUT_LEN]);

impl fmt::Display for SignedPartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for SignedPartId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut id = [0; digest::SHA256_OUTPUT_LEN];
        hex::decode_to_slice(text, &mut id).map(|()| Self(id))
    }
}
