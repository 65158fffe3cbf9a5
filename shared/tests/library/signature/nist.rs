//! NIST's verdicts: every CAVP vector for RSASSA-PKCS1-v1_5 verification with SHA-1 and a modulus of at least 2,048 bits,
//! verified like a callback's signature. See `tests/data/nist/README.md`.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign::proof::signature::{SignatureError, SignerFault, Signers};
use jiff::Timestamp;

/// FIPS 186-3: valid signatures, changed messages, exponents and signatures, and two kinds of wrong padding.
const SIGVER: &str = include_str!("../../data/nist/SigVer15_186-3.rsp");
/// The two kinds of wrong padding again, with other keys.
const SIGVER_EM: &str = include_str!("../../data/nist/SigVer15EMTest.rsp");

/// One block of a response file.
#[derive(Clone, Default)]
struct Case {
    n: Vec<u8>,
    e: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
    valid: bool,
}

fn bytes(hex: &str) -> Vec<u8> {
    let even = if hex.len().is_multiple_of(2) { hex.to_owned() } else { format!("0{hex}") };
    let digits: Vec<u8> = even.chars().map(|digit| digit.to_digit(16).expect("a hexadecimal digit") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn cases(file: &str) -> Vec<Case> {
    let mut case = Case::default();
    let mut cases = Vec::new();
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once(" = ") {
            Some(("n", value)) => case.n = bytes(value),
            Some(("e", value)) => case.e = bytes(value),
            Some(("Msg", value)) => case.message = bytes(value),
            Some(("S", value)) => case.signature = bytes(value),
            Some(("Result", value)) => {
                case.valid = value == "P";
                cases.push(case.clone());
            }
            _ => assert_eq!(line, "", "an unknown line"),
        }
    }
    cases
}

fn public_key(n: &[u8], e: &[u8]) -> String {
    let key: PublicKeyX509Der<'_> = RsaPublicKeyComponents { n, e }.as_der().expect("a key");
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(key.as_ref()))
}

/// Verifies the cases of a file. Returns the numbers of valid and invalid ones.
fn run(file: &str) -> (usize, usize) {
    let cases = cases(file);
    for case in &cases {
        let (signers, problems) = Signers::parse(&[public_key(&case.n, &case.e)]);
        assert_eq!(problems, [], "every vector's key is accepted");
        let signature = STANDARD.encode(&case.signature);
        let verdict = signers.verify_sha1(&case.message, signature.as_bytes(), Timestamp::UNIX_EPOCH);
        let expected = if case.valid { None } else { Some(SignatureError::Mismatch) };
        assert_eq!(verdict.err(), expected, "n {:x?}, message {:x?}", &case.n[..8], &case.message[..8]);
    }
    let valid = cases.iter().filter(|case| case.valid).count();
    (valid, cases.len() - valid)
}

#[test]
fn nist_sigver15_186_3_verdicts_match() {
    assert_eq!(run(SIGVER), (9, 45));
}

#[test]
fn nist_sigver15_em_test_verdicts_match() {
    assert_eq!(run(SIGVER_EM), (0, 18));
}

#[test]
fn unusable_key_numbers_are_rejected() {
    let n = &cases(SIGVER)[0].n;
    let even: Vec<u8> =
        n.iter().enumerate().map(|(at, byte)| if at == n.len() - 1 { byte & 0xfe } else { *byte }).collect();
    let mut short = n.clone();
    short[0] = 0x7f; // 2,047 bits
    let long = [&[0x80; 769][..], n].concat(); // 1,025 bytes
    for (n, e, fault) in [
        (n, &[1][..], SignerFault::KeyRejected),
        (n, &[1, 0, 0], SignerFault::KeyRejected),
        (n, &[1, 0, 0, 0, 0, 0, 1], SignerFault::KeyRejected),
        (&even, &[1, 0, 1], SignerFault::KeyRejected),
        (&short, &[1, 0, 1], SignerFault::KeyTooShort),
        (&long, &[1, 0, 1], SignerFault::KeyTooLong),
    ] {
        let (signers, problems) = Signers::parse(&[public_key(n, e)]);
        assert!(signers.is_empty());
        let faults: Vec<SignerFault> = problems.iter().map(|problem| problem.fault).collect();
        assert_eq!(faults, [fault], "e {e:x?}, {} bytes", n.len());
    }
}
