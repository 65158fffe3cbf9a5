//! Archived PDFs, streamed from the bucket. A file is named by its subject and hash, and its key is looked up in the
//! manifest: no key comes from an address.

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
    /// Anything: to be saved, not shown.
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
    const NOTHING: Problem = Problem::NotFound("No such PDF is in the archive.");
    let subject = subject(provider, kind, id).ok_or(NOTHING)?;
    let timeline = console.ledger.timeline(&subject).await?.ok_or(NOTHING)?;
    timeline.pdfs.into_iter().find(|pdf| pdf.sha256 == sha256).ok_or(NOTHING)
}

async fn open(console: &Console, pdf: &Pdf, download: bool) -> Result<Response, Problem> {
    let answer = console.options.aws.s3.get_object().bucket(&console.options.bucket).key(&pdf.key).send().await;
    let object = answer.map_err(|error| match error.as_service_error() {
        Some(error) if error.is_no_such_key() => {
            Problem::NotFound("The manifest names this PDF, but it isn't in the bucket.")
        }
        _ => Problem::Failed("the bucket can't be asked at the moment".to_owned()),
    })?;
    let length = object.content_length.and_then(|length| u64::try_from(length).ok());
    if length.is_some_and(|length| length != pdf.size) {
        return Err(Problem::Failed("the PDF in the bucket is not of the size that the manifest says".to_owned()));
    }
    let mut stopping = console.options.stopping.clone();
    let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
    let pieces = stream::unfold(object.body, |mut body| async move {
        let piece: Result<Bytes, _> = body.next().await?;
        Some((piece.map_err(|_| std::io::Error::other("the bucket's answer broke off")), body))
    });
    // A reader that stalls must not keep the stack from ending.
    let body = Body::from_stream(Box::pin(pieces.take_until(Box::pin(stopped))));
    let disposition = if download { "attachment" } else { "inline" };
    let name: String = format!("{}-{}", pdf.document, pdf.role.as_str())
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    let disposition = HeaderValue::from_str(&format!("{disposition}; filename=\"{name}.pdf\""))
        .map_err(|_| Problem::Failed("the PDF has no name".to_owned()))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/pdf")),
        (header::CONTENT_LENGTH, HeaderValue::from(pdf.size)),
        (header::CONTENT_DISPOSITION, disposition),
        // The browser's own viewer needs styles of its own; a PDF has nothing else to load.
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'none'",
            ),
        ),
    ];
    Ok((headers, body).into_response())
}
