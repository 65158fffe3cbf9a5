//! Tests of the library that need files or servers: signatures, the outbound client, the URL policy, the fuzz corpus.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

mod fuzz_corpus;
mod outbound;
mod pdf_signatures;
mod signature;
mod url_standard;
