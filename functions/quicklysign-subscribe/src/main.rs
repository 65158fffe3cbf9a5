//! Wires [`quicklysign_subscribe`] to the Lambda runtime.

use countersign::{aws::Aws, providers::settings_from_env, telemetry};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, run, service_fn};
use quicklysign_subscribe::{Function, Input};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let function = &Function::start(settings_from_env(), &Aws::of_function());
    run(service_fn(move |event: LambdaEvent<Input>| async move {
        // Boxed because the compiler can't compute the layout of the whole future.
        Box::pin(function.handle(event.payload))
            .await
            .map_err(|failure| Diagnostic { error_type: failure.code(), error_message: failure.to_string() })
    }))
    .await
}
