//! The HTTP client for all outbound traffic except to AWS: calls of the providers' APIs, downloads of final documents.
//!
//! External data decides where a document is: an API's response (`serve_pdf_url`), a redirect, DNS. An attacker who
//! controls one of these could make a function read the metadata service or a host inside the network, or send its
//! credential to a foreign host (server-side request forgery). So every request passes two checks:
//!
//! 1. [`UrlPolicy`] checks the URL before each request, redirects included: HTTPS, port 443, no user info, a host from
//!    [`HostPatterns`], and no literal of a non-public address.
//! 2. [`GuardedResolver`] checks the addresses from DNS, inside the connector, at the moment of connecting. Only
//!    checked addresses are connected to, so a changed DNS answer ("rebinding") gains nothing.
//!
//! Below is the SDK's HTTP stack (hyper, rustls and aws-lc), which is linked anyway. It follows no redirects and
//! decompresses nothing. It ignores `HTTPS_PROXY`: behind a proxy, the second check would see the proxy's address. Open
//! connections are reused by scheme, host and port; their addresses were checked when they were opened.
//!
//! `ALLOW_INSECURE_DOWNLOADS` permits plain HTTP, other ports, and loopback or private networks, for the local stack and
//! tests. The list of hosts and all other rules still apply.
//!
//! Errors carry only the host, never a path, a query or a credential: a download URL can itself be a secret.

mod address;
mod body;
mod classify;
mod client;
mod coding;
mod download;
mod error;
mod hosts;
mod policy;
mod resolver;

pub use address::AddressRule;
pub use client::{Client, Timeouts};
pub use coding::Coding;
pub use download::{Credential, Download, Downloaded, Fetched, InvalidCredential, MAX_REDIRECTS, NoDocument, Sha256};
pub use error::{OutboundError, Phase};
pub use hosts::{HostPatterns, InvalidHostPattern};
pub use policy::{Refused, UrlPolicy};
pub use resolver::{AddressRefused, GuardedResolver, SystemResolver};
