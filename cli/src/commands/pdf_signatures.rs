//! Signatures within PDFs, for people.

use countersign::{
    domain::{PdfSignature, PdfSignatures},
    ledger::Pdf,
};

use super::output::{or_dash, table};

/// The signatures of these PDFs as tables; empty if there are none.
pub fn of_pdfs(pdfs: &[Pdf]) -> String {
    let signed = pdfs.iter().filter_map(|pdf| Some((pdf, pdf.signatures.as_ref()?)));
    let signed = signed.filter(|(_, found)| !found.signatures.is_empty());
    let tables =
        signed.map(|(pdf, found)| format!("signatures in {} {}:\n{}", pdf.document, pdf.role.as_str(), of(found)));
    tables.collect()
}

/// The signatures of one PDF as a table.
pub fn of(found: &PdfSignatures) -> String {
    let rows = found.signatures.iter().map(|signature| {
        let PdfSignature { kind, chain, .. } = signature;
        let certificate = signature.certificate.as_ref().and_then(|hash| hash.get(..16));
        [
            or_dash(signature.field.as_ref()),
            kind.as_str().replace('_', " "),
            verdict(signature),
            signature.coverage.describe(found.revisions),
            or_dash(signature.signer.as_ref()),
            or_dash(signature.issuer.as_ref()),
            or_dash(certificate),
            or_dash(signature.claimed_at),
            or_dash(signature.timestamped_at),
            if signature.long_term { "yes" } else { "no" }.to_owned(),
            chain.as_str().replace('_', " "),
        ]
    });
    let header = [
        "field",
        "kind",
        "verdict",
        "covers",
        "signer",
        "issuer",
        "certificate",
        "claimed time",
        "time-stamp",
        "long-term",
        "chain",
    ];
    table(header, rows)
}

/// The verdict on a signature, with its reason.
fn verdict(signature: &PdfSignature) -> String {
    let verdict = signature.verdict.as_str().replace('_', " ");
    signature.verdict.reason().map_or_else(|| verdict.clone(), |reason| format!("{verdict}: {reason}"))
}
