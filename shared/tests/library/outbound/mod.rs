//! The outbound client against hostile servers, names and redirects. Everything is on loopback.

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
