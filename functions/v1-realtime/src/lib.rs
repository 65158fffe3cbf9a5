//! Receives Legalesign's callbacks about one document: it was sent, signed or rejected.

use bytes::Bytes;
use countersign::{
    aws::Aws,
    intake::Receiver,
    providers::legalesign::{self, Legalesign},
    settings::{Problems, Settings},
};
use lambda_http::{Response, http::Request};

/// The started function.
pub struct Function(Receiver<Legalesign>);

impl Function {
    /// Starts the function. Wrong settings are answered request by request.
    pub async fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        let receiver = Receiver::new(&legalesign::REALTIME, Legalesign::new, settings, aws);
        receiver.warm().await;
        Self(receiver)
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<String> {
        self.0.handle(request).await
    }
}
