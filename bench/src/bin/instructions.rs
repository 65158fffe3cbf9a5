//! Does one step once, for `bench/instructions` to count under callgrind; without an argument, lists the steps.

use std::process::ExitCode;

use countersign_bench::{Batch, SIZES, Step};

#[expect(clippy::print_stdout, reason = "a list for a script")]
fn main() -> ExitCode {
    let wanted = std::env::args().nth(1);
    for size in SIZES {
        for step in Step::ALL {
            let name = format!("{step:?}-{size}").to_lowercase();
            match &wanted {
                None => println!("{name}"),
                // Callgrind counts what happens within `measured`.
                Some(wanted) if *wanted == name => return once(&Batch::of(size), step),
                Some(_) => {}
            }
        }
    }
    if wanted.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn once(batch: &Batch, step: Step) -> ExitCode {
    if batch.measured(step) > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
