//! Bars for people who watch; nothing at all for machines that read.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Makes one bar for each phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    is_shown: bool,
}

impl Progress {
    /// Bars are drawn on the terminal when `is_shown` and the standard error is one.
    pub(crate) const fn new(is_shown: bool) -> Self {
        Self { is_shown }
    }

    /// A bar for `steps` steps of the phase called `name`.
    pub(crate) fn phase(self, name: &'static str, steps: usize) -> ProgressBar {
        let target = if self.is_shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template("{msg:34} {bar:40} {pos:>6}/{len:<6} {elapsed}")
            .expect("the template is well formed");
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target)
            .with_style(style)
            .with_message(name);
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}
