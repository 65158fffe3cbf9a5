//! The progress of long commands: on standard error, and only if that is a terminal.

use std::{
    borrow::Cow,
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Globals;

/// A progress bar, or nothing. Dropping it clears it, so that only the command's result stays on the terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar over `total` steps, each counted by [`Self::step`].
    pub fn of(globals: &Globals, doing: &'static str, total: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total as u64), target(globals));
        bar.set_style(style("{msg} {wide_bar} {pos}/{len} {eta}"));
        bar.set_message(doing);
        Self(bar)
    }

    /// A spinner, for work of unknown length.
    pub fn open_ended(globals: &Globals, doing: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, target(globals));
        bar.set_style(style("{spinner} {msg} {elapsed}"));
        bar.set_message(doing);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Counts one step.
    pub fn step(&self) {
        self.0.inc(1);
    }

    /// Shows what is being done now.
    pub fn show(&self, doing: impl Into<Cow<'static, str>>) {
        self.0.set_message(doing);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn target(globals: &Globals) -> ProgressDrawTarget {
    if globals.json || !stderr().is_terminal() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
