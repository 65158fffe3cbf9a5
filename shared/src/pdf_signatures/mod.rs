//! The signatures within a PDF (ISO 32000-2, 12.8): found, verified, and described.
//!
//! For each signature, the bytes of its `ByteRange` are hashed while the file is read, so memory doesn't depend on the
//! file's size. OpenSSL verifies the signature over the hash ([`crate::proof::cms`]). A signature must cover a whole
//! revision of the file, and leave out nothing but its own `Contents`.
//!
//! Not judged: whether changes after signing are allowed ones, whether a certificate was revoked, and who may sign.

mod coverage;
mod date;
mod fields;
mod judge;
mod limits;
mod text;

use std::io::{Read, Seek};

use jiff::Timestamp;

use self::judge::Judge;
use crate::{
    domain::PdfSignatures,
    pdf::{Document, NotAPdf},
    proof::cms::TrustRoots,
};

/// Finds and verifies all signatures of a document. With `roots`, the certificate of each signature is judged at the time
/// of the signature's time-stamp, or at `now` if it has none.
///
/// # Errors
/// If the file can't be read.
pub fn inspect<R: Read + Seek>(
    document: &mut Document<R>,
    roots: Option<&TrustRoots>,
    now: Timestamp,
) -> Result<PdfSignatures, NotAPdf> {
    let found = fields::find(document)?;
    if found.is_hidden {
        // The form is in an encrypted object stream.
        return Ok(PdfSignatures::not_supported("encrypted"));
    }
    if found.is_incomplete {
        return Ok(PdfSignatures::not_supported("too_many_fields"));
    }
    let revisions = document.revisions()?;
    let mut judge = Judge::new(document, &revisions, roots, now)?;
    let mut signatures = Vec::new();
    for field in found.signatures {
        signatures.push(judge.judge(field)?);
    }
    Ok(PdfSignatures::new(signatures, revisions.len()))
}
