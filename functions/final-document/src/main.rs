//! Wires [`final_document`] to the Lambda runtime.

use std::time::SystemTime;

use aws_lambda_events::event::sqs::SqsEvent;
use countersign::{archive::remove_leftovers, aws::Aws, providers::settings_from_env, telemetry};
use final_document::Function;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    // Lambda starts the process again in the same environment after it has ended it at its time limit.
    remove_leftovers(&std::env::temp_dir());
    let function = &Function::start(settings_from_env(), &Aws::of_function());
    run(service_fn(move |LambdaEvent { payload, context }: LambdaEvent<SqsEvent>| async move {
        let time_left = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        Ok::<_, Error>(function.handle(payload, time_left).await)
    }))
    .await
}
