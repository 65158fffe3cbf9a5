//! The outbound client against servers, names and redirects that mean harm. Everything is on loopback.

#![expect(clippy::panic, clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod calls;
mod certificate;
mod environment;
mod failures;
mod http2;
mod names;
mod redirects;
mod server;
mod transfers;
mod urls;
