//! The signatures within a PDF that is being archived. A broken one keeps nothing out: it is evidence.

use std::{fs::File, path::Path, sync::Arc};

use crate::{
    domain::{PdfSignature, PdfSignatures, PdfVerdict, SignatureVerdict, Subject},
    pdf::Document,
    pdf_signatures::inspect,
    proof::cms::TrustRoots,
    settings::Settings,
    time,
};

/// Verifies signatures.
pub(super) struct Signatures {
    roots: Arc<Option<TrustRoots>>,
}

impl Signatures {
    /// Signatures are judged by the roots in the settings.
    pub(super) fn new(settings: &Settings) -> Self {
        let roots = settings.pdf_trust_roots.as_deref().and_then(|pem| match TrustRoots::parse(pem) {
            Ok(roots) => Some(roots),
            Err(error) => {
                tracing::error!(event = "trust_roots_unreadable", problem = %error);
                None
            }
        });
        Self { roots: Arc::new(roots) }
    }

    /// Verifies all signatures of a file, which takes as long as hashing it for each one.
    pub(super) async fn of(&self, file: &Path) -> PdfSignatures {
        let (roots, file) = (Arc::clone(&self.roots), file.to_owned());
        let inspected = tokio::task::spawn_blocking(move || {
            let mut document = Document::open(File::open(file)?)?;
            inspect(&mut document, roots.as_ref().as_ref(), time::now())
        });
        match inspected.await {
            Ok(Ok(signatures)) => signatures,
            Ok(Err(fault)) => PdfSignatures::not_supported(fault.to_string()),
            Err(_) => PdfSignatures::not_supported("failed"),
        }
    }
}

/// Logs the verdict, without names.
pub(super) fn log(subject: &Subject, sha256: &str, found: &PdfSignatures) {
    let (provider, id, verdict) = (subject.provider, &subject.id, found.verdict.as_str());
    if found.verdict == PdfVerdict::Broken {
        let is_broken = |signature: &&PdfSignature| matches!(signature.verdict, SignatureVerdict::Broken(_));
        let reason = found.signatures.iter().find(is_broken).and_then(|signature| signature.verdict.reason());
        tracing::error!(event = "pdf_signature_broken", %provider, subject = %id, sha256, reason, metric.BrokenPdfSignatures = 1);
    } else {
        let signatures = found.signatures.len();
        tracing::info!(event = "pdf_signatures", %provider, subject = %id, sha256, verdict, signatures);
    }
}
