//! Certificates and keys in the settings, valid and invalid.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::proof::signature::{Fingerprint, SignerFault, Signers};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{
    BATCH, BATCH_SIGNED, BATCH_SIGNED_BY_OTHER, LOOKALIKE, LOOKALIKE_FINGERPRINT, LOOKALIKE_KEY,
    LOOKALIKE_KEY_FINGERPRINT, NOW, OTHER, at, fingerprint, signers,
};

const RSA_1024: &str = include_str!("../../data/legalesign/rsa1024.crt.pem");
const RSA_PSS: &str = include_str!("../../data/legalesign/rsa-pss.pub.pem");
const ELLIPTIC: &str = include_str!("../../data/legalesign/ec.crt.pem");
const PRIVATE_KEY: &str = include_str!("../../data/legalesign/THROWAWAY-TEST-KEY-rsa2048.pem");

fn fault(entry: &str) -> SignerFault {
    let (signers, problems) = Signers::parse(&[entry]);
    assert!(signers.is_empty());
    let [problem] = problems[..] else { panic!("{problems:?}") };
    problem.fault
}

/// The bytes inside a fixture.
fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(body).expect("fixtures are PEM")
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----{}-----END {label}-----", STANDARD.encode(der))
}

#[test]
fn a_certificate_like_legalesigns_is_read() {
    let signers = signers(&[LOOKALIKE]);
    let signer = signers.iter().next().unwrap();
    assert_eq!(signer.fingerprint().to_string(), LOOKALIKE_FINGERPRINT);
    assert_eq!(signer.not_before(), Some(at("2013-02-01T16:28:27Z")));
    assert_eq!(signer.not_after(), Some(at("2033-02-01T16:28:27Z")));
    assert_eq!(signer.pem(), LOOKALIKE);
}

#[test]
fn a_public_key_is_read() {
    let signers = signers(&[LOOKALIKE_KEY]);
    let signer = signers.iter().next().unwrap();
    assert_eq!(signer.fingerprint().to_string(), LOOKALIKE_KEY_FINGERPRINT);
    assert_eq!((signer.not_before(), signer.not_after(), signer.days_left(at(NOW))), (None, None, None));
    assert_eq!(signer.pem(), LOOKALIKE_KEY);
}

#[test]
fn days_left_are_counted_to_the_expiry_date() {
    let signers = signers(&[LOOKALIKE]);
    let signer = signers.iter().next().unwrap();
    for (time, days) in [
        ("2033-01-02T16:28:27Z", 30),
        ("2033-01-02T16:28:28Z", 29),
        ("2033-02-01T16:28:27Z", 0),
        ("2033-02-01T16:28:28Z", -1),
        ("2033-02-03T00:00:00Z", -2),
    ] {
        assert_eq!(signer.days_left(at(time)), Some(days), "{time}");
    }
}

#[test]
fn a_certificate_without_an_expiry_date_never_expires() {
    let signers = signers(&[OTHER]);
    assert_eq!(signers.iter().next().unwrap().not_after(), Some(Timestamp::MAX));
    assert!(signers.verify_sha1(BATCH, BATCH_SIGNED_BY_OTHER.as_bytes(), Timestamp::MAX).is_ok());
}

#[test]
fn unsupported_keys_are_reported() {
    assert_eq!(fault(RSA_1024), SignerFault::KeyTooShort);
    assert_eq!(fault(ELLIPTIC), SignerFault::NotRsa);
    assert_eq!(fault(RSA_PSS), SignerFault::NotRsa);
    assert_eq!(fault(PRIVATE_KEY), SignerFault::PrivateKey);
    assert_eq!(fault(&format!("{LOOKALIKE}{PRIVATE_KEY}")), SignerFault::PrivateKey);
    assert_eq!(fault(&format!("{LOOKALIKE}{OTHER}")), SignerFault::SeveralBlocks);
}

#[test]
fn other_texts_are_reported_as_unreadable() {
    let cut = &LOOKALIKE[..LOOKALIKE.len() / 2];
    let without_a_line: String = LOOKALIKE.lines().filter(|line| !line.starts_with("MIIF")).collect();
    let other_label = LOOKALIKE.replace("CERTIFICATE", "CERTIFICATE REQUEST");
    let key_labelled_certificate = LOOKALIKE_KEY.replace("PUBLIC KEY", "CERTIFICATE");
    let certificate_labelled_key = LOOKALIKE.replace("CERTIFICATE", "PUBLIC KEY");
    let trailing_byte = pem("CERTIFICATE", &[&der(LOOKALIKE)[..], b"\0"].concat());
    let trailing_byte_key = pem("PUBLIC KEY", &[&der(LOOKALIKE_KEY)[..], b"\0"].concat());
    let not_base64 = LOOKALIKE.replace("MIIF", "M*IF");
    for wrong in [
        "",
        "legalesign.pem",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        cut,
        &without_a_line,
        &other_label,
        &key_labelled_certificate,
        &certificate_labelled_key,
        &trailing_byte,
        &trailing_byte_key,
        &not_base64,
    ] {
        assert_eq!(fault(wrong), SignerFault::Unreadable, "{wrong}");
    }
}

#[test]
fn pem_with_other_line_breaks_or_extra_text_is_normalised() {
    let on_one_line = LOOKALIKE.replace('\n', " ");
    let windows = LOOKALIKE.replace('\n', "\r\n");
    let indented = LOOKALIKE.replace('\n', "\n    ");
    let with_text = format!("Certificate:\n    Version: 1 (0x0)\n{LOOKALIKE}\nbye");
    for text in [&on_one_line, &windows, &indented, &with_text] {
        let signers = signers(&[text]);
        assert_eq!(signers.iter().next().unwrap().pem(), LOOKALIKE, "{text}");
    }
}

#[test]
fn one_bad_entry_is_reported_and_the_others_work() {
    let (signers, problems) = Signers::parse(&["nonsense", LOOKALIKE, RSA_1024, LOOKALIKE, OTHER]);
    let reported: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", problem.code())).collect();
    assert_eq!(
        reported,
        [
            "unreadable: certificate 1: is neither a PEM certificate nor a PEM public key",
            "key_too_short: certificate 3: the RSA key has fewer than 2,048 bits",
        ]
    );
    let known: Vec<Fingerprint> = signers.iter().map(|signer| signer.fingerprint()).collect();
    assert_eq!(known, [fingerprint(LOOKALIKE), fingerprint(OTHER)]);
    assert!(signers.verify_sha1(BATCH, BATCH_SIGNED.as_bytes(), at(NOW)).is_ok());
}

proptest! {
    #[test]
    fn a_damaged_certificate_is_rejected_or_has_another_fingerprint(
        changes in vec((0..1358_usize, any::<u8>()), 1..9),
        length in prop_oneof![Just(1358), 0..1358_usize],
    ) {
        let whole = der(LOOKALIKE);
        let mut der = whole.clone();
        for (position, byte) in changes {
            der[position] = byte;
        }
        der.truncate(length);
        let (signers, problems) = Signers::parse(&[pem("CERTIFICATE", &der)]);
        prop_assert_eq!(signers.iter().len() + problems.len(), 1);
        if let Some(signer) = signers.iter().next() {
            prop_assert_eq!(signer.fingerprint().to_string() == LOOKALIKE_FINGERPRINT, der == whole);
        }
    }
}
