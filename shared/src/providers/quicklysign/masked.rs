//! URLs as they may be printed. A callback URL's last segment is the secret path token of this stack, and other
//! people's URLs have secrets of their own.
//!
//! Of a URL of our route, everything up to the token is shown; of any other, only scheme and host.

use url::Url;

use crate::delivery::Route;

/// What stands where a secret was.
const MASK: &str = "***";

/// The fixed part of our route's path, with both slashes.
pub(super) fn our_path() -> &'static str {
    Route::Quicklysign.path().trim_end_matches("{token}")
}

/// A URL without what could be secret in it.
pub(super) fn url(text: &str) -> String {
    let Some(url) = Url::parse(text).ok().filter(|url| url.has_host() && !url.cannot_be_a_base()) else {
        return MASK.to_owned();
    };
    let origin = url.origin().ascii_serialization();
    match url.path().find(our_path()) {
        Some(position) => format!("{origin}{}{}{MASK}", &url.path()[..position], our_path()),
        None if url.path() == "/" && url.query().is_none() => origin,
        None => format!("{origin}/{MASK}"),
    }
}

/// A text in which every URL is masked, and everything else that holds our route.
pub(super) fn text(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|piece| {
            let word = piece.trim_end();
            let space = &piece[word.len()..];
            format!("{}{space}", self::word(word))
        })
        .collect()
}

/// A word without spaces. A URL in it ends where the word ends: what may follow it isn't worth the risk.
fn word(word: &str) -> String {
    if let Some(colon) = word.find("://") {
        let scheme = word[..colon].trim_end_matches(|char: char| char.is_ascii_alphanumeric() || "+.-".contains(char));
        return format!("{scheme}{}", url(&word[scheme.len()..]));
    }
    // Without a scheme, or percent-encoded.
    let lower = word.to_ascii_lowercase();
    let is_url = lower.contains("callbacks/") || lower.contains("%2f") || lower.starts_with("//");
    if is_url { MASK.to_owned() } else { word.to_owned() }
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
    fn urls_in_a_text_are_masked_wherever_they_stand() {
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
