//! Wires [`final_document`] to the Lambda runtime.

use aws_lambda_events::event::sqs::SqsEvent;
use countersign::{aws::Aws, providers::settings_from_env, telemetry};
use final_document::Function;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let function = &Function::start(settings_from_env(), &Aws::of_function());
    run(service_fn(
        move |event: LambdaEvent<SqsEvent>| async move { Ok::<_, Error>(function.handle(event.payload).await) },
    ))
    .await
}
