//! Wires [`reconcile`] to the Lambda runtime.

use std::time::SystemTime;

use countersign::{aws::Aws, providers::settings_from_env, telemetry};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use reconcile::{Function, Task};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let function = &Function::start(settings_from_env(), &Aws::of_function());
    run(service_fn(move |LambdaEvent { payload, context }: LambdaEvent<Task>| async move {
        let time_left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        function.handle(payload, time_left).await.map_err(Error::from)
    }))
    .await
}
