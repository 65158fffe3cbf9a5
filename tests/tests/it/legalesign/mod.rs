//! Legalesign: its callbacks, archiving, and evidence.

mod archive;
mod batch;
mod hmac;
mod large_batches;
mod realtime;
mod time_zone;
mod verify;
