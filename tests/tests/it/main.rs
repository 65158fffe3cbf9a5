//! The end-to-end tests that can share a process, by subject.
//!
//! Tests with a process of their own are beside this folder: `logs` and `privacy` collect everything that the process logs,
//! `memory` starts its own binary again to measure it, `console_browser` needs a browser, and `template` compares
//! `template.yaml` with the code.

mod answers;
mod archive;
mod bus;
mod console;
mod consumers;
mod dropbox_sign;
mod events;
mod faults;
mod ledger;
mod legalesign;
mod operators;
mod publish;
mod quicklysign;
mod signeasy;
mod writes;
