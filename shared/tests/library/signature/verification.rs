//! Verification of signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::proof::signature::{Fingerprint, SignatureError, SignatureProof};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{
    BATCH, BATCH_SIGNED, BATCH_SIGNED_BY_OTHER, LOOKALIKE, LOOKALIKE_FINGERPRINT, LOOKALIKE_KEY,
    LOOKALIKE_KEY_FINGERPRINT, NOW, OTHER, at, fingerprint, signers,
};

const OTHER_EXPIRED: &str = include_str!("../../data/legalesign/other-expired.crt.pem");

const LATIN1: &[u8] = include_bytes!("../../data/legalesign/messages/latin1.json");
const BATCH_SHA256: &str = include_str!("../../data/legalesign/signatures/batch.sha256.b64");
const BATCH_PSS: &str = include_str!("../../data/legalesign/signatures/batch.pss.b64");
const LATIN1_SIGNED: &str = include_str!("../../data/legalesign/signatures/latin1.rsa4096.b64");
const EMPTY_SIGNED: &str = include_str!("../../data/legalesign/signatures/empty.rsa4096.b64");

fn verify(entries: &[&str], message: &[u8], signature: &str) -> Result<Fingerprint, SignatureError> {
    signers(entries).verify_sha1(message, signature.as_bytes(), at(NOW)).map(|proof| proof.fingerprint())
}

#[test]
fn a_valid_signature_names_its_signer() {
    let proof: SignatureProof = signers(&[LOOKALIKE]).verify_sha1(BATCH, BATCH_SIGNED.as_bytes(), at(NOW)).unwrap();
    assert_eq!(proof.fingerprint().to_string(), LOOKALIKE_FINGERPRINT);
    assert_eq!(proof.signer().pem(), LOOKALIKE);
}

#[test]
fn messages_may_be_empty_or_not_utf8() {
    assert!(verify(&[LOOKALIKE], LATIN1, LATIN1_SIGNED).is_ok());
    assert!(verify(&[LOOKALIKE], b"", EMPTY_SIGNED).is_ok());
    assert_eq!(verify(&[LOOKALIKE], b"", BATCH_SIGNED), Err(SignatureError::Mismatch));
}

#[test]
fn a_public_key_verifies_at_any_time() {
    let signers = signers(&[LOOKALIKE_KEY]);
    for time in ["1970-01-01T00:00:00Z", NOW, "2200-01-01T00:00:00Z"] {
        let proof = signers.verify_sha1(BATCH, BATCH_SIGNED.as_bytes(), at(time)).unwrap();
        assert_eq!(proof.fingerprint().to_string(), LOOKALIKE_KEY_FINGERPRINT);
    }
}

#[test]
fn wrapped_and_damaged_base64_is_repaired() {
    let lines: Vec<&str> = BATCH_SIGNED.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    assert!(lines.len() == 9 && BATCH_SIGNED.contains('+'), "the fixture has lines and a plus sign to damage");
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
fn invalid_base64_is_reported() {
    for wrong in ["%%%", "AAAAA", &BATCH_SIGNED.replace('/', "_"), &format!("{BATCH_SIGNED}{BATCH_SIGNED}")] {
        assert_eq!(verify(&[LOOKALIKE], BATCH, wrong), Err(SignatureError::Encoding), "{wrong}");
    }
}

#[test]
fn signatures_of_the_wrong_length_are_rejected() {
    for wrong in ["", "AAAA", &BATCH_SIGNED[4..], &format!("AAAA{BATCH_SIGNED}"), BATCH_SIGNED_BY_OTHER] {
        assert_eq!(verify(&[LOOKALIKE], BATCH, wrong), Err(SignatureError::Length), "{wrong}");
    }
}

#[test]
fn a_changed_byte_in_message_or_signature_is_a_mismatch() {
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
fn signatures_of_other_messages_or_by_other_keys_are_rejected() {
    assert_eq!(verify(&[LOOKALIKE], LATIN1, BATCH_SIGNED), Err(SignatureError::Mismatch));
    assert_eq!(verify(&[LOOKALIKE, OTHER], LATIN1, BATCH_SIGNED_BY_OTHER), Err(SignatureError::Mismatch));
    assert_eq!(verify(&[OTHER], BATCH, BATCH_SIGNED), Err(SignatureError::Length));
}

#[test]
fn other_hashes_and_paddings_are_mismatches() {
    assert_eq!(verify(&[LOOKALIKE], BATCH, BATCH_SHA256), Err(SignatureError::Mismatch));
    assert_eq!(verify(&[LOOKALIKE], BATCH, BATCH_PSS), Err(SignatureError::Mismatch));
}

#[test]
fn old_and_new_certificates_are_both_accepted() {
    for entries in [[LOOKALIKE, OTHER], [OTHER, LOOKALIKE]] {
        assert_eq!(verify(&entries, BATCH, BATCH_SIGNED), Ok(fingerprint(LOOKALIKE)));
        assert_eq!(verify(&entries, BATCH, BATCH_SIGNED_BY_OTHER), Ok(fingerprint(OTHER)));
    }
}

#[test]
fn an_expired_certificate_does_not_hide_a_newer_one_with_the_same_key() {
    for entries in [[OTHER_EXPIRED, OTHER], [OTHER, OTHER_EXPIRED]] {
        assert_eq!(verify(&entries, BATCH, BATCH_SIGNED_BY_OTHER), Ok(fingerprint(OTHER)));
    }
}

#[test]
fn certificates_are_valid_from_their_first_to_their_last_second() {
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
fn an_expired_certificate_verifies_messages_received_while_it_was_valid() {
    let signers = signers(&[OTHER_EXPIRED]);
    let verify = |time| signers.verify_sha1(BATCH, BATCH_SIGNED_BY_OTHER.as_bytes(), at(time));
    assert!(verify("2015-06-01T00:00:00Z").is_ok());
    let error = verify(NOW).unwrap_err();
    assert_eq!(error, SignatureError::OutsideValidity { fingerprint: fingerprint(OTHER_EXPIRED) });
    // A wrong signature is not reported as a problem of the certificate.
    let error = signers.verify_sha1(LATIN1, BATCH_SIGNED_BY_OTHER.as_bytes(), at(NOW)).unwrap_err();
    assert_eq!(error, SignatureError::Mismatch);
}

#[test]
fn verification_without_signers_fails() {
    assert!(signers(&[]).is_empty());
    assert_eq!(verify(&[], BATCH, BATCH_SIGNED), Err(SignatureError::NoSigners));
}

proptest! {
    #[test]
    fn random_bytes_are_never_a_signature(bytes in vec(any::<u8>(), 0..700), at_random in vec(any::<u8>(), 512)) {
        let signers = signers(&[LOOKALIKE]);
        prop_assert!(signers.verify_sha1(BATCH, &bytes, at(NOW)).is_err());
        let encoded = STANDARD.encode(at_random);
        let error = signers.verify_sha1(BATCH, encoded.as_bytes(), at(NOW)).unwrap_err();
        prop_assert_eq!(error, SignatureError::Mismatch);
    }
}
