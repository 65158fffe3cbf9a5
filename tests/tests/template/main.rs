//! `template.yaml` against the code: what the two share can't drift apart.

mod alarms;
mod bench;
mod environment;
mod events;
mod functions;
mod operators;
mod permissions;
mod pipe;
mod routes;
mod table;
mod template;
