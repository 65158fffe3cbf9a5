//! Signatures as Legalesign makes them, by a certificate built like Legalesign's: see `data/legalesign/README.md`.
#![expect(clippy::expect_used, reason = "a test that can't go on should say where")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::signature::{Fingerprint, SignatureError, SignatureProof, Signers};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

const LOOKALIKE: &str = include_str!("data/legalesign/lookalike.crt.pem");
const LOOKALIKE_KEY: &str = include_str!("data/legalesign/lookalike.pub.pem");
const OTHER_EXPIRED: &str = include_str!("data/legalesign/other-expired.crt.pem");
const OTHER: &str = include_str!("data/legalesign/other-v3.crt.pem");

const BATCH: &[u8] = include_bytes!("data/legalesign/messages/batch.json");
const LATIN1: &[u8] = include_bytes!("data/legalesign/messages/latin1.json");
const BATCH_SIGNED: &str = include_str!("data/legalesign/signatures/batch.rsa4096.b64");
const BATCH_SIGNED_BY_OTHER: &str = include_str!("data/legalesign/signatures/batch.rsa2048.b64");
const BATCH_SHA256: &str = include_str!("data/legalesign/signatures/batch.sha256.b64");
const BATCH_PSS: &str = include_str!("data/legalesign/signatures/batch.pss.b64");
const LATIN1_SIGNED: &str = include_str!("data/legalesign/signatures/latin1.rsa4096.b64");
const EMPTY_SIGNED: &str = include_str!("data/legalesign/signatures/empty.rsa4096.b64");

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

fn verify(entries: &[&str], message: &[u8], signature: &str) -> Result<Fingerprint, SignatureError> {
    signers(entries).verify_sha1(message, signature.as_bytes(), at(NOW)).map(|proof| proof.fingerprint())
}

fn fingerprint(entry: &str) -> Fingerprint {
    signers(&[entry]).iter().next().expect("one entry, one signer").fingerprint()
}

#[test]
fn a_batch_is_proven_and_the_proof_names_the_signer() {
    let proof: SignatureProof = signers(&[LOOKALIKE]).verify_sha1(BATCH, BATCH_SIGNED.as_bytes(), at(NOW)).unwrap();
    assert_eq!(proof.fingerprint().to_string(), LOOKALIKE_FINGERPRINT);
    assert_eq!(proof.signer().pem(), LOOKALIKE);
}

#[test]
fn the_message_is_bytes_of_any_kind_and_number() {
    assert!(verify(&[LOOKALIKE], LATIN1, LATIN1_SIGNED).is_ok());
    assert!(verify(&[LOOKALIKE], b"", EMPTY_SIGNED).is_ok());
    assert_eq!(verify(&[LOOKALIKE], b"", BATCH_SIGNED), Err(SignatureError::Mismatch));
}

#[test]
fn the_public_key_proves_the_same_at_any_time() {
    let signers = signers(&[LOOKALIKE_KEY]);
    for time in ["1970-01-01T00:00:00Z", NOW, "2200-01-01T00:00:00Z"] {
        let proof = signers.verify_sha1(BATCH, BATCH_SIGNED.as_bytes(), at(time)).unwrap();
        assert_eq!(proof.fingerprint().to_string(), LOOKALIKE_KEY_FINGERPRINT);
    }
}

#[test]
fn wrapped_and_damaged_base64_is_repaired() {
    let lines: Vec<&str> = BATCH_SIGNED.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    assert!(lines.len() == 9 && BATCH_SIGNED.contains('+'), "the fixture has what is to be damaged");
    for damaged in [
        lines.join("\n") + "\n",
        lines.join("\r\n"),
        BATCH_SIGNED.replace('+', " "),
        lines.join("\n\t").replace('+', " "),
        BATCH_SIGNED.trim_end_matches('=').to_owned(),
    ] {
        assert!(verify(&[LOOKALIKE], BATCH, &damaged).is_ok(), "{damaged}");
    }
}

#[test]
fn what_is_not_base64() {
    for wrong in ["%%%", "AAAAA", &BATCH_SIGNED.replace('/', "_"), &format!("{BATCH_SIGNED}{BATCH_SIGNED}")] {
        assert_eq!(verify(&[LOOKALIKE], BATCH, wrong), Err(SignatureError::Encoding), "{wrong}");
    }
}

#[test]
fn a_signature_of_the_wrong_length() {
    for wrong in ["", "AAAA", &BATCH_SIGNED[4..], &format!("AAAA{BATCH_SIGNED}"), BATCH_SIGNED_BY_OTHER] {
        assert_eq!(verify(&[LOOKALIKE], BATCH, wrong), Err(SignatureError::Length), "{wrong}");
    }
}

#[test]
fn any_changed_byte_of_the_message_or_of_the_signature() {
    for position in (0..BATCH.len()).step_by(7).chain([BATCH.len() - 1]) {
        let mut message = BATCH.to_vec();
        message[position] ^= 1;
        assert_eq!(verify(&[LOOKALIKE], &message, BATCH_SIGNED), Err(SignatureError::Mismatch), "byte {position}");
    }
    assert_eq!(verify(&[LOOKALIKE], &BATCH[..BATCH.len() - 1], BATCH_SIGNED), Err(SignatureError::Mismatch));
    for position in (0..BATCH_SIGNED.len() - 2).step_by(31) {
        let mut signature = BATCH_SIGNED.as_bytes().to_vec();
        signature[position] = if signature[position] == b'A' { b'B' } else { b'A' };
        let signature = String::from_utf8(signature).unwrap();
        assert_eq!(verify(&[LOOKALIKE], BATCH, &signature), Err(SignatureError::Mismatch), "character {position}");
    }
}

#[test]
fn a_signature_over_something_else_or_by_somebody_else() {
    assert_eq!(verify(&[LOOKALIKE], LATIN1, BATCH_SIGNED), Err(SignatureError::Mismatch));
    assert_eq!(verify(&[LOOKALIKE, OTHER], LATIN1, BATCH_SIGNED_BY_OTHER), Err(SignatureError::Mismatch));
    assert_eq!(verify(&[OTHER], BATCH, BATCH_SIGNED), Err(SignatureError::Length));
}

#[test]
fn another_hash_or_padding_proves_nothing() {
    assert_eq!(verify(&[LOOKALIKE], BATCH, BATCH_SHA256), Err(SignatureError::Mismatch));
    assert_eq!(verify(&[LOOKALIKE], BATCH, BATCH_PSS), Err(SignatureError::Mismatch));
}

#[test]
fn while_certificates_rotate_both_are_good() {
    for entries in [[LOOKALIKE, OTHER], [OTHER, LOOKALIKE]] {
        assert_eq!(verify(&entries, BATCH, BATCH_SIGNED), Ok(fingerprint(LOOKALIKE)));
        assert_eq!(verify(&entries, BATCH, BATCH_SIGNED_BY_OTHER), Ok(fingerprint(OTHER)));
    }
}

#[test]
fn an_ended_certificate_does_not_hide_a_newer_one_with_the_same_key() {
    for entries in [[OTHER_EXPIRED, OTHER], [OTHER, OTHER_EXPIRED]] {
        assert_eq!(verify(&entries, BATCH, BATCH_SIGNED_BY_OTHER), Ok(fingerprint(OTHER)));
    }
}

#[test]
fn validity_is_judged_at_the_time_of_receipt_both_ends_included() {
    let signers = signers(&[LOOKALIKE]);
    let outside = SignatureError::OutsideValidity { fingerprint: fingerprint(LOOKALIKE) };
    for (time, expected) in [
        ("2013-02-01T16:28:26Z", Some(outside)),
        ("2013-02-01T16:28:27Z", None),
        ("2033-02-01T16:28:27Z", None),
        ("2033-02-01T16:28:28Z", Some(outside)),
    ] {
        let error = signers.verify_sha1(BATCH, BATCH_SIGNED.as_bytes(), at(time)).err();
        assert_eq!(error, expected, "{time}");
    }
}

#[test]
fn an_expired_certificate_proves_what_came_in_its_time_only() {
    let signers = signers(&[OTHER_EXPIRED]);
    let verify = |time| signers.verify_sha1(BATCH, BATCH_SIGNED_BY_OTHER.as_bytes(), at(time));
    assert!(verify("2015-06-01T00:00:00Z").is_ok());
    let error = verify(NOW).unwrap_err();
    assert_eq!(error, SignatureError::OutsideValidity { fingerprint: fingerprint(OTHER_EXPIRED) });
    // A wrong signature says nothing about the certificate.
    let error = signers.verify_sha1(LATIN1, BATCH_SIGNED_BY_OTHER.as_bytes(), at(NOW)).unwrap_err();
    assert_eq!(error, SignatureError::Mismatch);
}

#[test]
fn without_signers_nothing_is_said_about_the_signature() {
    assert!(signers(&[]).is_empty());
    assert_eq!(verify(&[], BATCH, BATCH_SIGNED), Err(SignatureError::NoSigners));
}

proptest! {
    #[test]
    fn nothing_made_up_is_a_signature(bytes in vec(any::<u8>(), 0..700), at_random in vec(any::<u8>(), 512)) {
        let signers = signers(&[LOOKALIKE]);
        prop_assert!(signers.verify_sha1(BATCH, &bytes, at(NOW)).is_err());
        let encoded = STANDARD.encode(at_random);
        let error = signers.verify_sha1(BATCH, encoded.as_bytes(), at(NOW)).unwrap_err();
        prop_assert_eq!(error, SignatureError::Mismatch);
    }
}
