//! Cryptographic proofs: shared tokens, and signatures over bytes. Knows no service and no callback.

#[cfg(feature = "openssl")]
pub mod cms;
pub mod signature;
pub mod token;

use base64::{
    alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Base64 with or without padding, which some senders leave out.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
