//! The one HTTP client through which Countersign talks to the outside: calls of the providers' APIs, and downloads of
//! final documents.
//!
//! Where a document lies is decided by others: by an API's answer (`serve_pdf_url`), by a redirect, by whoever answers
//! DNS. A function that fetches what it is told to fetch can be made to read the metadata service or something inside
//! the network, or to hand its credential to a stranger. So every request passes two gates:
//!
//! 1. [`UrlPolicy`] judges the URL before each request, redirects included: HTTPS, port 443, no user info, a host from
//!    [`HostPatterns`], and no address literal that isn't public.
//! 2. [`GuardedResolver`] judges what DNS said, inside the connector, at the moment of connecting: the addresses that
//!    are dialled are the ones that were checked, so a second answer ("rebinding") is judged like the first.
//!
//! Underneath is the SDK's own HTTP stack (hyper, rustls and aws-lc), which is linked anyway. It follows no redirects,
//! decompresses nothing, and is told not to use a proxy, whatever `HTTPS_PROXY` says: behind a proxy, the second gate
//! would judge the proxy's address. A connection is kept for reuse under its scheme, host and port; it was judged when
//! it was made.
//!
//! `ALLOW_INSECURE_DOWNLOADS` admits plain HTTP, other ports and loopback, for the local stack and tests. The list of
//! hosts and everything else still hold.
//!
//! No error carries a path, a query or a credential, because a download URL can be a secret by itself: only the host.

mod address;
mod body;
mod classify;
mod client;
mod download;
mod error;
mod hosts;
mod policy;
mod resolver;

pub use address::AddressRule;
pub use client::{Client, Timeouts};
pub use download::{
    Answer, Credential, Download, Downloaded, Fetched, HEAD_BYTES, InvalidCredential, MAX_REDIRECTS, Sha256, TAIL_BYTES,
};
pub use error::{OutboundError, Phase};
pub use hosts::{HostPatterns, InvalidHostPattern};
pub use policy::{Refused, UrlPolicy};
pub use resolver::{AddressRefused, GuardedResolver, SystemResolver};
