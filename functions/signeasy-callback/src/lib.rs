//! Receives SignEasy's callbacks: webhooks with payloads of version 1, 2 or 3.

use bytes::Bytes;
use countersign::{
    aws::Aws,
    intake::Receiver,
    providers::signeasy::{self, Signeasy},
    settings::{Problems, Settings},
};
use lambda_http::{Response, http::Request};

/// The started function.
pub struct Function(Receiver<Signeasy>);

impl Function {
    /// Starts the function. Wrong settings are answered request by request.
    pub async fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        let receiver = Receiver::new(&signeasy::ENDPOINT, Signeasy::new, settings, aws);
        receiver.warm().await;
        Self(receiver)
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<String> {
        self.0.handle(request).await
    }
}
