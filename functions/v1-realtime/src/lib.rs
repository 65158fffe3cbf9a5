//! Takes in Legalesign's callbacks about one document: the form, signed or not, and the JSON webhook.

use countersign::{
    aws::Aws,
    intake::Receiver,
    providers::legalesign::realtime::RealtimeCallback,
    settings::{Problems, Settings},
};
use lambda_http::{Request, Response};

/// The function, once it has been started.
pub struct Function(Receiver<RealtimeCallback>);

impl Function {
    /// Starts the function; wrong settings are answered request by request.
    pub async fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        let receiver = Receiver::new(RealtimeCallback::new(&settings), settings, aws);
        receiver.warm().await;
        Self(receiver)
    }

    /// Answers one request of API Gateway.
    pub async fn handle(&self, request: Request) -> Response<String> {
        self.0.handle(request).await
    }
}
