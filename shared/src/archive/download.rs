//! Downloads a final document to the function's disk, and hashes it while writing.

use jiff::SignedDuration;

use super::spool::{Spooled, new_file};
use crate::{
    domain::{FinalDocument, Unavailable},
    outbound::{Client, Coding, Download, Fetched},
};

/// Size limit of a download, in bytes. A Lambda function's disk has 512 MB by default, and may hold another document.
pub(super) const MAX_DOWNLOAD: u64 = 300 * 1024 * 1024;

/// A downloaded file.
pub(super) struct DownloadedFile {
    pub(super) file: Spooled,
    /// The content codings that it was sent with.
    pub(super) codings: Vec<Coding>,
}

/// Downloads a final document.
///
/// # Errors
/// Why the document is unavailable for now.
pub(super) async fn download(client: &Client, document: &FinalDocument) -> Result<DownloadedFile, Unavailable> {
    let disk = |_| Unavailable::failed("disk");
    let file = new_file().map_err(disk)?;
    let mut writer = tokio::fs::File::from_std(file.reopen().map_err(disk)?);
    let mut download = Download::new(document.url.as_str(), MAX_DOWNLOAD);
    if let Some(credential) = &document.credential {
        download = download.with_credential(credential.clone());
    }
    let downloaded = match client.download(&download, &mut writer).await? {
        Fetched::Document(downloaded) => downloaded,
        Fetched::NoDocument(response) => {
            let after = response.retry_after.and_then(|after| SignedDuration::try_from(after).ok());
            let reason = format!("download_http_{}", response.status.as_u16());
            let status = response.status.as_u16();
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
    let file = Spooled { file, size: downloaded.size, digest: downloaded.sha256.0 };
    Ok(DownloadedFile { file, codings: downloaded.codings })
}
