//! Parses PEM (RFC 7468) leniently: settings pass through JSON, environment variables and web consoles, which lose line
//! breaks, indent lines or add text around the block. The content between the two markers must still be base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::SignerFault;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
/// RFC 7468, section 2: "exactly 64 characters per line except for the final line".
const LINE: usize = 64;

/// The DER of the only block in a PEM text, by its label.
pub(super) enum Pem {
    Certificate(Vec<u8>),
    PublicKey(Vec<u8>),
}

impl Pem {
    /// Finds and decodes the only block of `text`.
    pub(super) fn parse(text: &str) -> Result<Self, SignerFault> {
        // Checked first, so that a private key beside a certificate isn't reported as a harmless `SeveralBlocks`.
        if text.contains("PRIVATE KEY-----") {
            return Err(SignerFault::PrivateKey);
        }
        let (_, rest) = text.split_once(BEGIN).ok_or(SignerFault::Unreadable)?;
        if rest.contains(BEGIN) {
            return Err(SignerFault::SeveralBlocks);
        }
        let (label, rest) = rest.split_once(DASHES).ok_or(SignerFault::Unreadable)?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----")).ok_or(SignerFault::Unreadable)?;
        let body: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(body).map_err(|_| SignerFault::Unreadable)?;
        match label {
            "CERTIFICATE" => Ok(Self::Certificate(der)),
            "PUBLIC KEY" => Ok(Self::PublicKey(der)),
            _ => Err(SignerFault::Unreadable),
        }
    }

    pub(super) fn der(&self) -> &[u8] {
        match self {
            Self::Certificate(der) | Self::PublicKey(der) => der,
        }
    }

    /// The block in its normalized form, with nothing around it.
    pub(super) fn to_text(&self) -> String {
        let label = match self {
            Self::Certificate(_) => "CERTIFICATE",
            Self::PublicKey(_) => "PUBLIC KEY",
        };
        let mut text = format!("{BEGIN}{label}-----\n");
        for line in STANDARD.encode(self.der()).as_bytes().chunks(LINE) {
            text.extend(line.iter().copied().map(char::from));
            text.push('\n');
        }
        text.push_str(&format!("-----END {label}-----\n"));
        text
    }
}
