//! Identifies a certificate or key in records and logs: SHA-256 over its DER, the usual fingerprint
//! (`openssl x509 -fingerprint -sha256`), written as 64 lower-case hexadecimal digits without colons.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Length of a SHA-256 hash, in bytes.
const SHA256_LEN: usize = 32;

/// SHA-256 over the DER of a certificate, or of a public key (SPKI).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; SHA256_LEN]);

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 lower-case hexadecimal digits")]
pub struct FingerprintError;

impl Fingerprint {
    /// The fingerprint with this hash.
    #[cfg(feature = "openssl")]
    pub(super) const fn new(sha256: [u8; SHA256_LEN]) -> Self {
        Self(sha256)
    }

    /// The 32 bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SHA256_LEN] {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Parses the form that [`fmt::Display`] writes, and no other spelling, because fingerprints are parts of keys.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits = text.as_bytes();
        if digits.len() != 2 * SHA256_LEN {
            return Err(FingerprintError);
        }
        let mut bytes = [0; SHA256_LEN];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            for &digit in pair {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return Err(FingerprintError),
                };
                *byte = *byte << 4 | value;
            }
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Fingerprint {
    /// Its first eight digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    /// As its hex text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_lower_case_hex_and_round_trips() {
        let text = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1dfeff";
        let mut bytes: [u8; SHA256_LEN] = std::array::from_fn(|index| index as u8);
        bytes[30..].copy_from_slice(&[0xfe, 0xff]);
        let fingerprint = Fingerprint(bytes);
        assert_eq!(fingerprint.to_string(), text);
        assert_eq!(text.parse(), Ok(fingerprint));
    }

    #[test]
    fn other_spellings_are_refused() {
        let text = Fingerprint([0xab; SHA256_LEN]).to_string();
        let upper = text.to_uppercase();
        let long = format!("{text}0");
        for wrong in ["", &text[1..], &long, &upper, &text.replace('b', "g"), &"é".repeat(32)] {
            assert_eq!(wrong.parse::<Fingerprint>(), Err(FingerprintError), "{wrong}");
        }
    }
}
