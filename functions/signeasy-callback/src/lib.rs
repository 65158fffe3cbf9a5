//! Takes in SignEasy's callbacks: webhooks with payloads of version 1, 2 or 3.

use countersign::{
    aws::Aws,
    intake::Receiver,
    providers::signeasy::callback::SigneasyCallback,
    settings::{Problems, Settings},
};
use lambda_http::{Request, Response};

/// The function, once it has been started.
pub struct Function(Receiver<SigneasyCallback>);

impl Function {
    /// Starts the function; wrong settings are answered request by request.
    pub async fn start(settings: Result<Settings, Problems>, aws: &Aws) -> Self {
        let receiver = Receiver::new(SigneasyCallback::new(&settings), settings, aws);
        receiver.warm().await;
        Self(receiver)
    }

    /// Answers one request of API Gateway.
    pub async fn handle(&self, request: Request) -> Response<String> {
        self.0.handle(request).await
    }
}
