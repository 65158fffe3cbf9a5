//! A final document on the function's disk: downloaded, hashed while writing, and checked before anybody sees it.

use jiff::SignedDuration;
use tempfile::NamedTempFile;

use super::{Obstacle, Wanted, pdf, unpack};
use crate::outbound::{Client, Download, Fetched};

/// A Lambda function's disk has 512 MB unless it is given more, and another document may be on it.
const MAX_PDF: u64 = 300 * 1024 * 1024;

/// Legalesign's answer 201 means "being de-archived, available in 4 hours".
const DEARCHIVING: SignedDuration = SignedDuration::from_hours(4);

/// A checked PDF in a temporary file, which goes away with it.
pub(super) struct PdfFile {
    pub(super) file: NamedTempFile,
    pub(super) size: u64,
    /// In hex.
    pub(super) sha256: String,
    pub(super) digest: [u8; 32],
}

/// What a download came to.
pub(super) struct Files {
    /// One PDF, or those of a zip in its order.
    pub(super) pdfs: Vec<PdfFile>,
    /// The hash of what was downloaded, in hex.
    pub(super) sha256: String,
}

/// Downloads what is wanted and checks it.
///
/// # Errors
/// Why it can't be had now, or isn't the document.
pub(super) async fn download(client: &Client, wanted: &Wanted) -> Result<Files, Obstacle> {
    let disk = |_| Obstacle::failed("disk");
    let file = NamedTempFile::new().map_err(disk)?;
    let mut writer = tokio::fs::File::from_std(file.reopen().map_err(disk)?);
    let mut download = Download::new(wanted.url.as_str(), MAX_PDF);
    if let Some(credential) = &wanted.credential {
        download = download.with_credential(credential.clone());
    }
    let downloaded = match client.download(&download, &mut writer).await? {
        Fetched::Document(downloaded) => downloaded,
        Fetched::Answer(answer) => {
            let after = answer.retry_after.and_then(|after| SignedDuration::try_from(after).ok());
            let reason = format!("download_http_{}", answer.status.as_u16());
            return Err(match answer.status.as_u16() {
                201 => Obstacle::NotReady {
                    reason: "being_dearchived".to_owned(),
                    after: Some(after.unwrap_or(DEARCHIVING)),
                },
                // The API listed it, so it is only not there yet, or too many are asking.
                202 | 404 | 409 | 425 | 429 => Obstacle::NotReady { reason, after },
                _ => Obstacle::Failed { reason },
            });
        }
    };
    let sha256 = downloaded.sha256.to_string();
    let pdfs = if unpack::is_zip(&downloaded.head) {
        unpack::pdfs(file.reopen().map_err(disk)?, &downloaded.tail).await?
    } else {
        pdf::check(&downloaded.head, &downloaded.tail).map_err(|fault| Obstacle::failed(fault.to_string()))?;
        vec![PdfFile { file, size: downloaded.size, sha256: sha256.clone(), digest: downloaded.sha256.0 }]
    };
    // The hash of a document that came in a zip may be the document's.
    let is_expected = |expected: &String| {
        let only = if let [only] = pdfs.as_slice() { &only.sha256 } else { &sha256 };
        [&sha256, only].iter().any(|actual| expected.eq_ignore_ascii_case(actual))
    };
    if !wanted.sha256.as_ref().is_none_or(is_expected) {
        return Err(Obstacle::failed("hash_mismatch"));
    }
    Ok(Files { pdfs, sha256 })
}
