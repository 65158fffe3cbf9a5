//! The path of a callback: its path token, and the event that it may name.

use percent_encoding::percent_decode_str;

use crate::domain::Route;

/// What a callback's path says. Both are decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The path token, as the sender has it.
    pub token: String,
    /// The event, if the path names one.
    pub event: Option<String>,
}

/// Reads the path of a request to this route. `None` if the route has no such path.
///
/// There may be anything before the route's own path, since gateways put a stage or a base path there, and slashes after
/// it, since people type them.
pub(super) fn of(route: Route, path: &str) -> Option<Target> {
    let start = path.find(route.prefix())? + route.prefix().len();
    let rest = path[start..].trim_end_matches('/');
    let (event, token) = match rest.split_once('/') {
        Some((event, token)) if route.names_event() && !event.is_empty() => (Some(event), token),
        Some(_) => return None,
        None => (None, rest),
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let is_token = !token.is_empty() && !token.contains('/');
    is_token.then(|| Target { token: decoded(token), event: event.map(decoded) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(route: Route, path: &str) -> Option<(String, Option<String>)> {
        of(route, path).map(|Target { token, event }| (token, event))
    }

    #[test]
    fn a_path_may_have_a_stage_before_it_and_slashes_after_it() {
        for route in Route::ALL {
            let path = route.path().replace("{token}", "a-token");
            for path in [path.clone(), format!("{path}/"), format!("{path}//"), format!("/prod{path}")] {
                assert_eq!(target(route, &path), Some(("a-token".to_owned(), None)), "{path}");
            }
        }
    }

    #[test]
    fn only_realtime_paths_name_an_event() {
        for route in Route::ALL {
            let path = format!("{}signed/a-token/", route.prefix());
            let expected =
                (route == Route::LegalesignRealtime).then(|| ("a-token".to_owned(), Some("signed".to_owned())));
            assert_eq!(target(route, &path), expected, "{path}");
        }
    }

    #[test]
    fn other_paths_are_none_of_the_route() {
        for route in Route::ALL {
            for rest in ["", "/", "//a-token", "a/b/c", "a//b"] {
                assert_eq!(target(route, &format!("{}{rest}", route.prefix())), None, "{rest}");
            }
            assert_eq!(target(route, "/callbacks/another/a-token"), None);
        }
    }
}
