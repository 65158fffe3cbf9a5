//! Shared secrets that a sender must know: path tokens, and the tokens that a body carries.

use aws_lc_rs::{constant_time, digest};
use secrecy::{ExposeSecret, SecretString};

/// A token shorter than this can be guessed, and doesn't count as configured.
pub const MIN_TOKEN_CHARS: usize = 12;

/// Accepted tokens, kept as SHA-256 digests: comparing digests takes the same time whatever was sent, however long.
#[derive(Clone, Default)]
pub struct Tokens(Vec<digest::Digest>);

/// Why a list of tokens can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokens {
    /// There is none.
    #[error("the list of tokens is empty")]
    Empty,
    /// One of them is too short; its position is given, from 0.
    #[error("token {0} has under {MIN_TOKEN_CHARS} characters")]
    Short(usize),
}

impl Tokens {
    /// Takes the tokens in their order: several, so that old and new overlap while rotating.
    ///
    /// # Errors
    /// When there is none, or one is under [`MIN_TOKEN_CHARS`].
    pub fn new(tokens: &[SecretString]) -> Result<Self, InvalidTokens> {
        if tokens.is_empty() {
            return Err(InvalidTokens::Empty);
        }
        if let Some(short) = tokens.iter().position(|token| token.expose_secret().chars().count() < MIN_TOKEN_CHARS) {
            return Err(InvalidTokens::Short(short));
        }
        Ok(Self(tokens.iter().map(sha256).collect()))
    }

    /// Which of the tokens `sent` is. All are compared, so that the time doesn't tell which one it was.
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

    /// The tokens' digests, in their order. They are as secret as the tokens.
    pub(crate) fn digests(&self) -> impl Iterator<Item = &digest::Digest> {
        self.0.iter()
    }
}

/// A token's digest. It is as secret as the token.
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
    fn old_and_new_tokens_are_both_right_and_nothing_else_is() {
        let tokens = Tokens::new(&secrets(&["the-old-token", "the-new-token"])).unwrap();
        assert_eq!(tokens.position(&"the-old-token".into()), Some(0));
        assert_eq!(tokens.position(&"the-new-token".into()), Some(1));
        for wrong in ["", "the-new-toke", "the-new-token ", "THE-NEW-TOKEN"] {
            assert_eq!(tokens.position(&wrong.into()), None, "{wrong}");
        }
    }

    #[test]
    fn an_empty_list_or_a_short_token_is_no_configuration() {
        assert_eq!(Tokens::new(&[]).err(), Some(InvalidTokens::Empty));
        assert_eq!(Tokens::new(&secrets(&["long-enough-1", "eleven-char"])).err(), Some(InvalidTokens::Short(1)));
    }
}
