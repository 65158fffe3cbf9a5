//! What is fuzzed: everything that reads bytes from outside, with what must hold whatever the bytes are.
//!
//! cargo-fuzz runs these with bytes of its own making, and `shared/tests/fuzz_corpus.rs` with the corpus in each
//! change. So this file knows neither of them.

use bytes::Bytes;
use countersign::{
    delivery::{Addressed, Envelope, OwnProof, Proven, Route, Unproven},
    form::Form,
    intake::{Callback, Unreadable},
    outbound::{HostPatterns, UrlPolicy},
    providers::{
        self,
        signeasy::{callback::SigneasyCallback, proof::ProofSecrets},
    },
    secrets::Secret,
    settings::Settings,
    signature::Signers,
    token::Tokens,
};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

const TOKEN: &str = "a-path-token-for-fuzzing";

/// Every target, by the name of its folder in the corpus.
pub const ALL: [(&str, fn(&[u8])); 8] = [
    ("legalesign_batch", legalesign_batch),
    ("legalesign_realtime", legalesign_realtime),
    ("quicklysign", quicklysign),
    ("signeasy", signeasy),
    ("form", form),
    ("signature", signature),
    ("certificate", certificate),
    ("url_policy", url_policy),
];

/// A first line, and what follows it.
fn line_and_rest(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// A delivery with these bytes, whose sender knew the path token.
fn proven(route: Route, content_type: &[u8], query: Option<&str>, body: &[u8]) -> Proven {
    addressed(route, content_type, query, body).prove(OwnProof::PathTokenOnly)
}

/// A request with these bytes, whose sender knew the path token.
fn addressed(route: Route, content_type: &[u8], query: Option<&str>, body: &[u8]) -> Addressed {
    let mut headers = HeaderMap::new();
    if let Ok(content_type) = HeaderValue::from_bytes(content_type) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    let token = SecretString::from(TOKEN);
    let tokens = Tokens::new(std::slice::from_ref(&token)).expect("a token");
    let body = Bytes::copy_from_slice(body);
    let received_at = Timestamp::from_second(1_700_000_000).expect("a time");
    let request = Unproven::new(route, token, Envelope::of(&headers, query), body, received_at);
    let Ok(request) = request.address(&tokens) else { panic!("the token is right") };
    request
}

/// Reads a delivery twice: the same comes out, fit for keys, or an error that repeats nothing of the body.
fn read(delivery: &Proven) {
    let trust = delivery.trust();
    match (providers::read(delivery), providers::read(delivery)) {
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
        _ => panic!("read differently the second time"),
    }
}

fn check_unreadable(unreadable: &Unreadable) {
    let Unreadable { path, .. } = unreadable;
    assert!(path.len() <= 100 && path.bytes().all(|byte| byte.is_ascii_graphic()), "{path:?}");
}

/// Legalesign's batches: the body. The first line is the content type.
pub fn legalesign_batch(data: &[u8]) {
    let (content_type, body) = line_and_rest(data);
    read(&proven(Route::LegalesignBatch, content_type, None, body));
}

/// Legalesign's realtime callbacks: the first line is the content type, the second the query, the rest is the body.
pub fn legalesign_realtime(data: &[u8]) {
    let (content_type, rest) = line_and_rest(data);
    let (query, body) = line_and_rest(rest);
    read(&proven(Route::LegalesignRealtime, content_type, std::str::from_utf8(query).ok(), body));
}

/// QuicklySign's callbacks: the body.
pub fn quicklysign(data: &[u8]) {
    read(&proven(Route::Quicklysign, b"application/json", None, data));
}

/// SignEasy's callbacks: the body. Whether it is believed or kept for later, no token that it carried is left in it. One
/// that it didn't carry is known by its hash alone, and so can't be found within a longer text.
pub fn signeasy(data: &[u8]) {
    const SENT: &str = "a-body-token-for-fuzzing";
    let secrets = serde_json::json!({"url_tokens": [TOKEN], "tokens": [SENT]});
    let secrets = ProofSecrets::from_json(serde_json::from_value(secrets).expect("JSON")).expect("secrets");
    let settings = Settings::read(|name| match name {
        "TABLE_NAME" | "ARCHIVE_BUCKET" => Some("fuzz".to_owned()),
        "SIGNEASY_TOKEN" => Some("if_present".to_owned()),
        _ => None,
    });
    let callback = SigneasyCallback::new(&settings);
    let holds = |body: &[u8], secret: &str| body.windows(secret.len()).any(|part| part == secret.as_bytes());
    let request = addressed(Route::Signeasy, b"application/json", None, data);
    if let Some(kept) = callback.without_secrets(&request, &secrets) {
        assert!(!holds(&kept, TOKEN), "{}", String::from_utf8_lossy(&kept));
    }
    let Ok(own) = callback.prove(&request, &secrets) else { return };
    let delivery = request.prove(own);
    assert!(!holds(delivery.body(), TOKEN));
    assert!(delivery.proof().body_token.is_none() || !holds(delivery.body(), SENT));
    read(&delivery);
}

/// The form decoder: the first line is the content type, the rest is the body.
pub fn form(data: &[u8]) {
    let (content_type, body) = line_and_rest(data);
    let content_type = std::str::from_utf8(content_type).ok().filter(|text| !text.is_empty());
    let Ok(form) = Form::read(content_type, &Bytes::copy_from_slice(body)) else { return };
    let multipart = content_type.is_some_and(|text| text.to_ascii_lowercase().contains("multipart"));
    for name in ["data", "signed", "json_signed", "uuid", ""] {
        if let Ok(value) = form.one(name) {
            assert!(value.len() <= body.len(), "a value is never longer than the body");
            if !multipart {
                // Another decoder reads the same, but for the bytes that it can't keep.
                let mut others = url::form_urlencoded::parse(body).filter(|(other, _)| other == name);
                let (_, other) = others.next().expect("the other decoder has it too");
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
        assert!(signers.verify_sha1(&other, signature, at).is_err(), "a signature is over one message");
    }
}

/// The certificate parser: a PEM text.
pub fn certificate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (signers, problems) = Signers::parse(&[text]);
    assert_eq!(signers.iter().len() + problems.len(), 1);
    for signer in signers.iter() {
        let (again, _) = Signers::parse(&[signer.pem()]);
        let again: Vec<_> = again.iter().map(|signer| signer.fingerprint()).collect();
        assert_eq!(again, [signer.fingerprint()], "what is stored reads back");
        let _ = (signer.days_left(Timestamp::MIN), signer.days_left(Timestamp::MAX));
        assert!(signers.verify_sha1(b"message", b"c2lnbmF0dXJl", Timestamp::MAX).is_err());
    }
}

/// The URL policy, as deployed: a URL, and the same text as the target of a redirect.
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
            assert_eq!(policy.parse(url.as_str()), Ok(url.clone()), "what is written down is what was judged");
        }
        // The HTTP stack's own parser goes to the same host, or nowhere.
        if let Ok(uri) = url.as_str().parse::<http::Uri>() {
            assert_eq!((uri.host(), uri.port_u16()), (url.host_str(), None));
        }
    }
}
