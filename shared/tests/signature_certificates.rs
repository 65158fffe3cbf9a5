//! What is taken from the settings as a certificate or key, and what is not: see `data/legalesign/README.md`.
#![expect(clippy::expect_used, clippy::panic, reason = "a test that can't go on should say where")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::signature::{Fingerprint, SignerFault, Signers};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

const LOOKALIKE: &str = include_str!("data/legalesign/lookalike.crt.pem");
const LOOKALIKE_KEY: &str = include_str!("data/legalesign/lookalike.pub.pem");
const OTHER: &str = include_str!("data/legalesign/other-v3.crt.pem");
const RSA_1024: &str = include_str!("data/legalesign/rsa1024.crt.pem");
const RSA_PSS: &str = include_str!("data/legalesign/rsa-pss.pub.pem");
const ELLIPTIC: &str = include_str!("data/legalesign/ec.crt.pem");
const PRIVATE_KEY: &str = include_str!("data/legalesign/THROWAWAY-TEST-KEY-rsa2048.pem");

const BATCH: &[u8] = include_bytes!("data/legalesign/messages/batch.json");
const BATCH_SIGNED: &str = include_str!("data/legalesign/signatures/batch.rsa4096.b64");
const BATCH_SIGNED_BY_OTHER: &str = include_str!("data/legalesign/signatures/batch.rsa2048.b64");

/// What `openssl x509 -in lookalike.crt.pem -noout -fingerprint -sha256` says.
const LOOKALIKE_FINGERPRINT: &str = "97d6d47ef3ca6bd6077b0087313a57a174d1f029dcaf37f4a19cb0382a3e1ee6";
/// What `openssl pkey -pubin -in lookalike.pub.pem -outform DER | sha256sum` says.
const LOOKALIKE_KEY_FINGERPRINT: &str = "75f48a9ada113623241dd36d1014c4707d2ef8c9309541efb7e18e7a7ae150f4";

/// Some moment in the lookalike's validity.
const NOW: &str = "2026-06-01T00:00:00Z";

fn at(time: &str) -> Timestamp {
    time.parse().expect("tests write valid times")
}

fn signers(entries: &[&str]) -> Signers {
    let (signers, problems) = Signers::parse(entries);
    assert_eq!(problems, []);
    signers
}

fn fingerprint(entry: &str) -> Fingerprint {
    signers(&[entry]).iter().next().expect("one entry, one signer").fingerprint()
}

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
fn a_certificate_like_the_real_one_is_read() {
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
fn days_left() {
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
fn a_certificate_without_an_end() {
    let signers = signers(&[OTHER]);
    assert_eq!(signers.iter().next().unwrap().not_after(), Some(Timestamp::MAX));
    assert!(signers.verify_sha1(BATCH, BATCH_SIGNED_BY_OTHER.as_bytes(), Timestamp::MAX).is_ok());
}

#[test]
fn keys_that_do_not_count() {
    assert_eq!(fault(RSA_1024), SignerFault::KeyTooShort);
    assert_eq!(fault(ELLIPTIC), SignerFault::NotRsa);
    assert_eq!(fault(RSA_PSS), SignerFault::NotRsa);
    assert_eq!(fault(PRIVATE_KEY), SignerFault::PrivateKey);
    assert_eq!(fault(&format!("{LOOKALIKE}{PRIVATE_KEY}")), SignerFault::PrivateKey);
    assert_eq!(fault(&format!("{LOOKALIKE}{OTHER}")), SignerFault::SeveralBlocks);
}

#[test]
fn texts_that_are_no_certificate() {
    let cut = &LOOKALIKE[..LOOKALIKE.len() / 2];
    let without_a_line: String = LOOKALIKE.lines().filter(|line| !line.starts_with("MIIF")).collect();
    let other_label = LOOKALIKE.replace("CERTIFICATE", "CERTIFICATE REQUEST");
    let key_labelled_certificate = LOOKALIKE_KEY.replace("PUBLIC KEY", "CERTIFICATE");
    let certificate_labelled_key = LOOKALIKE.replace("CERTIFICATE", "PUBLIC KEY");
    let more_behind = pem("CERTIFICATE", &[&der(LOOKALIKE)[..], b"\0"].concat());
    let more_behind_key = pem("PUBLIC KEY", &[&der(LOOKALIKE_KEY)[..], b"\0"].concat());
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
        &more_behind,
        &more_behind_key,
        &not_base64,
    ] {
        assert_eq!(fault(wrong), SignerFault::Unreadable, "{wrong}");
    }
}

#[test]
fn pem_that_lost_its_line_breaks_or_gained_text_is_read_and_kept_clean() {
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
    let told: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", problem.code())).collect();
    assert_eq!(
        told,
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
    fn a_damaged_certificate_is_refused_or_another_one(
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
