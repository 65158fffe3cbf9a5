//! Wires [`quicklysign_subscribe`] to the Lambda runtime.

use countersign::{aws::Aws, settings::Settings, telemetry};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, run, service_fn};
use quicklysign_subscribe::{Function, Order};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let function = &Function::start(Settings::from_env(), &Aws::of_function());
    run(service_fn(move |event: LambdaEvent<Order>| async move {
        // Boxed: the compiler gives up on the layout of the whole future.
        Box::pin(function.handle(event.payload))
            .await
            .map_err(|failure| Diagnostic { error_type: failure.code(), error_message: failure.to_string() })
    }))
    .await
}
