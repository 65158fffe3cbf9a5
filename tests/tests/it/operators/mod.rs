//! Operators' commands and schedules: quarantine, replay, erasure, the data folder, and reconciliation with the services.

mod data_folder;
mod forget;
mod programs_only;
mod quarantine;
mod reconcile;
mod replay_and_forget;
mod restore;
