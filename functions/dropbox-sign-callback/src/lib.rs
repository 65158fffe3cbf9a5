//! Receives the callbacks of Dropbox Sign, of accounts and of apps.

use bytes::Bytes;
use countersign::{
    aws::Aws,
    intake::Receiver,
    providers::dropbox_sign::{self, DropboxSign},
    settings::{Problems, Settings},
};
use lambda_http::{Response, http::Request};

/// The started function.
pub struct Function(Receiver<DropboxSign>);

impl Function {
    /// Starts the function. Wrong settings are answered request by request.
    pub async fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        let receiver = Receiver::new(&dropbox_sign::ENDPOINT, DropboxSign::new, settings, aws);
        receiver.warm().await;
        Self(receiver)
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Bytes>) -> Response<String> {
        self.0.handle(request).await
    }
}
