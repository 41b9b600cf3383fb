//! One cluster: formed, its workers started, left alone, asked with small requests, then with all.

use std::time::Duration;

use super::crew::Crew;
use super::layout::Layout;
use super::order::LoadOrder;
use super::phase::Phase;
use super::report::{Cluster, Loss, Report, Start};
use super::{Options, Stop, WorkersError};
use crate::live::progress::Progress;
use crate::machine::clock;

/// Between a load's order and its first request.
const AHEAD: Duration = Duration::from_millis(300);
/// Between two looks at how far a load is.
const LOOK: Duration = Duration::from_millis(500);
/// Behind a load's end, until what is left of it is given up.
const DRAIN_MAX: Duration = Duration::from_secs(70);

/// Measures clusters.
pub(super) struct Run<'a> {
    pub(super) options: &'a Options,
    pub(super) progress: Progress,
    pub(super) stop: Stop,
}

/// What is asked of a cluster at once.
#[derive(Clone, Copy, Debug)]
struct Load {
    name: &'static str,
    seconds: f64,
    rate: u32,
    bodies: u32,
    is_rest: bool,
    has_rounds: bool,
    is_broken: bool,
}

impl Run<'_> {
    /// Everything about one cluster; what was measured is in `reports` whatever comes.
    pub(super) async fn run(
        &self,
        layout: Layout,
        cluster: Cluster,
        reports: &mut Vec<Report>,
    ) -> Result<(), WorkersError> {
        let mut crew = Crew::new(layout)?;
        let bar = self.progress.phase("nodes started", crew.layout.len());
        let formed = tokio::select! {
            formed = crew.form(&bar) => formed,
            () = self.stop.wait() => return Ok(()),
        };
        bar.finish_and_clear();
        formed?;
        let start = self.start(&mut crew).await?;
        let options = self.options;
        let quiet = Load {
            name: "rest",
            seconds: (options.seconds / 12.0).max(3.0),
            rate: 1,
            bodies: 0,
            is_rest: true,
            has_rounds: false,
            is_broken: false,
        };
        let resting = Load {
            has_rounds: true,
            ..quiet
        };
        let (silent, _) = self.load(&mut crew, quiet).await?;
        let (rest, _) = self.load(&mut crew, resting).await?;
        for &rate in &options.rate {
            if self.stop.is_set() {
                break;
            }
            let bodies = options.bodies_of(rate);
            let small = Load {
                name: "small requests alone",
                seconds: (options.seconds / 6.0).max(2.0),
                rate: (rate - bodies).max(1),
                is_rest: false,
                ..resting
            };
            let (alone, _) = self.load(&mut crew, small).await?;
            crew.forget_peaks();
            let all = Load {
                name: "all requests",
                seconds: options.seconds,
                rate,
                bodies,
                is_broken: options.kill_and_add,
                ..small
            };
            let (phase, loss) = self.load(&mut crew, all).await?;
            let phases = [&silent, &rest, &alone, &phase];
            reports.push(Report::new(cluster, rate, bodies, &start, phases, loss));
        }
        Ok(())
    }

    /// Asks every key once.
    async fn start(&self, crew: &mut Crew) -> Result<Start, WorkersError> {
        let memory = crew.memory_bytes();
        let every_key = Load {
            name: "workers started",
            seconds: 0.0,
            rate: 0,
            bodies: 0,
            is_rest: false,
            has_rounds: false,
            is_broken: false,
        };
        let (phase, _) = self.load(crew, every_key).await?;
        let grown = memory.zip(crew.memory_bytes());
        let grown = grown.map(|(before, after)| after.saturating_sub(before));
        Ok(Start {
            lost: phase.lost,
            per_s: phase.answered() as f64 / phase.seconds.max(1e-9),
            bytes_per_worker: grown.map(|bytes| bytes as f64 / self.options.keys as f64),
        })
    }

    async fn load(
        &self,
        crew: &mut Crew,
        load: Load,
    ) -> Result<(Phase, Option<Loss>), WorkersError> {
        let steps = match load.rate {
            0 => self.options.keys as f64,
            rate => load.seconds * f64::from(rate),
        };
        let bar = self.progress.phase(load.name, steps as usize);
        let begin_us = clock::now_us() + AHEAD.as_micros() as u64;
        let order = LoadOrder {
            begin_us,
            seconds: load.seconds,
            rate: load.rate,
            bodies: load.bodies,
            is_rest: load.is_rest,
            has_rounds: load.has_rounds,
            keys: self.options.keys,
            part: 0,
            of: 1,
        };
        let used = crew.processor_time();
        crew.load(&order).await?;
        let end = Duration::from_secs_f64(load.seconds) + DRAIN_MAX;
        let mut loss = None;
        let phase = loop {
            tokio::time::sleep(LOOK).await;
            let passed = clock::between(begin_us, clock::now_us());
            if load.is_broken && loss.is_none() && passed.as_secs_f64() >= load.seconds / 2.0 {
                loss = Some(self.lose(crew).await?);
            }
            let tallies = crew.look().await?;
            let phase = Phase::new(&tallies, begin_us, used, crew);
            bar.set_position(phase.answered());
            let is_over = load.rate > 0 && passed > end;
            if tallies.iter().all(|tally| tally.is_done) || is_over || self.stop.is_set() {
                break phase;
            }
        };
        bar.finish_and_clear();
        if let Some(loss) = &mut loss {
            loss.seen_us = crew.seen(loss.node, loss.at_us).await?;
        }
        Ok((phase, loss))
    }

    /// A host dies, and another one comes.
    async fn lose(&self, crew: &mut Crew) -> Result<Loss, WorkersError> {
        let (node, at_us) = crew.kill_one().await?;
        let settled = crew.add_one().await?;
        Ok(Loss {
            node,
            at_us,
            settled,
            seen_us: Vec::new(),
        })
    }
}
