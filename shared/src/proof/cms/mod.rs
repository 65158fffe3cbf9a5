//! CMS signatures (RFC 5652), as they are inside PDFs: parsed here, verified by OpenSSL.
//!
//! The signed bytes are never in memory together. The caller hashes them with [`SignedData::digest`]'s algorithm, and
//! passes the hash to [`SignedData::verify`].
//!
//! *Why our own parser.* The `openssl` crate verifies a CMS only with its content in memory, and gives no access to
//! attributes. The crate `cms` reads DER only, but many signers (those with BouncyCastle, for example) write BER with
//! indefinite lengths. So `asn1-rs` splits BER into elements, and this module reads the few that it needs.

mod algorithm;
mod attributes;
mod certificate;
mod element;
mod fault;
mod signed_data;
mod time;
mod time_stamp;
mod trust;

pub use algorithm::{Digest, Digester};
pub use certificate::Certificate;
pub use fault::CmsFault;
pub use signed_data::{Signed, SignedData};
pub use time_stamp::TimeStamp;
pub use trust::{InvalidRoots, TrustRoots};
