//! Cryptographic proofs: shared tokens, and signatures over bytes. Knows no service and no callback.

pub mod signature;
pub mod token;
