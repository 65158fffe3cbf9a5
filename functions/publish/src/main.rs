//! Wires [`publish`] to the Lambda runtime.

use aws_lambda_events::event::dynamodb::Event;
use countersign::{
    aws::{Aws, eventbridge_of_function},
    providers::settings_from_env,
    telemetry,
};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use publish::Function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let function = &Function::start(settings_from_env(), &Aws::of_function(), eventbridge_of_function());
    run(service_fn(
        move |event: LambdaEvent<Event>| async move { Ok::<_, Error>(function.handle(event.payload).await) },
    ))
    .await
}
