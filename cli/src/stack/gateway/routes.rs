//! The routes of the HTTP API in `template.yaml`, and which of them matches a request.

use axum::http::Method;
use countersign::domain::Route;
use serde_json::{Value, json};

/// The path below which every request reaches a function.
const CALLBACKS: &str = "/callbacks/";

/// A route of the API that matches a request.
#[derive(Debug)]
pub struct Matched {
    /// The callback whose function is called.
    pub route: Route,
    /// The route's key in the API.
    pub key: String,
    /// The variables of its path, not decoded.
    pub parameters: Value,
}

impl Matched {
    /// The callback whose function also answers everything else below `/callbacks/`.
    pub const FALLBACK: Route = Route::Quicklysign;

    /// The most specific route that matches, as API Gateway chooses it; `None` if there is none.
    #[must_use]
    pub fn of(method: &Method, path: &str) -> Option<Self> {
        if *method == Method::POST {
            for route in Route::ALL {
                let Some(rest) = path.strip_prefix(route.prefix()).filter(|rest| !rest.is_empty()) else { continue };
                let (key, parameters) = if rest.contains('/') {
                    (route.any_path(), json!({"path": rest}))
                } else {
                    (route.path().to_owned(), json!({"token": rest}))
                };
                return Some(Self { route, key: format!("POST {key}"), parameters });
            }
        }
        let rest = path.strip_prefix(CALLBACKS).filter(|rest| !rest.is_empty())?;
        let key = format!("ANY {CALLBACKS}{{path+}}");
        Some(Self { route: Self::FALLBACK, key, parameters: json!({"path": rest}) })
    }
}
