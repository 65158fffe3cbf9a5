//! Countersign: receives the callbacks of e-signature services, proves who sent them, records every event exactly
//! once and archives each finished PDF.
//!
//! Dependencies point one way: use cases ([`intake`], [`archive`], [`reconcile`], [`sweep`], [`replay`], [`verify`],
//! [`forget`], [`publish`], [`timeline`]) use services ([`providers`]) and storage ([`ledger`]); both use the nouns in
//! [`domain`], which rest on [`proof`]. A service never imports a use case or the ledger, and the ledger never imports a
//! service. Everything else is a tool without knowledge of callbacks.
//!
//! The feature `openssl` adds what verifies signatures: those of PDFs, and of Legalesign's callbacks with `Signers::parse`,
//! `Legalesign::new`, `Services::verifying`, replay and verify. Everything else is the same with and without it.

#[cfg(feature = "openssl")]
pub mod archive;
pub mod aws;
pub mod deadline;
pub mod domain;
pub mod forget;
pub mod form;
pub mod intake;
mod json;
pub mod ledger;
pub mod outbound;
pub mod pdf;
#[cfg(feature = "openssl")]
pub mod pdf_signatures;
pub mod proof;
pub mod providers;
pub mod publish;
pub mod reconcile;
#[cfg(feature = "openssl")]
pub mod replay;
pub mod secrets;
pub mod settings;
pub mod sweep;
pub mod telemetry;
pub mod time;
pub mod timeline;
#[cfg(feature = "openssl")]
pub mod verify;
