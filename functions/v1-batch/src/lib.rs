//! Takes in Legalesign's batches: every six minutes, everything that changed, signed.

use countersign::{
    aws::Aws,
    intake::Receiver,
    providers::legalesign::batch::BatchCallback,
    settings::{Problems, Settings},
};
use lambda_http::{Request, Response};

/// The function, once it has been started.
pub struct Function(Receiver<BatchCallback>);

impl Function {
    /// Starts the function; wrong settings are answered request by request.
    pub async fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        let receiver = Receiver::new(BatchCallback, settings, aws);
        receiver.warm().await;
        Self(receiver)
    }

    /// Answers one request of API Gateway.
    pub async fn handle(&self, request: Request) -> Response<String> {
        self.0.handle(request).await
    }
}
