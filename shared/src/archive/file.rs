//! Downloads a final document to the function's disk, hashes it while writing, and checks it before it is archived.

use jiff::SignedDuration;
use tempfile::NamedTempFile;

use super::{pdf, unpack};
use crate::{
    domain::{FinalDocument, Unavailable},
    outbound::{Client, Download, Fetched},
};

/// Size limit of a download, in bytes. A Lambda function's disk has 512 MB by default, and may hold another document.
const MAX_PDF: u64 = 300 * 1024 * 1024;

/// A checked PDF in a temporary file, which is deleted on drop.
pub(super) struct PdfFile {
    pub(super) file: NamedTempFile,
    /// In bytes.
    pub(super) size: u64,
    /// SHA-256 of the PDF, in hex.
    pub(super) sha256: String,
    /// The same SHA-256, as bytes.
    pub(super) digest: [u8; 32],
}

/// The result of a download.
pub(super) struct Files {
    /// One PDF, or the PDFs of a zip in the zip's order.
    pub(super) pdfs: Vec<PdfFile>,
    /// SHA-256 of the downloaded file, in hex.
    pub(super) sha256: String,
}

/// Downloads a final document and checks it.
///
/// # Errors
/// Why the document is unavailable for now, or why the downloaded file isn't the document.
pub(super) async fn download(client: &Client, document: &FinalDocument) -> Result<Files, Unavailable> {
    let disk = |_| Unavailable::failed("disk");
    let file = NamedTempFile::new().map_err(disk)?;
    let mut writer = tokio::fs::File::from_std(file.reopen().map_err(disk)?);
    let mut download = Download::new(document.url.as_str(), MAX_PDF);
    if let Some(credential) = &document.credential {
        download = download.with_credential(credential.clone());
    }
    let downloaded = match client.download(&download, &mut writer).await? {
        Fetched::Document(downloaded) => downloaded,
        Fetched::Answer(answer) => {
            let after = answer.retry_after.and_then(|after| SignedDuration::try_from(after).ok());
            let reason = format!("download_http_{}", answer.status.as_u16());
            let status = answer.status.as_u16();
            if let Some(deferral) = document.deferral.filter(|deferral| deferral.status == status) {
                let after = Some(after.unwrap_or(deferral.after));
                return Err(Unavailable::NotReady { reason: deferral.reason.to_owned(), after });
            }
            return Err(match status {
                // The API listed the document, so it isn't ready yet, or we exceeded a rate limit.
                202 | 404 | 409 | 425 | 429 => Unavailable::NotReady { reason, after },
                _ => Unavailable::Failed { reason },
            });
        }
    };
    let sha256 = downloaded.sha256.to_string();
    let pdfs = if unpack::is_zip(&downloaded.head) {
        unpack::pdfs(file.reopen().map_err(disk)?, &downloaded.tail).await?
    } else {
        pdf::check(&downloaded.head, &downloaded.tail).map_err(|fault| Unavailable::failed(fault.to_string()))?;
        vec![PdfFile { file, size: downloaded.size, sha256: sha256.clone(), digest: downloaded.sha256.0 }]
    };
    // For a zip with a single PDF, the API's hash may be that of the zip or of the PDF.
    let is_expected = |expected: &String| {
        let only = if let [only] = pdfs.as_slice() { &only.sha256 } else { &sha256 };
        [&sha256, only].iter().any(|actual| expected.eq_ignore_ascii_case(actual))
    };
    if !document.sha256.as_ref().is_none_or(is_expected) {
        return Err(Unavailable::failed("hash_mismatch"));
    }
    Ok(Files { pdfs, sha256 })
}
