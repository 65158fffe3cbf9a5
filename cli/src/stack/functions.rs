//! All Lambda functions in one process.

use bytes::Bytes;
use countersign::{aws::Aws, domain::Route, settings::Settings};
use http::{Request, Response};

/// The functions of a stack, initialized.
pub struct Functions {
    /// `dropbox-sign-callback`
    pub dropbox_sign_callback: dropbox_sign_callback::Function,
    /// `v1-batch`
    pub v1_batch: v1_batch::Function,
    /// `v1-realtime`
    pub v1_realtime: v1_realtime::Function,
    /// `quicklysign-callback`
    pub quicklysign_callback: quicklysign_callback::Function,
    /// `signeasy-callback`
    pub signeasy_callback: signeasy_callback::Function,
    /// `final-document`
    pub final_document: final_document::Function,
    /// `reconcile`
    pub reconcile: reconcile::Function,
    /// `publish`
    pub publish: publish::Function,
}

impl Functions {
    /// Initializes all of them with the same settings.
    pub async fn start(settings: &Settings, aws: &Aws, eventbridge: aws_sdk_eventbridge::Client) -> Self {
        let settings = || Ok(settings.clone());
        Self {
            dropbox_sign_callback: dropbox_sign_callback::Function::start(settings(), aws).await,
            v1_batch: v1_batch::Function::start(settings(), aws).await,
            v1_realtime: v1_realtime::Function::start(settings(), aws).await,
            quicklysign_callback: quicklysign_callback::Function::start(settings(), aws).await,
            signeasy_callback: signeasy_callback::Function::start(settings(), aws).await,
            final_document: final_document::Function::start(settings(), aws),
            reconcile: reconcile::Function::start(settings(), aws),
            publish: publish::Function::start(settings(), aws, eventbridge),
        }
    }

    /// Calls the function of a route.
    pub async fn call(&self, route: Route, request: Request<Bytes>) -> Response<String> {
        match route {
            Route::DropboxSign => self.dropbox_sign_callback.handle(request).await,
            Route::LegalesignBatch => self.v1_batch.handle(request).await,
            Route::LegalesignRealtime => self.v1_realtime.handle(request).await,
            Route::Quicklysign => self.quicklysign_callback.handle(request).await,
            Route::Signeasy => self.signeasy_callback.handle(request).await,
        }
    }
}
