//! Archived PDFs, streamed from the bucket. The URL names a file by its subject and hash; the object's key comes from
//! the manifest, never from the URL.

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use countersign::ledger::Pdf;
use futures::{StreamExt, stream};
use serde::Deserialize;

use super::{
    Console, pages,
    view::{Problem, subject},
};

#[derive(Deserialize)]
pub struct Parameters {
    /// If present, the browser saves the file instead of showing it. The value doesn't matter.
    download: Option<String>,
}

/// `GET /pdfs/{provider}/{kind}/{id}/{sha256}`
pub async fn serve(
    State(console): State<Console>,
    Path((provider, kind, id, sha256)): Path<(String, String, String, String)>,
    Query(parameters): Query<Parameters>,
) -> Response {
    match find(&console, &provider, &kind, &id, &sha256).await {
        Ok(pdf) => match open(&console, &pdf, parameters.download.is_some()).await {
            Ok(response) => response,
            Err(problem) => pages::problem(&console, &problem),
        },
        Err(problem) => pages::problem(&console, &problem),
    }
}

async fn find(console: &Console, provider: &str, kind: &str, id: &str, sha256: &str) -> Result<Pdf, Problem> {
    const NOT_FOUND: Problem = Problem::NotFound("The archive doesn't have this PDF.");
    let subject = subject(provider, kind, id).ok_or(NOT_FOUND)?;
    let timeline = console.ledger.timeline(&subject).await?.ok_or(NOT_FOUND)?;
    timeline.pdfs.into_iter().find(|pdf| pdf.sha256 == sha256).ok_or(NOT_FOUND)
}

async fn open(console: &Console, pdf: &Pdf, download: bool) -> Result<Response, Problem> {
    let response = console.options.aws.s3.get_object().bucket(&console.options.bucket).key(&pdf.key).send().await;
    let object = response.map_err(|error| match error.as_service_error() {
        Some(error) if error.is_no_such_key() => {
            Problem::NotFound("The manifest lists this PDF, but it isn't in the bucket.")
        }
        _ => Problem::Failed("the bucket is unavailable at the moment".to_owned()),
    })?;
    let length = object.content_length.and_then(|length| u64::try_from(length).ok());
    if length.is_some_and(|length| length != pdf.size) {
        return Err(Problem::Failed("the PDF in the bucket doesn't have the size that the manifest states".to_owned()));
    }
    let mut stopping = console.options.stopping.clone();
    let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
    let pieces = stream::unfold(object.body, |mut body| async move {
        let piece: Result<Bytes, _> = body.next().await?;
        Some((piece.map_err(|_| std::io::Error::other("the download from the bucket failed")), body))
    });
    // A stalled client must not delay the shutdown.
    let body = Body::from_stream(Box::pin(pieces.take_until(Box::pin(stopped))));
    let disposition = if download { "attachment" } else { "inline" };
    let disposition = HeaderValue::from_str(&format!("{disposition}; {}", file_name(pdf)))
        .map_err(|_| Problem::Failed("the PDF has no valid file name".to_owned()))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/pdf")),
        (header::CONTENT_LENGTH, HeaderValue::from(pdf.size)),
        (header::CONTENT_DISPOSITION, disposition),
        // The browser's PDF viewer needs inline styles. A PDF loads nothing else.
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'",
            ),
        ),
    ];
    Ok((headers, body).into_response())
}

/// The file name in the header `Content-Disposition`: an ASCII one for every browser, and the readable one, encoded as RFC
/// 8187 says.
fn file_name(pdf: &Pdf) -> String {
    let plain: String = format!("{}-{}", pdf.document, pdf.role.as_str())
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    let readable = pdf.file_name.as_ref().map(|name| {
        let encoded = percent_encoding::utf8_percent_encode(name.as_str(), percent_encoding::NON_ALPHANUMERIC);
        format!("; filename*=UTF-8''{encoded}")
    });
    format!("filename=\"{plain}.pdf\"{}", readable.unwrap_or_default())
}
