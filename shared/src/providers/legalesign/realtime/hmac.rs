//! The HMAC of the JSON webhook.
//!
//! Legalesign documents that payloads are signed with a secret of the user (`webhookHmacSecret`, docs.legalesign.com) and
//! that there is a header `X-Hmac-Sha256`. How the header is encoded, how the key is made of the secret, and what exactly
//! is signed isn't documented. So the form is a setting, and `countersign probe` finds it: it tries every form of the body
//! as it was posted on stored deliveries.

use aws_lc_rs::hmac::{self, Key};
use base64::Engine;
use secrecy::{ExposeSecret, SecretString};

use crate::proof::BASE64;

/// The header with the HMAC.
pub(super) const HEADER: &str = "x-hmac-sha256";

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// As they are.
    Text,
    Hex,
    Base64,
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Text => Some(text.as_bytes().to_vec()),
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => BASE64.decode(text).ok(),
        }
    }
}

/// A form that the HMAC may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct HmacForm {
    /// Its name in the setting: the encoding of the header, then that of the key.
    pub(in super::super) name: &'static str,
    header: Encoding,
    key: Encoding,
}

impl HmacForm {
    /// Every form that is tried.
    pub(in super::super) const ALL: [Self; 6] = [
        Self { name: "hex-text", header: Encoding::Hex, key: Encoding::Text },
        Self { name: "hex-hex", header: Encoding::Hex, key: Encoding::Hex },
        Self { name: "hex-base64", header: Encoding::Hex, key: Encoding::Base64 },
        Self { name: "base64-text", header: Encoding::Base64, key: Encoding::Text },
        Self { name: "base64-hex", header: Encoding::Base64, key: Encoding::Hex },
        Self { name: "base64-base64", header: Encoding::Base64, key: Encoding::Base64 },
    ];

    /// Parses a form's name.
    pub(in super::super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name == name)
    }

    /// Whether one of these secrets can be a key of this form.
    pub(super) fn has_key(self, secrets: &[SecretString]) -> bool {
        secrets.iter().any(|secret| self.key.decode(secret.expose_secret()).is_some())
    }

    /// Whether a header holds the HMAC of a body under one of these secrets.
    pub(super) fn holds(self, header: &str, body: &[u8], secrets: &[SecretString]) -> bool {
        let Some(code) = self.header.decode(header.trim()) else { return false };
        let keys = secrets.iter().filter_map(|secret| self.key.decode(secret.expose_secret()));
        keys.into_iter().any(|key| hmac::verify(&Key::new(hmac::HMAC_SHA256, &key), body, &code).is_ok())
    }
}

/// Whether the HMAC of a webhook is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct HmacPolicy {
    /// The form that it has.
    pub(in super::super) form: HmacForm,
    /// Whether a webhook without one is rejected.
    pub(in super::super) is_required: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HMAC-SHA256 test case 2 of RFC 4231.
    const SECRET: &str = "Jefe";
    const BODY: &[u8] = b"what do ya want for nothing?";
    const CODE: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    const CODE_IN_BASE64: &str = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=";

    #[test]
    fn each_form_holds_for_its_own_encodings_only() {
        let in_base64 = CODE_IN_BASE64.trim_end_matches('=');
        for (secret, header, form) in [
            (SECRET, CODE, "hex-text"),
            (SECRET, &CODE.to_uppercase(), "hex-text"),
            ("4a656665", CODE, "hex-hex"),
            ("SmVmZQ==", CODE, "hex-base64"),
            (SECRET, CODE_IN_BASE64, "base64-text"),
            (SECRET, in_base64, "base64-text"),
            ("4A656665", CODE_IN_BASE64, "base64-hex"),
            ("SmVmZQ", CODE_IN_BASE64, "base64-base64"),
        ] {
            let holding = HmacForm::ALL.into_iter().filter(|form| form.holds(header, BODY, &[secret.into()]));
            assert_eq!(holding.map(|form| form.name).collect::<Vec<_>>(), [form], "{secret} {header}");
        }
    }

    #[test]
    fn another_body_secret_or_code_does_not_hold() {
        let form = HmacForm::parse("hex-text").unwrap();
        let wrong = CODE.replace('5', "6");
        for (header, body, secret) in [
            (CODE, &BODY[1..], SECRET),
            (CODE, BODY, "jefe"),
            (&wrong, BODY, SECRET),
            (&CODE[2..], BODY, SECRET),
            ("", BODY, SECRET),
            ("no hex", BODY, SECRET),
        ] {
            assert!(!form.holds(header, body, &[secret.into()]), "{header} {secret}");
        }
        assert!(!form.holds(CODE, BODY, &[]));
        assert!(form.holds(CODE, BODY, &["other".into(), SECRET.into()]), "the second of two secrets");
    }
}
