//! Access control: only a browser on this machine may use the console, and only from the console's own pages.
//!
//! Listening on loopback isn't enough. Any site that is open in the same browser can send requests here, and a site
//! that points its own name at 127.0.0.1 (DNS rebinding) could read the responses. Therefore the `Host` of a request
//! must be one of the console's own names, requests from other sites are rejected, and requests that change anything
//! must come from the console's own origin, with a secret that only its own pages contain. For a deployed stack, other
//! users of this machine are kept out as well, by a key in the URL that the command prints.

use anyhow::{Result, anyhow};
use aws_lc_rs::{constant_time, digest, rand};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::Console;

/// Allows only the console's own script, style sheet, images, connections and forms; no inline script and no frames.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A browser's header for the relation between the requesting page's site and this one.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// A browser's header for the purpose of the request, such as a page or an image.
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// 128 random bits as text. Doesn't implement `Debug`, because they are secret.
#[derive(Clone)]
pub struct AccessKey(String);

impl AccessKey {
    /// Generates a new key.
    ///
    /// # Errors
    /// When the operating system provides no random numbers.
    pub fn new() -> Result<Self> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| anyhow!("the operating system provides no random numbers"))?;
        Ok(Self(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The key's text, for an authorised user.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this key. Compares digests in constant time.
    fn matches(&self, given: &str) -> bool {
        let digest = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
        constant_time::verify_slices_are_equal(digest(&self.0).as_ref(), digest(given).as_ref()).is_ok()
    }
}

/// The values against which requests are checked.
#[derive(Clone)]
pub(super) struct Guard {
    port: u16,
    hosts: [String; 2],
    form_token: AccessKey,
    key: Option<AccessKey>,
}

impl Guard {
    /// A guard for a console on this port.
    pub(super) fn new(port: u16, key: Option<AccessKey>) -> Result<Self> {
        let hosts = ["127.0.0.1", "localhost"].map(|name| match port {
            80 => name.to_owned(),
            port => format!("{name}:{port}"),
        });
        Ok(Self { port, hosts, form_token: AccessKey::new()?, key })
    }

    /// The secret that every form must contain.
    pub(super) fn form_token(&self) -> &str {
        self.form_token.reveal()
    }

    /// Whether `given` is the form token.
    pub(super) fn is_form_token(&self, given: &str) -> bool {
        self.form_token.matches(given)
    }

    /// Checks that the request is for this console, and comes from its own pages. Returns the reason of a rejection.
    fn check_source(&self, method: &Method, head: &HeaderMap) -> Result<(), &'static str> {
        let host = single_value(head, &header::HOST).filter(|host| self.hosts.iter().any(|own| own == host));
        let Some(host) = host else {
            return Err("The console can be used only at its own address on this machine.");
        };
        let site = head.get(FETCH_SITE).map(HeaderValue::as_bytes);
        if matches!(*method, Method::GET | Method::HEAD) {
            // Another site may link to the console, but not embed its pages or files in its own page.
            let is_foreign = matches!(site, Some(b"cross-site" | b"same-site"));
            let is_page = head.get(FETCH_DEST).is_some_and(|dest| dest == "document");
            return if is_foreign && !is_page { Err("Other sites can't load this.") } else { Ok(()) };
        }
        let origin = single_value(head, &header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        if origin == Some(host) && site.is_none_or(|site| site == b"same-origin") {
            Ok(())
        } else {
            Err("Only the console's own pages may do this.")
        }
    }

    fn cookie_name(&self) -> String {
        // Cookies are shared by all ports of a host: two consoles on one machine must not overwrite each other's.
        format!("countersign-console-{}", self.port)
    }

    fn has_key(&self, head: &HeaderMap) -> bool {
        let Some(key) = &self.key else { return true };
        let cookies = head.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let name = self.cookie_name();
        let given = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        given.into_iter().any(|(given_name, value)| given_name == name && key.matches(value))
    }

    /// The response to a URL with the correct key: sets a cookie with the key, and redirects to the URL without it.
    fn admit(&self, request: &Request) -> Option<Response> {
        let key = self.key.as_ref()?;
        let query = request.uri().query()?.as_bytes();
        let (_, given) = url::form_urlencoded::parse(query).find(|(name, _)| name == "key")?;
        if request.method() != Method::GET || !key.matches(&given) {
            return None;
        }
        let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie_name(), key.reveal());
        let location = request.uri().path().to_owned();
        Some((StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie), (header::LOCATION, location)]).into_response())
    }
}

/// A header's value, if the header occurs exactly once.
fn single_value<'a>(head: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = head.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

/// Passes a request on, or rejects it, and sets the security headers of every response.
pub(super) async fn check(State(console): State<Console>, request: Request, next: Next) -> Response {
    let guard = &console.guard;
    let mut response = match guard.check_source(request.method(), request.headers()) {
        Err(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        Ok(()) => match guard.admit(&request) {
            Some(admitted) => admitted,
            None if guard.has_key(request.headers()) => next.run(request).await,
            None => {
                let reason = "Open the URL that `countersign console` printed, which ends with this console's key.";
                (StatusCode::UNAUTHORIZED, reason).into_response()
            }
        },
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    // With `no-referrer`, a browser would send `Origin: null` with the console's own forms.
    set(header::REFERRER_POLICY, "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    response
}
