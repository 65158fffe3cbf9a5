//! The functions, in one process.

use countersign::{aws::Aws, delivery::Route, settings::Settings};
use lambda_http::{Request, Response};

/// Every function of the stack, started.
pub struct Functions {
    /// `quicklysign-callback`
    pub quicklysign_callback: quicklysign_callback::Function,
    /// `final-document`
    pub final_document: final_document::Function,
    /// `reconcile`
    pub reconcile: reconcile::Function,
}

impl Functions {
    /// Starts them all with the same settings.
    pub async fn start(settings: &Settings, aws: &Aws) -> Self {
        let settings = || Ok(settings.clone());
        Self {
            quicklysign_callback: quicklysign_callback::Function::start(settings(), aws).await,
            final_document: final_document::Function::start(settings(), aws),
            reconcile: reconcile::Function::start(settings(), aws),
        }
    }

    /// Calls the function of a route; `None` where there is none.
    pub async fn call(&self, route: Route, request: Request) -> Option<Response<String>> {
        match route {
            Route::Quicklysign => Some(self.quicklysign_callback.handle(request).await),
            Route::LegalesignBatch | Route::LegalesignRealtime | Route::Signeasy => None,
        }
    }
}
