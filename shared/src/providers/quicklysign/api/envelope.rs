//! The envelope of every response: `{"status": {"status_code", "errors"}, "data", "pagination": {"next"}}`
//! (docs.quicklysign.com, "REST principles").
//!
//! The HTTP status mirrors `status_code`, but can be forced to 200, so `status_code` decides.

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use serde_json::Value;

use super::error::{ApiError, ErrorResponse, presentable};
use crate::{json::without_byte_order_marks, providers::http::retry_after};

/// A response's data, and where the list goes on.
#[derive(Debug, Default, PartialEq)]
pub(in crate::providers::quicklysign) struct Page {
    pub(in crate::providers::quicklysign) data: Value,
    /// The next page's URL, as the API writes it.
    pub(in crate::providers::quicklysign) next: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    status: Status,
    #[serde(default)]
    data: Value,
    // Any shape is accepted: an unexpected one must not make a response unreadable.
    #[serde(default)]
    pagination: Value,
}

#[derive(Deserialize)]
struct Status {
    status_code: u16,
    #[serde(default)]
    errors: Value,
}

/// Opens a response's envelope. `secrets` are removed from errors.
///
/// # Errors
/// The API's error, or that the response has no envelope.
pub(super) fn open(response: &Response<Bytes>, secrets: &[&str]) -> Result<Page, ApiError> {
    let retry_after = retry_after(response.headers());
    let (http, body) = (response.status(), response.body());
    if http.is_success() && body.is_empty() {
        // The response to DELETE is not documented.
        return Ok(Page::default());
    }
    let Ok(Envelope { status, data, pagination }) = serde_json::from_slice::<Envelope>(without_byte_order_marks(body))
    else {
        // A proxy's page instead of an envelope.
        return Err(match http.is_success() {
            true => ApiError::NotAnEnvelope,
            false => {
                ApiError::Response(ErrorResponse { status: http.as_u16(), retry_after, ..ErrorResponse::default() })
            }
        });
    };
    let is_well = |status| (200..300).contains(&status);
    if is_well(status.status_code) && http.is_success() {
        let next = pagination.get("next").and_then(Value::as_str).filter(|next| !next.is_empty());
        return Ok(Page { data, next: next.map(str::to_owned) });
    }
    let status_code = if is_well(status.status_code) { http.as_u16() } else { status.status_code };
    let text = |name: &str| presentable(status.errors.get(0)?.get(name)?.as_str()?, secrets);
    let (code, message) = (text("code"), text("message"));
    Err(ApiError::Response(ErrorResponse { status: status_code, code, message, in_envelope: true, retry_after }))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn opened(http: u16, body: &str) -> Result<Page, ApiError> {
        let response = Response::builder().status(http).header("retry-after", "7");
        open(&response.body(Bytes::from(body.to_owned())).unwrap(), &["s3cret"])
    }

    fn error(http: u16, body: &str) -> ErrorResponse {
        match opened(http, body) {
            Err(ApiError::Response(error)) => error,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn data_and_next_page_are_read() {
        let page = opened(200, r#"{"status":{"status_code":200},"data":{"a":1}}"#).unwrap();
        assert_eq!((page.data["a"].as_i64(), page.next), (Some(1), None));
        let page = opened(200, r#"{"status":{"status_code":200},"data":[],"pagination":{"next":"https://x/2"}}"#);
        assert_eq!(page.unwrap().next.as_deref(), Some("https://x/2"));
        for none in [r#"null"#, r#"{"next":null}"#, r#"{"next":""}"#, r#"[]"#] {
            let page = opened(200, &format!(r#"{{"status":{{"status_code":200}},"pagination":{none}}}"#)).unwrap();
            assert_eq!(page, Page::default(), "{none}");
        }
        assert_eq!(opened(204, "").unwrap(), Page::default());
    }

    #[test]
    fn the_status_in_the_envelope_precedes_the_http_status() {
        let body = r#"{"status":{"status_code":401,"errors":[{"code":"unauthorised","message":"No: s3cret"}]}}"#;
        for http in [200, 401] {
            let error = error(http, body);
            assert_eq!(error.to_string(), "401: unauthorised: No: ***");
            assert_eq!((error.in_envelope, error.retry_after), (true, Some(SignedDuration::from_secs(7))));
        }
        assert_eq!(error(502, r#"{"status":{"status_code":200},"data":{}}"#).status, 502);
    }

    #[test]
    fn errors_may_have_any_shape() {
        for errors in ["null", "[]", "{}", r#"[{}]"#, r#"["x"]"#, r#"[{"code":5}]"#, r#""x""#] {
            let body = format!(r#"{{"status":{{"status_code":500,"errors":{errors}}}}}"#);
            assert_eq!(error(200, &body).to_string(), "500", "{errors}");
        }
    }

    #[test]
    fn a_response_without_an_envelope_is_an_error() {
        for body in ["", "<html>", "{}", "[]", r#"{"status":200}"#, r#"{"status":{"status_code":"200"}}"#] {
            assert_eq!((error(404, body).status, error(404, body).in_envelope), (404, false), "{body}");
            if !body.is_empty() {
                assert_eq!(opened(200, body), Err(ApiError::NotAnEnvelope), "{body}");
            }
        }
    }
}
