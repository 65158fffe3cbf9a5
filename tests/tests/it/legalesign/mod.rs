//! Legalesign: its callbacks, archiving, and evidence.

mod archive;
mod batch;
mod large_batches;
mod realtime;
mod time_zone;
mod verify;
