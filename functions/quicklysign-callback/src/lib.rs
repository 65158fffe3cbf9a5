//! Takes in QuicklySign's callbacks: document-pack webhooks of API version 1, and version 0's subscriptions.

use countersign::{
    aws::Aws,
    intake::Receiver,
    providers::quicklysign::callback::QuicklysignCallback,
    settings::{Problems, Settings},
};
use lambda_http::{Request, Response};

/// The function, once it has been started.
pub struct Function(Receiver<QuicklysignCallback>);

impl Function {
    /// Starts the function; wrong settings are answered request by request.
    pub async fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        let receiver = Receiver::new(QuicklysignCallback::new(&settings), settings, aws);
        receiver.warm().await;
        Self(receiver)
    }

    /// Answers one request of API Gateway.
    pub async fn handle(&self, request: Request) -> Response<String> {
        self.0.handle(request).await
    }
}
