//! The documented callbacks that the console's buttons send.

use countersign::domain::{Provider, SubjectId};

use super::{Gateway, view::Problem};
use crate::simulator::{Event, SERVICES, SimulatedService, callbacks};

/// The services whose callbacks this stack can send, with their events.
pub fn offered(gateway: &Gateway) -> Vec<(Provider, Vec<Event>)> {
    let secrets = &gateway.secrets;
    let can_send = |service: &&dyn SimulatedService| {
        let provider = service.provider();
        secrets.url_token(provider).is_ok() && service.can_prove(secrets.secret(provider))
    };
    SERVICES.into_iter().filter(can_send).map(|service| (service.provider(), service.events())).collect()
}

/// Sends a callback to the stack's own gateway. Returns the id of the stored delivery, if it was stored.
pub async fn send(
    gateway: &Gateway,
    provider: Provider,
    event: &str,
    id: Option<SubjectId>,
) -> Result<Option<String>, Problem> {
    let known = offered(gateway)
        .into_iter()
        .any(|(offered, events)| offered == provider && events.iter().any(|known| known.name == event));
    if !known {
        return Err(Problem::BadRequest("this stack can't send this callback"));
    }
    let failed = |problem: &dyn std::fmt::Display| Problem::Failed(problem.to_string());
    let id = match id {
        Some(id) => id,
        None => callbacks::new_id(provider).map_err(|problem| failed(&problem))?,
    };
    let secret = gateway.secrets.secret(provider);
    let callback = callbacks::callback(provider, event, &id, &callbacks::Options::default(), secret);
    let callback = callback.map_err(|problem| failed(&problem))?;
    let token = gateway.secrets.url_token(provider).map_err(|problem| failed(&problem))?;
    let url = format!("{}{}", gateway.url, callback.route.path().replace("{token}", &token));
    let (status, answer) = callback.send(&url).await.map_err(|problem| failed(&problem))?;
    if !status.is_success() {
        let reason = answer["reason"].as_str().unwrap_or("no reason given");
        return Err(Problem::Failed(format!("the callback was answered with {}: {reason}", status.as_u16())));
    }
    Ok(answer["delivery"].as_str().map(str::to_owned))
}
