//! Signatures within PDFs: every file that `tests/pdf-signatures/make.py` made has its verdict. `.ci/full` compares
//! these verdicts with pyHanko's.

use std::{fs::File, path::PathBuf};

use countersign::{
    domain::{Chain, Coverage, PdfSignature, PdfSignatures},
    pdf::Document,
    pdf_signatures::inspect,
    proof::cms::TrustRoots,
};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/pdf-signatures/files"))
}

fn roots() -> TrustRoots {
    TrustRoots::parse(&std::fs::read_to_string(folder().join("root.pem")).unwrap()).unwrap()
}

fn inspected(name: &str, roots: Option<&TrustRoots>) -> PdfSignatures {
    let file = File::open(folder().join(format!("{name}.pdf"))).unwrap();
    let mut document = Document::open(file).unwrap_or_else(|fault| panic!("{name}: {fault}"));
    inspect(&mut document, roots, "2026-12-01T00:00:00Z".parse().unwrap()).unwrap()
}

/// A signature in one line.
fn line(signature: &PdfSignature) -> String {
    let PdfSignature { kind, verdict, coverage, chain, .. } = signature;
    let reason = verdict.reason().map(|reason| format!(" {reason}")).unwrap_or_default();
    let coverage = match coverage {
        Coverage::File { revision } => format!("file {revision}"),
        Coverage::Revision { revision } => format!("revision {revision}"),
        Coverage::Gaps => "gaps".to_owned(),
    };
    let mut line = format!("{} {}{reason}, {coverage}, {}", kind.as_str(), verdict.as_str(), chain.as_str());
    if signature.timestamped_at.is_some() {
        line.push_str(", time-stamp");
    }
    if signature.long_term {
        line.push_str(", long-term");
    }
    line
}

const INTACT: &str = "approval intact, file 2, trusted";

/// Every file with its signatures.
const EXPECTED: &[(&str, &[&str])] = &[
    ("unsigned", &[]),
    ("empty-field", &[]),
    // Keys and digests.
    ("rsa", &[INTACT]),
    ("rsa-sha512", &[INTACT]),
    ("rsa-pss", &[INTACT]),
    ("rsa-sha1", &[INTACT]),
    ("ecdsa-p256", &[INTACT]),
    ("ecdsa-p384", &[INTACT]),
    ("ecdsa-p521", &[INTACT]),
    ("ed25519", &[INTACT]),
    ("self-signed", &["approval intact, file 2, untrusted"]),
    // Profiles.
    ("pades-b", &[INTACT]),
    ("pades-t", &["approval intact, file 2, trusted, time-stamp"]),
    (
        "pades-lta",
        &[
            "approval intact, revision 2, trusted, time-stamp, long-term",
            "document_timestamp intact, revision 3, trusted, time-stamp, long-term",
        ],
    ),
    ("document-timestamp", &["document_timestamp intact, file 2, trusted, time-stamp"]),
    ("certified", &["certification intact, file 2, trusted"]),
    // Several revisions.
    ("two-signatures", &["approval intact, revision 2, trusted", "approval intact, file 3, trusted"]),
    ("certified-then-approved", &["certification intact, revision 2, trusted", "approval intact, file 3, trusted"]),
    ("updated-after-signing", &["approval intact, revision 2, trusted"]),
    ("signed-after-update", &["approval intact, file 3, trusted"]),
    ("padded", &["approval intact, revision 2, trusted"]),
    // Files and formats.
    ("cross-reference-streams", &[INTACT]),
    ("encrypted", &[INTACT]),
    ("indefinite-lengths", &[INTACT]),
    ("without-attributes", &[INTACT]),
    ("pkcs7-sha1", &[INTACT]),
    ("x509-rsa-sha1", &["approval not_supported format, file 2, not_judged"]),
    ("unknown-format", &["approval not_supported format, file 2, not_judged"]),
    ("two-signers", &["approval not_supported not_one_signer, file 2, not_judged"]),
    ("without-certificate", &["approval not_supported certificate_missing, file 2, not_judged"]),
    // Changed after signing, or never right.
    ("bytes-changed", &["approval broken digest_mismatch, file 2, not_judged"]),
    ("bytes-changed-timestamped", &["approval broken digest_mismatch, file 2, not_judged"]),
    ("signature-changed", &["approval broken signature_mismatch, file 2, not_judged"]),
    ("other-certificate", &["approval broken signing_certificate_mismatch, file 2, not_judged"]),
    ("other-time-stamp", &["approval broken time_stamp_mismatch, file 2, not_judged"]),
    ("garbage", &["approval broken malformed, file 2, not_judged"]),
    ("empty-contents", &["approval broken malformed, file 2, not_judged"]),
    // Ranges that cover something else.
    ("ranges-overlap", &["approval broken ranges_overlap, gaps, not_judged"]),
    ("ranges-backwards", &["approval broken ranges_backwards, gaps, not_judged"]),
    ("ranges-leave-out-before", &["approval broken ranges_leave_gaps, gaps, not_judged"]),
    ("ranges-leave-out-after", &["approval broken ranges_leave_gaps, gaps, not_judged"]),
    ("ranges-leave-out-start", &["approval broken ranges_leave_gaps, gaps, not_judged"]),
    ("ranges-end-early", &["approval broken ranges_leave_gaps, gaps, not_judged"]),
    ("ranges-one-part", &["approval broken ranges_leave_gaps, gaps, not_judged"]),
    ("ranges-beyond-the-end", &["approval broken ranges_beyond_the_end, gaps, not_judged"]),
    ("ranges-odd", &["approval broken ranges_malformed, gaps, not_judged"]),
    ("ranges-negative", &["approval broken ranges_malformed, gaps, not_judged"]),
    ("ranges-three-parts", &[INTACT]),
];

#[test]
fn every_file_has_its_verdict() {
    let roots = roots();
    for (name, expected) in EXPECTED {
        let signatures = inspected(name, Some(&roots)).signatures;
        assert_eq!(signatures.iter().map(line).collect::<Vec<_>>(), *expected, "{name}");
    }
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let pdfs = files.filter(|file| file.extension().is_some_and(|extension| extension == "pdf"));
    assert_eq!(pdfs.count(), EXPECTED.len());
}

#[test]
fn a_signature_names_its_signer_and_its_times() {
    let signatures = inspected("pades-t", None).signatures;
    let [signature] = signatures.as_slice() else { panic!("{signatures:?}") };
    let names = [&signature.field, &signature.signer, &signature.issuer].map(|name| name.as_deref().unwrap());
    assert_eq!(names, ["Signature1", "Bea Example", "Test root"]);
    assert_eq!(signature.certificate.as_ref().unwrap().len(), 64);
    let seconds = |time: Option<jiff::Timestamp>| time.unwrap().as_second();
    assert!((0..60).contains(&(seconds(signature.timestamped_at) - seconds(signature.claimed_at))), "{signature:?}");
    assert_eq!(signature.chain, Chain::NotJudged, "no roots are configured");
}

/// Test certificates are valid from 2026 for fifty years.
#[test]
fn a_chain_is_judged_at_the_time_of_the_time_stamp_or_else_now() {
    let chain = |name: &str, now: &str| {
        let file = File::open(folder().join(format!("{name}.pdf"))).unwrap();
        let mut document = Document::open(file).unwrap();
        inspect(&mut document, Some(&roots()), now.parse().unwrap()).unwrap().signatures[0].chain
    };
    for (name, now, expected) in [
        ("rsa", "2026-12-01T00:00:00Z", Chain::Trusted),
        ("rsa", "2099-12-01T00:00:00Z", Chain::Untrusted),
        ("pades-t", "2099-12-01T00:00:00Z", Chain::Trusted),
    ] {
        assert_eq!(chain(name, now), expected, "{name} at {now}");
    }
}

#[test]
fn roots_are_read_with_spaces_instead_of_line_breaks() {
    let pem = std::fs::read_to_string(folder().join("root.pem")).unwrap();
    assert!(TrustRoots::parse(&pem.replace('\n', " ")).is_ok());
    for wrong in [
        "",
        "root",
        "-----BEGIN CERTIFICATE-----",
        &pem.replace("MII", "AAA"),
        &format!("{pem}-----BEGIN CERTIFICATE-----"),
    ] {
        assert!(TrustRoots::parse(wrong).is_err(), "{wrong:?}");
    }
}
