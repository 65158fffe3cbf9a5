//! Parses `multipart/form-data` (RFC 7578). Django, the receiver in Legalesign's own examples, accepts it as well.
//!
//! `multer` splits the body. It is made for streams; the whole body is passed in as one chunk, so its future never
//! waits and completes on the first poll. The body is copied once, into `multer`'s buffer; values are slices of that.
//! The name is the only header of a part that counts: file name, charset and transfer encoding are ignored.
//!
//! A content type may name several boundaries: a sender repeats the parameter, or a gateway joins two headers with a
//! comma. All are tried. If none fits, the body's first line is tried, and then lines that end with a line feed alone.

use bytes::{Bytes, BytesMut};
use futures::future::{FutureExt, ready};
use futures::stream::once;

use super::{Field, FormError, push};

/// RFC 2046, section 5.1.1: 1 to 70 characters.
const BOUNDARY_LEN: std::ops::RangeInclusive<usize> = 1..=70;

/// Maximum number of boundaries that are tried, since each try reads the whole body.
const MAX_BOUNDARIES: usize = 8;

/// Whether a content type is `multipart/form-data`, with any parameters, or a list that contains it.
pub(super) fn is_multipart(content_type: &str) -> bool {
    content_type.split(',').any(is_form_data)
}

/// Whether a content type is a list of `multipart/form-data` and something else.
pub(super) fn is_mixed(content_type: &str) -> bool {
    let mut types = content_type.split(',').filter(|part| essence(part).contains('/'));
    is_multipart(content_type) && !types.all(is_form_data)
}

fn is_form_data(content_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case("multipart/form-data")
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// Splits a body at each boundary given in the content type. Returns the fields of every form that this gives; two are
/// never the same.
pub(super) fn read(content_type: &str, body: &Bytes) -> Result<Vec<Vec<Field>>, FormError> {
    let named = boundaries(content_type);
    let mut forms = Vec::new();
    let mut error = FormError::Boundary;
    for boundary in &named {
        match parse(boundary, body) {
            Ok(fields) if forms.contains(&fields) => {}
            Ok(fields) => forms.push(fields),
            Err(cause) => error = cause,
        }
    }
    if !forms.is_empty() {
        return Ok(forms);
    }
    let first = first_delimiter(body);
    let readable = first.filter(|first| !named.contains(first)).and_then(|first| parse(first, body).ok());
    readable
        .or_else(|| {
            named.iter().copied().chain(first).find_map(|boundary| parse(boundary, &with_crlf(boundary, body)?).ok())
        })
        .map(|fields| vec![fields])
        .ok_or(error)
}

/// The values of all `boundary` parameters, quoted or not, without repetitions. `multer::parse_boundary` is too strict
/// for real senders: it refuses a space before a `;`, and characters that should have been quoted.
fn boundaries(content_type: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = content_type;
    while let Some((name, value)) = rest.split_once('=') {
        // Skip media types and parameters without a value before this one.
        let name = name.rsplit([';', ',']).next().unwrap_or_default().trim();
        let value = value.trim_start();
        let (values, next) = match value.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some((value, next)) => ([value, value], next),
                None => break,
            },
            None => {
                // A comma ends the value, or is a part of it.
                let (long, _) = value.split_once(';').unwrap_or((value, ""));
                let (short, next) = value.split_once([';', ',']).unwrap_or((value, ""));
                ([short.trim(), long.trim()], next)
            }
        };
        if name.eq_ignore_ascii_case("boundary") {
            for value in values {
                if BOUNDARY_LEN.contains(&value.len()) && !found.contains(&value) && found.len() < MAX_BOUNDARIES {
                    found.push(value);
                }
            }
        }
        rest = next;
    }
    found
}

/// The boundary in a body's first line, if that can be a delimiter.
fn first_delimiter(body: &[u8]) -> Option<&str> {
    let line = body.split(|byte| *byte == b'\n').next()?.strip_prefix(b"--")?;
    let boundary = std::str::from_utf8(line).ok()?.trim_end();
    BOUNDARY_LEN.contains(&boundary.len()).then_some(boundary)
}

/// A body whose lines end with a line feed alone, with the line ends of its delimiters and part headers as required.
/// Values stay as they are. `None` if it doesn't begin with such a delimiter.
fn with_crlf(boundary: &str, body: &[u8]) -> Option<Bytes> {
    let delimiter = format!("--{boundary}");
    let mut rest = body.strip_prefix(delimiter.as_bytes())?.strip_prefix(b"\n")?;
    let next = format!("\n{delimiter}");
    let mut written = BytesMut::with_capacity(body.len() + 64);
    written.extend_from_slice(delimiter.as_bytes());
    loop {
        let headers = find(rest, b"\n\n")?;
        for line in rest[..headers].split(|byte| *byte == b'\n') {
            written.extend_from_slice(b"\r\n");
            written.extend_from_slice(line);
        }
        written.extend_from_slice(b"\r\n\r\n");
        rest = &rest[headers + 2..];
        let value = find(rest, next.as_bytes())?;
        written.extend_from_slice(&rest[..value]);
        written.extend_from_slice(b"\r\n");
        written.extend_from_slice(delimiter.as_bytes());
        rest = &rest[value + next.len()..];
        match rest.strip_prefix(b"\n") {
            Some(part) => rest = part,
            None => {
                written.extend_from_slice(rest);
                return Some(written.freeze());
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn parse(boundary: &str, body: &Bytes) -> Result<Vec<Field>, FormError> {
    // The only chunk is ready, so the future is never pending; if it ever is, that counts as malformed.
    split(boundary.to_owned(), body.clone()).now_or_never().unwrap_or(Err(FormError::Multipart))
}

async fn split(boundary: String, body: Bytes) -> Result<Vec<Field>, FormError> {
    let mut parts = multer::Multipart::new(once(ready(Ok::<_, std::convert::Infallible>(body))), boundary);
    let mut fields = Vec::new();
    // `multer`'s errors contain names of posted fields, so they are dropped.
    while let Some(mut part) = parts.next_field().await.map_err(|_| FormError::Multipart)? {
        let name = part.name().ok_or(FormError::Multipart)?.to_owned();
        let mut value = part.chunk().await.map_err(|_| FormError::Multipart)?.unwrap_or_default();
        // One chunk in gives one chunk out. If that ever changes, the value must still be complete.
        while let Some(more) = part.chunk().await.map_err(|_| FormError::Multipart)? {
            let mut joined = BytesMut::from(value);
            joined.extend_from_slice(&more);
            value = joined.freeze();
        }
        push(&mut fields, name.into(), value)?;
    }
    Ok(fields)
}
