//! Compares `template.yaml` with the code, so that they can't diverge.

mod alarms;
mod dashboard;
mod deployed;
mod environment;
mod events;
mod functions;
mod operators;
mod permissions;
mod pipe;
mod publish;
mod recipes;
mod retention;
mod roles;
mod routes;
mod runbook;
mod table;
mod template;
mod versions;
