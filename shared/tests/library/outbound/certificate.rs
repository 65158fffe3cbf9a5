//! A self-signed certificate for one name. Encoded by hand, since nothing else here needs a library for it.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;

pub struct Certificate {
    pub certificate: Vec<u8>,
    /// PKCS#8.
    pub key: Vec<u8>,
}

impl Certificate {
    pub fn for_name(name: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let to_be_signed = to_be_signed(name, key.public_key().as_der().unwrap().as_ref());
        let signature = key.sign(&SystemRandom::new(), &to_be_signed).unwrap();
        let signature = der(BIT_STRING, &[&[0], signature.as_ref()]);
        Self {
            certificate: der(SEQUENCE, &[&to_be_signed, &der(SEQUENCE, &[ECDSA_WITH_SHA256]), &signature]),
            key: key.to_pkcs8v1().unwrap().as_ref().to_vec(),
        }
    }

    pub fn pem(&self) -> String {
        let base64 = base64::engine::general_purpose::STANDARD.encode(&self.certificate);
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const DNS_NAME: u8 = 0x82;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;

const ECDSA_WITH_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 4, 3];
const SUBJECT_ALT_NAME: &[u8] = &[0x06, 3, 0x55, 0x1d, 0x11];

/// RFC 5280, section 4.1.
fn to_be_signed(name: &str, public_key: &[u8]) -> Vec<u8> {
    let common_name = der(SEQUENCE, &[COMMON_NAME, &der(UTF8_STRING, &[name.as_bytes()])]);
    let subject = der(SEQUENCE, &[&der(SET, &[&common_name])]);
    let validity = [der(UTC_TIME, &[b"240101000000Z"]), der(UTC_TIME, &[b"491231235959Z"])].concat();
    let names = der(SEQUENCE, &[&der(DNS_NAME, &[name.as_bytes()])]);
    let extension = der(SEQUENCE, &[SUBJECT_ALT_NAME, &der(OCTET_STRING, &[&names])]);
    der(
        SEQUENCE,
        &[
            &der(VERSION, &[&der(INTEGER, &[&[2]])]),
            &der(INTEGER, &[&[1]]),
            &der(SEQUENCE, &[ECDSA_WITH_SHA256]),
            &subject,
            &der(SEQUENCE, &[&validity]),
            &subject,
            public_key,
            &der(EXTENSIONS, &[&der(SEQUENCE, &[&extension])]),
        ],
    )
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap();
    let mut whole = vec![tag];
    match length {
        0..0x80 => whole.push(length as u8),
        0x80..0x100 => whole.extend([0x81, length as u8]),
        _ => whole.extend([&[0x82], &length.to_be_bytes()[..]].concat()),
    }
    whole.extend(content);
    whole
}
