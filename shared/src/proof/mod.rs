//! Cryptographic proofs: shared tokens, and signatures over bytes. Knows no service and no callback.

#[cfg(feature = "openssl")]
pub mod cms;
pub mod signature;
pub mod token;
