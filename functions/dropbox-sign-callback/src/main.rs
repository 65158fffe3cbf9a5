//! Wires [`dropbox_sign_callback`] to the Lambda runtime.

use countersign::{aws::Aws, providers::settings_from_env, telemetry};
use dropbox_sign_callback::Function;
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let function = &Function::start(settings_from_env(), &Aws::of_function()).await;
    http_event::run(move |request| function.handle(request)).await
}
