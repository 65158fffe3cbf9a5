//! The callbacks of `countersign demo`: cases of `events/`, the examples in the services' own documentation.

use countersign::domain::Route;

/// A case of `events/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The name of its file, without `.json`.
    pub name: &'static str,
    /// The route that it is posted to.
    pub route: Route,
    /// The event that API Gateway makes of the callback.
    pub event: &'static str,
}

/// The cases with these names in the folder of one function in `events/`, which are posted to this [`Route`].
macro_rules! cases {
    ($route:ident in $folder:literal: $($name:literal),+ $(,)?) => {
        [$($crate::simulator::demo::Case {
            name: $name,
            route: ::countersign::domain::Route::$route,
            event: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../events/", $folder, "/", $name, ".json")),
        }),+]
    };
}

pub(super) use cases;
