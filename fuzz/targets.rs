//! The fuzz targets: all code that reads external bytes, with the properties that must hold for any input.
//!
//! cargo-fuzz runs them with generated inputs, and `shared/tests/library/fuzz_corpus.rs` with the inputs of the corpus. So
//! this file depends on neither of them.

use std::{io::Cursor, sync::LazyLock};

use aws_lc_rs::hmac;
use bytes::Bytes;
use countersign::{
    archive,
    aws::Aws,
    domain::{
        Coverage, Envelope, PdfSignatures, Proven, Provider, Reading, Route, SignatureVerdict, Trust, Unproven,
        Unreadable,
    },
    form::Form,
    outbound::{Coding, HostPatterns, UrlPolicy},
    pdf::{Document, Object, ObjectId},
    pdf_signatures,
    proof::{
        cms::{SignedData, TimeStamp, TrustRoots},
        signature::Signers,
    },
    providers::{self, NotVerified, Services, legalesign},
    settings::SecretSource,
};
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, header};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;
use url::Url;

const TOKEN: &str = "a-path-token-for-fuzzing";
const SENT: &str = "a-body-token-for-fuzzing";

/// Every target, by the name of its folder in the corpus.
pub const ALL: [(&str, fn(&[u8])); 13] = [
    ("dropbox_sign", dropbox_sign),
    ("legalesign_batch", legalesign_batch),
    ("legalesign_realtime", legalesign_realtime),
    ("quicklysign", quicklysign),
    ("signeasy", signeasy),
    ("form", form),
    ("signature", signature),
    ("certificate", certificate),
    ("url_policy", url_policy),
    ("pdf", pdf),
    ("pdf_signatures", pdf_signatures),
    ("cms", cms),
    ("download", download),
];

/// Splits the input into its first line and the rest.
fn line_and_rest(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// The services with the secrets of the targets.
static SERVICES: LazyLock<Services> = LazyLock::new(|| {
    let tokens = serde_json::json!({"url_tokens": [TOKEN], "tokens": [SENT], "api_keys": [SENT]}).to_string();
    let mut settings = providers::unset_settings();
    for provider in Provider::ALL {
        settings.set_proof(provider, SecretSource::Inline(tokens.clone().into()));
    }
    settings.set_option(Provider::Signeasy, "SIGNEASY_TOKEN", Some("if_present".to_owned()));
    let version = countersign::aws::behavior_version();
    let config = aws_config::SdkConfig::builder().behavior_version(version).build();
    Services::verifying(&settings, &Aws::new(&config, true))
});

/// Verifies a request with these bytes and a valid path token.
fn verify(route: Route, content_type: &[u8], query: Option<&str>, body: &[u8]) -> Result<Proven, NotVerified> {
    let mut headers = HeaderMap::new();
    if let Ok(content_type) = HeaderValue::from_bytes(content_type) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    let envelope = Envelope::of(&headers, query, providers::endpoint(route).kept_headers);
    let received_at = Timestamp::from_second(1_700_000_000).expect("a time");
    let request = Unproven::new(route, TOKEN.into(), envelope, Bytes::copy_from_slice(body), received_at);
    let verified = SERVICES.of(route.provider()).verify(request).now_or_never();
    verified.expect("an inline secret needs no I/O")
}

/// Reads a delivery that only the path token proves.
fn read_unsigned(route: Route, content_type: &[u8], query: Option<&str>, body: &[u8]) {
    let Ok(delivery) = verify(route, content_type, query, body) else { panic!("the path token is valid") };
    read(delivery.trust(), || SERVICES.read(&delivery));
}

/// Reads twice: both results are equal, and safe in keys, or an error that repeats nothing of the body.
fn read(trust: Trust, read: impl Fn() -> Result<Reading, Unreadable>) {
    match (read(), read()) {
        (Ok(reading), Ok(again)) => {
            assert_eq!(reading, again);
            for event in reading.events {
                assert_eq!(event.subject.partition().parse(), Ok(event.subject.clone()));
                assert!(event.sort_key(trust).starts_with("EVENT#") && event.sort_key(trust).len() < 200);
                assert!(!event.name.is_empty() && event.name.len() <= 1024);
            }
            reading.unreadable.iter().for_each(|entry| check_unreadable(&entry.cause));
        }
        (Err(unreadable), Err(again)) => {
            assert_eq!(unreadable, again);
            check_unreadable(&unreadable);
        }
        _ => panic!("the second reading differs"),
    }
}

fn check_unreadable(unreadable: &Unreadable) {
    let Unreadable { path, .. } = unreadable;
    assert!(path.len() <= 100 && path.bytes().all(|byte| byte.is_ascii_graphic()), "{path:?}");
}

/// Legalesign's batches: the first line is the content type, the rest is the body. The signature isn't checked.
pub fn legalesign_batch(data: &[u8]) {
    let (content_type, body) = line_and_rest(data);
    let content_type = std::str::from_utf8(content_type).ok();
    let Ok(form) = Form::read(content_type, &Bytes::copy_from_slice(body)) else { return };
    let Ok(entries) = form.one("data") else { return };
    read(Trust::Signature, || legalesign::batch::entries(entries, &TimeZone::UTC));
}

/// Legalesign's realtime callbacks: the first line is the content type, the second line the query, the rest the body.
pub fn legalesign_realtime(data: &[u8]) {
    let (content_type, rest) = line_and_rest(data);
    let (query, body) = line_and_rest(rest);
    read_unsigned(Route::LegalesignRealtime, content_type, std::str::from_utf8(query).ok(), body);
}

/// QuicklySign's callbacks: the input is the body.
pub fn quicklysign(data: &[u8]) {
    read_unsigned(Route::Quicklysign, b"application/json", None, data);
}

/// Dropbox Sign's callbacks: the input is the field `json`, in which `@hash@` stands for the hash of its time and type, if
/// it has them. Whatever else it is, a callback with a wrong hash isn't proven.
pub fn dropbox_sign(data: &[u8]) {
    let send = |json: &[u8]| {
        let body = [b"--x\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n", json, b"\r\n--x--\r\n"].concat();
        verify(Route::DropboxSign, b"multipart/form-data; boundary=x", None, &body)
    };
    let event = serde_json::from_slice::<Value>(data).unwrap_or_default()["event"].take();
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let hash = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, SENT.as_bytes()),
        (text("event_time") + &text("event_type")).as_bytes(),
    );
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let hashed = String::from_utf8_lossy(data).replace("@hash@", &hash);
    if let Ok(delivery) = send(hashed.as_bytes()) {
        assert_eq!(delivery.trust(), Trust::EventHash);
        read(delivery.trust(), || SERVICES.read(&delivery));
    }
    assert!(send(data).is_err() || text("event_hash") == hash, "a wrong hash proves nothing");
}

/// SignEasy's callbacks: the input is the body. Whether it is accepted or quarantined, it must not contain a token any more
/// that it carried. Of any other token, only the hash is known, so it can't be found inside a longer text.
pub fn signeasy(data: &[u8]) {
    let holds = |body: &[u8], secret: &str| body.windows(secret.len()).any(|part| part == secret.as_bytes());
    match verify(Route::Signeasy, b"application/json", None, data) {
        Ok(delivery) => {
            assert!(!holds(delivery.body(), TOKEN));
            assert!(delivery.proof().body_token.is_none() || !holds(delivery.body(), SENT));
            read(delivery.trust(), || SERVICES.of(Provider::Signeasy).read(&delivery));
        }
        Err(NotVerified::Proof(rejected)) => {
            if let Some(kept) = rejected.redacted_body {
                assert!(!holds(&kept, TOKEN), "{}", String::from_utf8_lossy(&kept));
            }
        }
        Err(_) => panic!("the path token is valid"),
    }
}

/// The form decoder: the first line is the content type, the rest is the body.
pub fn form(data: &[u8]) {
    let (content_type, body) = line_and_rest(data);
    let content_type = std::str::from_utf8(content_type).ok().filter(|text| !text.is_empty());
    let bytes = Bytes::copy_from_slice(body);
    let Ok(forms) = Form::read_all(content_type, &bytes) else { return };
    let multipart = content_type.is_some_and(|text| text.to_ascii_lowercase().contains("multipart"));
    assert!(forms.len() == 1 || multipart, "only boundaries give several forms");
    assert_eq!(Form::read(content_type, &bytes).is_ok(), forms.len() == 1);
    let mut text = body;
    while let Some(rest) = text.strip_prefix("\u{feff}".as_bytes()) {
        text = rest;
    }
    forms.iter().for_each(|form| check_form(form, text, multipart));
}

fn check_form(form: &Form, body: &[u8], multipart: bool) {
    for name in ["data", "signed", "json_signed", "uuid", ""] {
        if let Ok(value) = form.one(name) {
            assert!(value.len() <= body.len(), "a value must not be longer than the body");
            if !multipart {
                // Another decoder must give the same value, except for invalid UTF-8, which it replaces.
                let mut others = url::form_urlencoded::parse(body).filter(|(other, _)| other == name);
                let (_, other) = others.next().expect("the other decoder must find the field too");
                assert_eq!(String::from_utf8_lossy(value), other);
            }
        }
    }
}

/// The signature decoder: the first line is the signature, the rest is the message.
pub fn signature(data: &[u8]) {
    let (signature, message) = line_and_rest(data);
    let keys = [
        include_str!("../shared/tests/data/legalesign/other-v3.crt.pem"),
        include_str!("../shared/tests/data/legalesign/lookalike.pub.pem"),
    ];
    let (signers, problems) = Signers::parse(&keys);
    assert!(problems.is_empty() && !signers.is_empty());
    let at = Timestamp::from_second(1_700_000_000).expect("a time");
    if signers.verify_sha1(message, signature, at).is_ok() {
        let other = [message, b"."].concat();
        assert!(
            signers.verify_sha1(&other, signature, at).is_err(),
            "a signature must not be valid for another message"
        );
    }
}

/// The certificate parser: the input is a PEM text.
pub fn certificate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (signers, problems) = Signers::parse(&[text]);
    assert_eq!(signers.iter().len() + problems.len(), 1);
    for signer in signers.iter() {
        let (again, _) = Signers::parse(&[signer.pem()]);
        let again: Vec<_> = again.iter().map(|signer| signer.fingerprint()).collect();
        assert_eq!(again, [signer.fingerprint()], "a stored certificate must be readable again");
        let _ = (signer.days_left(Timestamp::MIN), signer.days_left(Timestamp::MAX));
        assert!(signers.verify_sha1(b"message", b"c2lnbmF0dXJl", Timestamp::MAX).is_err());
    }
}

/// The URL policy as deployed: the input is a URL, and also used as the target of a redirect.
pub fn url_policy(data: &[u8]) {
    let hosts = HostPatterns::parse("files.example,*.store.example,93.184.216.34").expect("patterns");
    let policy = UrlPolicy::new(hosts.clone(), false);
    let from = Url::parse("https://files.example/a/b?c#d").expect("a URL");
    let text = std::str::from_utf8(data).ok();
    let accepted = text.and_then(|text| policy.parse(text).ok());
    for url in accepted.into_iter().chain(policy.redirect(&from, data).ok()) {
        assert_eq!((url.scheme(), url.port(), url.username(), url.password()), ("https", None, "", None));
        assert!(hosts.allows(url.host_str().expect("a host")));
        assert_eq!(policy.check(&url), Ok(()));
        if url.as_str().len() <= 16 * 1024 {
            assert_eq!(
                policy.parse(url.as_str()),
                Ok(url.clone()),
                "the serialised URL must be the URL that was checked"
            );
        }
        // The HTTP client's own parser must find the same host, or reject the URL.
        if let Ok(uri) = url.as_str().parse::<http::Uri>() {
            assert_eq!((uri.host(), uri.port_u16()), (url.host_str(), None));
        }
    }
}

/// Opens a PDF and reads everything that a reader of signatures needs: its revisions, and its objects with their streams.
pub fn pdf(data: &[u8]) {
    let Ok(mut document) = Document::open(Cursor::new(data)) else { return };
    assert!(document.leading() + document.trailing() <= document.size());
    assert_eq!(document.size(), data.len() as u64);
    let revisions = document.revisions().expect("memory can be read");
    assert!(revisions.is_sorted_by_key(|revision| revision.end));
    for revision in revisions.iter().take(4) {
        assert!(revision.end <= document.size());
        drop(Document::open_up_to(Cursor::new(data), revision.end));
    }
    for number in 0..32 {
        let object = document.object(ObjectId { number, generation: 0 }).expect("memory can be read");
        if let Object::Stream(stream) = document.resolve(&object).expect("memory can be read") {
            let decoded = document.decode(&stream, 1 << 20).expect("memory can be read");
            assert!(decoded.is_none_or(|decoded| decoded.len() <= 1 << 20));
        }
    }
    drop(document.catalog());
}

/// Verifies the signatures within a PDF. One that is intact covers a whole revision, and is no longer intact when a byte
/// of the version in the header is changed.
pub fn pdf_signatures(data: &[u8]) {
    let Some(found) = signatures_of(data) else { return };
    for signature in &found.signatures {
        let is_intact = signature.verdict == SignatureVerdict::Intact;
        assert!(!(is_intact && signature.coverage == Coverage::Gaps), "an intact signature leaves no gaps");
    }
    let Some(version) = data.windows(5).position(|part| part == b"%PDF-").map(|header| header + 5) else { return };
    let mut changed = data.to_vec();
    let Some(byte) = changed.get_mut(version) else { return };
    *byte ^= 1;
    for signature in signatures_of(&changed).into_iter().flat_map(|found| found.signatures) {
        assert!(signature.verdict != SignatureVerdict::Intact, "a changed byte must break every signature");
    }
}

fn signatures_of(data: &[u8]) -> Option<PdfSignatures> {
    static ROOTS: LazyLock<TrustRoots> = LazyLock::new(|| {
        TrustRoots::parse(include_str!("../tests/pdf-signatures/files/root.pem")).expect("a certificate")
    });
    let mut document = Document::open(Cursor::new(data)).ok()?;
    let at = Timestamp::from_second(1_800_000_000).expect("a time");
    Some(pdf_signatures::inspect(&mut document, Some(&ROOTS), at).expect("memory can be read"))
}

/// The CMS parser: the input is a signature, which may also be a time-stamp.
pub fn cms(data: &[u8]) {
    let Ok(signature) = SignedData::parse(data) else { return };
    let _ =
        (signature.content_type(), signature.claimed_at(), signature.has_revocation_data(), signature.signer().is_ok());
    if let Ok(digest) = signature.digest() {
        let messages = [b"one", b"two"].map(|message| digest.of(message).expect("a supported digest"));
        let verified = messages.iter().filter(|hash| signature.verify(hash).is_ok()).count();
        assert!(verified < 2, "a signature must not be valid for two messages");
    }
    if TimeStamp::verify_token(&signature).is_ok() {
        assert!(signature.content().is_some(), "a time-stamp contains what is signed");
    }
    let _ = TimeStamp::read(&signature);
}

/// Takes a downloaded file apart. The first byte chooses its content coding.
pub fn download(data: &[u8]) {
    let Some((first, file)) = data.split_first() else { return };
    let codings: &[Coding] = match first {
        b'g' => &[Coding::Gzip],
        b'd' => &[Coding::Deflate],
        b'b' => &[Coding::Deflate, Coding::Gzip],
        _ => &[],
    };
    let Ok(pdfs) = archive::find_pdfs(file, codings) else { return };
    assert!(!pdfs.is_empty());
    for pdf in &pdfs {
        assert!(pdf.trailing_bytes <= pdf.size);
        let name = pdf.name.as_deref().unwrap_or("name");
        assert!(!name.is_empty() && !name.contains(['/', '\\']) && !name.contains(char::is_control), "{name:?}");
        // A zip is unpacked, and not archived as a PDF.
        let is_whole_file = codings.is_empty() && pdf.size == file.len() as u64;
        assert!(!(is_whole_file && file.starts_with(b"PK\x03\x04")));
    }
}
