//! Runs one step once, so that `bench/instructions` can count its instructions with callgrind. Without an argument,
//! lists the steps.

use std::process::ExitCode;

use countersign_bench::{Batch, SIZES, Step};

#[expect(clippy::print_stdout, reason = "a list for a script")]
fn main() -> ExitCode {
    let chosen = std::env::args().nth(1);
    for size in SIZES {
        for step in Step::ALL {
            let name = format!("{step:?}-{size}").to_lowercase();
            match &chosen {
                None => println!("{name}"),
                // Callgrind counts only within `measured`.
                Some(chosen) if *chosen == name => return once(&Batch::of(size), step),
                Some(_) => {}
            }
        }
    }
    if chosen.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn once(batch: &Batch, step: Step) -> ExitCode {
    if batch.measured(step) > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
