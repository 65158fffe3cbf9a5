//! `countersign completions`: a shell script that completes commands and options.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, output::Output};

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> Output {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "countersign", &mut script);
        Output::text(String::from_utf8_lossy(&script).into_owned())
    }
}
