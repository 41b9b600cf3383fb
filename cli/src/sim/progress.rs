//! A bar with rate and time left for people who watch; nothing for machines that read.

use std::time::Duration;

use archipelago_sim::run::{Phase, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One run's bar.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    phase: Option<Phase>,
}

impl Bar {
    /// Drawn on the terminal where the standard error is one.
    pub(super) fn new(is_shown: bool) -> Self {
        let target = if is_shown {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, phase: None }
    }

    pub(super) fn show(&mut self, progress: Progress) {
        if self.phase != Some(progress.phase) {
            self.phase = Some(progress.phase);
            self.begin(progress);
        }
        let done = u64::try_from(progress.done.as_millis()).unwrap_or(u64::MAX);
        self.bar.set_position(done);
        let rate = progress.events as f64 / self.bar.elapsed().as_secs_f64().max(0.05);
        let rate = archipelago_sim::report::figure(rate);
        self.bar
            .set_message(format!("{} events, {rate}/s", progress.events));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn begin(&self, progress: Progress) {
        let template = match progress.phase {
            Phase::Forming => "forming {spinner} {msg}",
            Phase::Running => "running {bar:36} {percent:>3} % · {msg} · {eta} left",
        };
        let style = ProgressStyle::with_template(template);
        self.bar
            .set_style(style.expect("the template is well formed"));
        let total = u64::try_from(progress.total.as_millis()).unwrap_or(u64::MAX);
        self.bar.set_length(total);
        self.bar.reset_eta();
    }
}
