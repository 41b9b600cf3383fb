//! The two phases of a run: forming, and the timeline with its steps, samples and checks.

use std::time::Duration;

use archipelago_core::Pid;
use archipelago_router::Command;

use super::cuts::Cut;
use super::{Action, Experiment, Mark, Phase, Progress, Step};
use crate::host::{Flow, ProcessState};
use crate::random::Random;
use crate::scenario::StartMode;
use crate::world::NodeIx;

/// The longest stretch of virtual time between two looks at whether to stop.
const SLICE: Duration = Duration::from_millis(200);
/// Between two looks at whether groups agree.
const LOOK: Duration = Duration::from_millis(50);
/// A pause that nobody is to notice.
const PAUSE_MAX: Duration = Duration::from_millis(1_500);
/// Marks on the plots; steps beyond are done but not drawn.
const MARKS_MAX: usize = 400;

impl Experiment<'_> {
    /// Starts every node that is to be there, and runs until all groups have formed, the
    /// scenario's patience is over, or somebody stops it.
    pub fn form(&mut self, progress: &mut dyn FnMut(Progress)) {
        if self.scenario.start == StartMode::Generated {
            return self.generate();
        }
        let mut order: Vec<NodeIx> = self.world.nodes();
        order.retain(|node| !self.plan.absent.contains(&node.0));
        Random::split(self.scenario.seed, 0x0570).shuffle(&mut order);
        let count = u32::try_from(order.len().max(1)).unwrap_or(u32::MAX);
        let pause = self.scenario.start_within / count;
        for node in order {
            self.start(node.0);
            self.world.run_for(pause);
        }
        let limit = self.scenario.form_within;
        while !self.is_stopped() {
            self.meter.read(&self.world);
            if self.is_agreed() {
                self.formed = Some(self.world.now().since(archipelago_core::Time::START));
                break;
            }
            let done = self.world.now().since(archipelago_core::Time::START);
            if done >= limit {
                break;
            }
            progress(self.progress(Phase::Forming, done, limit));
            self.world.run_for(LOOK);
        }
        self.begin();
    }

    /// Begins in the state that forming leads to. Who is absent is there, and shut down first.
    fn generate(&mut self) {
        let generated = self.world.generate();
        generated.expect("topologies make working configurations");
        self.formed = Some(Duration::ZERO);
        for node in self.plan.absent.clone() {
            // Whoever was just formed is no reason to refuse.
            let _refused = self.world.command(NodeIx(node), Command::Shutdown);
        }
        self.begin();
    }

    /// The timeline, to its end or until somebody stops it.
    pub fn run(&mut self, progress: &mut dyn FnMut(Progress)) {
        let steps = std::mem::take(&mut self.plan.steps);
        let mut next = steps.iter().peekable();
        let mut sample_at = Duration::ZERO;
        let mut check_at = self.scenario.check_every;
        let duration = self.scenario.duration;
        loop {
            let now = self.elapsed();
            while let Some(step) = next.next_if(|step| step.at <= now) {
                self.take(step);
            }
            self.keyed_look();
            if now >= sample_at {
                self.sample(now);
                sample_at = now + self.scenario.sample_every;
            }
            if now >= check_at {
                self.check_safety();
                check_at = now + self.scenario.check_every;
            }
            self.look_for_agreement();
            progress(self.progress(Phase::Running, now, duration));
            if now >= duration || self.is_stopped() {
                break;
            }
            let step_at = next.peek().map_or(duration, |step| step.at);
            let until = step_at
                .min(sample_at)
                .min(check_at)
                .min(duration)
                .min(now + SLICE);
            self.world
                .run_for(until.saturating_sub(now).max(Duration::from_micros(1)));
            self.meter.read(&self.world);
        }
        self.plan.steps = steps;
    }

    /// Virtual time on the timeline.
    pub fn elapsed(&self) -> Duration {
        self.world.now().since(self.begun)
    }

    fn begin(&mut self) {
        self.meter.read(&self.world);
        self.meter.has_formed = true;
        self.begun = self.world.now();
        self.forming = self.world.tally();
        self.samples.begin(&self.world);
        self.install_groupcasts();
    }

    fn progress(&self, phase: Phase, done: Duration, total: Duration) -> Progress {
        Progress {
            phase,
            done,
            total,
            events: self.world.events(),
        }
    }

    /// Does one step of the plan.
    fn take(&mut self, step: &Step) {
        self.mark(step);
        let now = self.world.now();
        match &step.action {
            Action::Crash(node) => self.end(*node, |world, node| world.crash(node)),
            Action::PowerOff(node) => self.end(*node, |world, node| world.power_off(node)),
            Action::Leave(node) => self.end(*node, |world, node| {
                // Who is leaving already leaves.
                let _refused = world.command(node, Command::Shutdown);
            }),
            Action::Start(node) => self.start(*node),
            Action::Stop(node) => self.stop(*node),
            Action::Resume(node) => self.resume(*node),
            Action::Partition(id, side) => self.cut(*id, Cut::Side(side.clone())),
            Action::OneWay(id, side) => self.cut(*id, Cut::Mute(side.clone())),
            Action::CutLinks(id, links) => self.cut(*id, Cut::Links(links.clone())),
            Action::EndCut(id) => {
                self.meter.read(&self.world);
                if self.cuts.end(*id, &mut self.world) && !self.cuts.is_any() {
                    self.meter.on_cut(true, now);
                }
            }
            Action::EndAllCuts => {
                self.meter.read(&self.world);
                self.cuts.end_all(&mut self.world);
                self.meter.on_cut(true, now);
            }
            Action::Links(profile) => self.world.set_links(profile.clone()),
            Action::LinksBack => match &self.underlay {
                Some(underlay) => self.world.set_underlay(underlay.clone()),
                None => self.world.set_links(self.scenario.underlay.link()),
            },
            Action::Flow {
                from,
                to,
                messages,
                every,
                bytes,
                body,
                call,
            } => {
                let shape = |to| Flow {
                    to,
                    messages: *messages,
                    period: *every,
                    bytes: *bytes,
                    body: *body,
                    call: *call,
                };
                self.flow((*from, *to), shape);
            }
            Action::Names {
                node,
                group,
                workers,
                lasting,
            } => self.register(*node, *group, (*workers, *lasting)),
            Action::Groupcast {
                node,
                group,
                messages,
                every,
                bytes,
            } => self.groupcast(*node, *group, (*messages, *every, *bytes)),
            Action::Keyed(part) => self.keyed_part(*part),
        }
        if !step.action.is_load() {
            self.mended = Some(now);
            self.healed = None;
        }
    }

    fn mark(&mut self, step: &Step) {
        if !step.action.is_load() && self.marks.len() < MARKS_MAX {
            self.marks.push(Mark {
                at_s: step.at.as_secs_f64(),
                text: step.action.describe(),
            });
        }
    }

    fn start(&mut self, node: u32) {
        let ix = NodeIx(node);
        if self.world.state(ix) != ProcessState::Down {
            return;
        }
        self.meter.read(&self.world);
        self.meter
            .on_back(node, self.world.now(), self.scenario.hold.detection);
        let started = self.world.restart(ix);
        started.expect("topologies make working configurations");
    }

    fn end(&mut self, node: u32, end: impl FnOnce(&mut crate::World, NodeIx)) {
        let ix = NodeIx(node);
        if self.world.state(ix) == ProcessState::Down {
            return;
        }
        self.meter.read(&self.world);
        if !self.cuts.is_any() {
            self.meter.on_end(node, &self.world);
        }
        self.keyed_ends(ix);
        end(&mut self.world, ix);
    }

    fn stop(&mut self, node: u32) {
        let ix = NodeIx(node);
        if self.world.state(ix) == ProcessState::Running {
            self.meter.read(&self.world);
            if !self.cuts.is_any() {
                self.meter.on_end(node, &self.world);
            }
            self.world.stop(ix);
        }
    }

    fn resume(&mut self, node: u32) {
        let ix = NodeIx(node);
        if self.world.state(ix) != ProcessState::Stopped {
            return;
        }
        self.meter.read(&self.world);
        self.meter.on_resumed(
            node,
            self.world.now(),
            (PAUSE_MAX, self.scenario.hold.detection),
        );
        self.world.resume(ix);
    }

    fn cut(&mut self, id: u32, cut: Cut) {
        self.meter.read(&self.world);
        self.meter.on_cut(false, self.world.now());
        self.cuts.begin(id, cut, &mut self.world);
    }

    fn flow(&mut self, (from, to): (u32, u32), shape: impl FnOnce(Pid) -> Flow) {
        let (from, to) = (NodeIx(from), NodeIx(to));
        let both_run = [from, to]
            .iter()
            .all(|&node| self.world.state(node) == ProcessState::Running);
        let target = if both_run { self.world.pid(to) } else { None };
        match target {
            Some(pid) => {
                self.world.start_flow(from, shape(pid));
            }
            None => self.flows_skipped += 1,
        }
    }

    fn sample(&mut self, now: Duration) {
        let on_demand = self.meter.opened.saturating_sub(self.meter.closed) / 2;
        self.samples.take(&self.world, now, on_demand);
    }

    /// After the last step: until when do all groups agree again?
    fn look_for_agreement(&mut self) {
        let Some(mended) = self.mended else { return };
        let is_due = self.healed.is_none() && !self.cuts.is_any();
        if is_due && self.nodes.len() <= 20_000 && self.is_agreed() {
            self.healed = Some(self.world.now().since(mended));
        }
    }
}
