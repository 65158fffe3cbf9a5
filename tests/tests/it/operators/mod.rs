//! Operators' commands and schedules: quarantine, replay, erasure, and reconciliation with the services.

mod quarantine;
mod reconcile;
mod replay_and_forget;
