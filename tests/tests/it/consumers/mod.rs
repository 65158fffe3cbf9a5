//! What other systems receive: events against their schema, `docs/events/events.schema.json`.

mod every_type;
mod examples;
mod file_names;
mod schema;
