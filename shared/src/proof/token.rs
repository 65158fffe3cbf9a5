//! Shared secrets that a sender must know: path tokens, and tokens in a body.

use aws_lc_rs::{constant_time, digest};
use secrecy::{ExposeSecret, SecretString};

/// Minimum length of a token, in characters. A shorter one can be guessed, and counts as not configured.
pub const MIN_TOKEN_CHARS: usize = 12;

/// Accepted tokens, kept as SHA-256 digests: comparing digests takes the same time for any input of any length.
#[derive(Clone, Default)]
pub struct Tokens(Vec<digest::Digest>);

/// Why a list of tokens can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokens {
    /// The list is empty.
    #[error("the list of tokens is empty")]
    Empty,
    /// The token at this position, counted from 0, is too short.
    #[error("token {0} has under {MIN_TOKEN_CHARS} characters")]
    Short(usize),
    /// The token at this position, counted from 0, has a character that a URL may change or that ends its path.
    #[error("token {0} has other characters than letters, digits, `-`, `.`, `_` and `~`")]
    NotForUrls(usize),
}

impl Tokens {
    /// Accepts the tokens of a list, which can have several so that old and new overlap during a rotation.
    ///
    /// # Errors
    /// [`InvalidTokens`] if the list is empty, or a token is shorter than [`MIN_TOKEN_CHARS`].
    pub fn new(tokens: &[SecretString]) -> Result<Self, InvalidTokens> {
        if tokens.is_empty() {
            return Err(InvalidTokens::Empty);
        }
        if let Some(short) = tokens.iter().position(|token| token.expose_secret().chars().count() < MIN_TOKEN_CHARS) {
            return Err(InvalidTokens::Short(short));
        }
        Ok(Self(tokens.iter().map(sha256).collect()))
    }

    /// The same for tokens in URLs. Services and gateways encode other characters in various ways, so such a token would fail
    /// for some senders.
    ///
    /// # Errors
    /// [`InvalidTokens`], as [`Tokens::new`], or if a token has characters that aren't safe in a URL.
    pub fn in_urls(tokens: &[SecretString]) -> Result<Self, InvalidTokens> {
        let is_safe = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        match tokens.iter().position(|token| !token.expose_secret().chars().all(is_safe)) {
            Some(position) => Err(InvalidTokens::NotForUrls(position)),
            None => Self::new(tokens),
        }
    }

    /// The position of the token that equals `sent`, counted from 0. `sent` is compared with all tokens, so that the
    /// time doesn't reveal which one matched.
    #[must_use]
    pub fn position(&self, sent: &SecretString) -> Option<usize> {
        let sent = sha256(sent);
        let equal =
            |token: &digest::Digest| constant_time::verify_slices_are_equal(token.as_ref(), sent.as_ref()).is_ok();
        self.0
            .iter()
            .enumerate()
            .fold(None, |found, (position, token)| if equal(token) { Some(position) } else { found })
    }

    /// The digests of the tokens, in the order of the list. They are as secret as the tokens.
    pub(crate) fn digests(&self) -> impl Iterator<Item = &digest::Digest> {
        self.0.iter()
    }
}

/// The SHA-256 digest of a token. It is as secret as the token.
pub(crate) fn sha256(token: &SecretString) -> digest::Digest {
    digest::digest(&digest::SHA256, token.expose_secret().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(tokens: &[&str]) -> Vec<SecretString> {
        tokens.iter().map(|token| SecretString::from(*token)).collect()
    }

    #[test]
    fn only_the_listed_tokens_are_accepted() {
        let tokens = Tokens::new(&secrets(&["the-old-token", "the-new-token"])).unwrap();
        assert_eq!(tokens.position(&"the-old-token".into()), Some(0));
        assert_eq!(tokens.position(&"the-new-token".into()), Some(1));
        for wrong in ["", "the-new-toke", "the-new-token ", "THE-NEW-TOKEN"] {
            assert_eq!(tokens.position(&wrong.into()), None, "{wrong}");
        }
    }

    #[test]
    fn an_empty_list_or_a_short_token_is_refused() {
        assert_eq!(Tokens::new(&[]).err(), Some(InvalidTokens::Empty));
        assert_eq!(Tokens::new(&secrets(&["long-enough-1", "eleven-char"])).err(), Some(InvalidTokens::Short(1)));
        assert_eq!(Tokens::in_urls(&secrets(&["eleven-char"])).err(), Some(InvalidTokens::Short(0)));
    }

    #[test]
    fn a_token_that_a_url_would_change_is_refused_for_urls() {
        assert!(Tokens::in_urls(&secrets(&["Long-enough_1.~"])).is_ok());
        for token in ["twelve/chars", "twelve chars", "twelve+chars", "twelve%2Fchars", "twelve?chars", "zwölf-zeichen"]
        {
            let tokens = secrets(&["long-enough-1", token]);
            assert_eq!(Tokens::in_urls(&tokens).err(), Some(InvalidTokens::NotForUrls(1)), "{token}");
            assert!(Tokens::new(&tokens).is_ok(), "{token}");
        }
    }
}
