//! Path and query of an event as those of a URL. API Gateway passes on what was sent, which may have characters that a URL
//! can't have.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What a query can't have as it is.
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'|')
    .add(b'\\')
    .add(b'^');

/// What a path can't have as it is.
const PATH: &AsciiSet = &QUERY.add(b'?');

/// Path and query, percent-encoded where they aren't those of a URL.
pub fn target(path: &str, query: &str) -> String {
    let path = utf8_percent_encode(path, PATH);
    if query.is_empty() { path.to_string() } else { format!("{path}?{}", utf8_percent_encode(query, QUERY)) }
}
