//! Receives QuicklySign's callbacks: document-pack webhooks of API version 1, and subscriptions of version 0.

use bytes::Bytes;
use countersign::{
    aws::Aws,
    intake::Receiver,
    providers::quicklysign::{self, Quicklysign},
    settings::{Problems, Settings},
};
use lambda_http::{Response, http::Request};

/// The started function.
pub struct Function(Receiver<Quicklysign>);

impl Function {
    /// Starts the function. Wrong settings are answered request by request.
    pub async fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        let receiver = Receiver::new(&quicklysign::ENDPOINT, Quicklysign::new, settings, aws);
        receiver.warm().await;
        Self(receiver)
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<String> {
        self.0.handle(request).await
    }
}
