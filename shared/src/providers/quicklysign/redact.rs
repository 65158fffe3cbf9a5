//! Redacts URLs for display. A callback URL's last segment is the secret path token of this stack, and foreign URLs have
//! secrets of their own.
//!
//! A URL of our route is shown up to the token, any other one with scheme and host only.

use url::Url;

use crate::domain::Route;

/// The text in place of a secret.
const REDACTED: &str = "***";

/// The fixed part of our route's path, with both slashes.
pub(super) fn our_path() -> &'static str {
    Route::Quicklysign.prefix()
}

/// A URL without the parts that could be secret.
pub(super) fn url(text: &str) -> String {
    let Some(url) = Url::parse(text).ok().filter(|url| url.has_host() && !url.cannot_be_a_base()) else {
        return REDACTED.to_owned();
    };
    let origin = url.origin().ascii_serialization();
    match url.path().find(our_path()) {
        Some(position) => format!("{origin}{}{}{REDACTED}", &url.path()[..position], our_path()),
        None if url.path() == "/" && url.query().is_none() => origin,
        None => format!("{origin}/{REDACTED}"),
    }
}

/// A text in which every URL is redacted, and every other word that contains our route.
pub(super) fn text(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|piece| {
            let word = piece.trim_end();
            let space = &piece[word.len()..];
            format!("{}{space}", self::word(word))
        })
        .collect()
}

/// Redacts a word, which has no spaces. A URL in it is assumed to extend to the word's end, to be on the safe side.
fn word(word: &str) -> String {
    if let Some(colon) = word.find("://") {
        let scheme = word[..colon].trim_end_matches(|char: char| char.is_ascii_alphanumeric() || "+.-".contains(char));
        return format!("{scheme}{}", url(&word[scheme.len()..]));
    }
    // Without a scheme, or percent-encoded.
    let lower = word.to_ascii_lowercase();
    let is_url = lower.contains("callbacks/") || lower.contains("%2f") || lower.starts_with("//");
    if is_url { REDACTED.to_owned() } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_token_is_never_shown() {
        for (text, shown) in [
            ("https://x.example/callbacks/quicklysign/t0ken", "https://x.example/callbacks/quicklysign/***"),
            ("https://x.example/prod/callbacks/quicklysign/t0ken/", "https://x.example/prod/callbacks/quicklysign/***"),
            (
                "https://x.example:8443/callbacks/quicklysign/a?b=t0ken",
                "https://x.example:8443/callbacks/quicklysign/***",
            ),
            ("https://user:t0ken@x.example/callbacks/quicklysign/a", "https://x.example/callbacks/quicklysign/***"),
            ("https://x.example/hooks/t0ken/callback", "https://x.example/***"),
            ("https://x.example/?t0ken", "https://x.example/***"),
            ("https://x.example", "https://x.example"),
            ("https://x.example/#t0ken", "https://x.example"),
            ("x.example/callbacks/quicklysign/t0ken", "***"),
            ("mailto:t0ken@x.example", "***"),
            ("t0ken", "***"),
            ("", "***"),
        ] {
            assert_eq!(url(text), shown, "{text}");
        }
    }

    #[test]
    fn urls_in_a_text_are_redacted_at_any_place() {
        for (log, shown) in [
            (
                "Successful call to url https://x.example/callbacks/quicklysign/t0ken . Received 200 response",
                "Successful call to url https://x.example/callbacks/quicklysign/*** . Received 200 response",
            ),
            ("url:\"https://x.example/t0ken\", then", "url:\"https://x.example/*** then"),
            ("HTTPS://X.EXAMPLE/CALLBACKS/QUICKLYSIGN/T0KEN", "https://x.example/***"),
            (
                "to\thttps://x.example/t0ken\nand https://y.example/t0ken",
                "to\thttps://x.example/***\nand https://y.example/***",
            ),
            ("x.example/callbacks/quicklysign/t0ken failed", "*** failed"),
            ("u=https%3A%2F%2Fx.example%2Fcallbacks%2Fquicklysign%2Ft0ken", "***"),
            ("://t0ken", "***"),
            ("nothing to hide: 200", "nothing to hide: 200"),
            ("", ""),
        ] {
            assert_eq!(text(log), shown, "{log}");
        }
    }
}
