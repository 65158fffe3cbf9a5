//! `countersign verify --pdf`: verifies the signatures within one PDF.

use std::{
    fs::File,
    io::{Seek, Write},
    path::Path,
};

use anyhow::Context;
use countersign::{
    domain::{PdfSignatures, PdfVerdict},
    pdf::Document,
    pdf_signatures::inspect,
    proof::cms::{Digest, TrustRoots},
};
use jiff::Timestamp;
use serde::Serialize;

use super::super::{
    Globals,
    deployed::Deployed,
    output::{Failure, Output},
    pdf_signatures,
    storage::Access,
};

/// The variable with the roots, as in the functions' settings.
const ROOTS: &str = "PDF_TRUST_ROOTS";

/// The result for one PDF.
#[derive(Serialize)]
struct VerifiedPdf<'p> {
    pdf: &'p str,
    size: u64,
    sha256: String,
    #[serde(flatten)]
    signatures: PdfSignatures,
}

/// A PDF to verify.
struct Pdf {
    file: File,
    /// The time at which certificates are judged, unless a time-stamp says when a signature was made: that of archiving,
    /// or now.
    at: Timestamp,
}

pub async fn run(globals: &Globals, deployed: &Deployed, pdf: &str, roots: Option<&Path>) -> Result<Output, Failure> {
    let roots = trust_roots(roots)?;
    let Pdf { file, at } = match File::open(pdf) {
        Ok(file) if file.metadata()?.is_file() => Pdf { file, at: Timestamp::now() },
        _ => fetch(&Access::open(globals, deployed).await?, pdf).await?,
    };
    let verified = tokio::task::spawn_blocking(move || verify(file, roots.as_ref(), at));
    let (size, sha256, signatures) = verified.await??;
    let ok = signatures.verdict != PdfVerdict::Broken;
    let verified = VerifiedPdf { pdf, size, sha256, signatures };
    Ok(Output::new(&verified, text(&verified))?.failed_unless(ok))
}

fn trust_roots(file: Option<&Path>) -> Result<Option<TrustRoots>, Failure> {
    let pem = match file {
        Some(file) => Some(std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?),
        None => std::env::var(ROOTS).ok().filter(|pem| !pem.is_empty()),
    };
    let place = file.map_or_else(|| ROOTS.to_owned(), |file| file.display().to_string());
    let invalid = |error| Failure::new("invalid_roots", format!("{place}: {error}"));
    pem.map(|pem| TrustRoots::parse(&pem)).transpose().map_err(invalid)
}

/// Copies a PDF from the bucket into a temporary file.
async fn fetch(access: &Access, key: &str) -> Result<Pdf, Failure> {
    let bucket = access.names().archive;
    let response = access.aws.s3.get_object().bucket(bucket).key(key).send().await;
    let mut object = match response {
        Ok(object) => object,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_key()) => {
            let message =
                format!("{key} is neither a file nor a key of the bucket; `timeline --json` has the keys of PDFs");
            return Err(Failure::not_found(message));
        }
        Err(error) => return Err(anyhow::Error::new(error).context("can't read the bucket").into()),
    };
    let mut file = tempfile::tempfile()?;
    while let Some(piece) = object.body.next().await {
        file.write_all(&piece.context("the download from the bucket failed")?)?;
    }
    file.rewind()?;
    let archived_at = object.last_modified.and_then(|at| Timestamp::from_second(at.secs()).ok());
    Ok(Pdf { file, at: archived_at.unwrap_or_else(Timestamp::now) })
}

/// Verifies a PDF. Returns its size, its SHA-256 and its signatures.
fn verify(file: File, roots: Option<&TrustRoots>, at: Timestamp) -> Result<(u64, String, PdfSignatures), Failure> {
    let mut document = Document::open(file)
        .map_err(|fault| Failure::new(fault.to_string(), "it isn't a whole PDF, so it has no readable signatures"))?;
    let mut digester = Digest::SHA256.digester()?;
    let mut hashed = Ok(());
    let size = document.size();
    document.read(0..size, |piece| {
        if hashed.is_ok() {
            hashed = digester.update(piece);
        }
    })?;
    hashed?;
    let sha256 = digester.finish()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((size, sha256, inspect(&mut document, roots, at)?))
}

fn text(verified: &VerifiedPdf<'_>) -> String {
    let VerifiedPdf { pdf, size, sha256, signatures } = verified;
    let mut text = format!("pdf  {pdf}\nfile {size} bytes, SHA-256 {sha256}, {} revisions\n", signatures.revisions);
    if !signatures.signatures.is_empty() {
        text.push_str(&pdf_signatures::of(signatures));
    }
    let reason = signatures.reason.as_deref().unwrap_or("see the table");
    text.push_str(&match signatures.verdict {
        PdfVerdict::None => "ok: it has no signatures\n".to_owned(),
        PdfVerdict::Intact => "ok: every signature is intact\n".to_owned(),
        PdfVerdict::NotSupported => format!("not supported: nothing is known about a signature ({reason})\n"),
        PdfVerdict::Broken => "broken: a signature doesn't match\n".to_owned(),
    });
    text
}
