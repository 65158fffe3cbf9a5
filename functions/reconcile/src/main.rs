//! Wires [`reconcile`] to the Lambda runtime.

use countersign::{aws::Aws, providers::settings_from_env, telemetry};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use reconcile::{Function, Task};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let function = &Function::start(settings_from_env(), &Aws::of_function());
    run(service_fn(
        move |event: LambdaEvent<Task>| async move { function.handle(event.payload).await.map_err(Error::from) },
    ))
    .await
}
