//! Buttons that send the services' documented callbacks, with valid proof, to the local stack.

use maud::html;

use super::service;
use crate::{
    console::{
        Console, triggers,
        view::{Page, Problem},
    },
    simulator::Event,
};

pub fn render(console: &Console) -> Result<Page, Problem> {
    let Some(gateway) = &console.options.gateway else {
        return Err(Problem::NotFound("Callbacks can be sent to a local stack only."));
    };
    let head = html! {
        p.lead {
            "Each button posts a callback, as the service documents it, to this stack's own gateway, with a valid path "
            "token and proof. Enter an id to send several callbacks about the same document."
        }
    };
    let live = html! {
        div.cards {
            @for (provider, events) in triggers::offered(gateway) {
                form.card method="post" action="/trigger" data-stay="was sent" {
                    h2 { (service(provider)) }
                    input type="hidden" name="form_token" value=(console.guard.form_token());
                    input type="hidden" name="provider" value=(provider);
                    label {
                        span { "Document id" }
                        input name="id" placeholder="new id" pattern="[A-Za-z0-9_\\-]{1,200}" autocomplete="off"
                            spellcheck="false" maxlength="200";
                    }
                    ul.buttons {
                        @for Event { name, meaning } in events {
                            li {
                                button type="submit" name="event" value=(name) { code { (name) } }
                                span.quiet { (meaning) }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(Page { title: "Trigger a callback".to_owned(), head, live })
}
