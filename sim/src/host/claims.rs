//! What a node's processes asked of names and were told: the users' side of the machine, kept for
//! tests and checkers; and a workload that registers and unregisters as fast as it is answered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use archipelago_core::wire::Exit;
use archipelago_core::{GroupId, LocalId, Time};
use archipelago_router::{Command, Event, Regrouped, Unreachable};
use archipelago_sgroup::names::{
    Mode, NameAct, NameError, NameInfo, NameOutput, OnLoss, Registration, Standing,
};
use bytes::Bytes;

use super::Host;
use crate::net::Net;

/// How a request about a name ended.
pub type NameResult = Result<Option<Standing>, NameError>;

/// What became of a question for a name's holder.
pub type FoundName = Result<Option<NameInfo>, Unreachable>;

/// Something that a process was told of its name without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameNotice {
    /// It does not hold the name any more.
    Lost {
        /// Who does.
        to: NameInfo,
    },
    /// It stood by, and holds the name now.
    Won,
}

/// A process that believes to have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belief {
    /// Which mailbox.
    pub local: LocalId,
    /// As what.
    pub standing: Standing,
    /// Since when.
    pub since: Time,
}

/// How a workload of names went at one node.
#[derive(Clone, Debug, Default)]
pub struct NameLoad {
    /// Registrations that were confirmed.
    pub confirmed: u64,
    /// Registrations that were not.
    pub failed: u64,
    /// How long each took that was confirmed, in the order in which they were.
    pub took: Vec<Duration>,
}

/// One node's users of names. Outlives the process where it is the world's record of it.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    asked: BTreeMap<u64, Asked>,
    pub(crate) done: BTreeMap<u64, (Time, NameResult)>,
    pub(crate) notices: Vec<(Time, GroupId, Bytes, NameNotice)>,
    pub(crate) beliefs: BTreeMap<(GroupId, Bytes), Belief>,
    pub(crate) load: NameLoad,
    /// What was found of names, by request, and when.
    pub(crate) found: BTreeMap<u64, (Time, FoundName)>,
    workers: BTreeMap<u64, Worker>,
    /// Answers of workers, who go on when the machine has done its work.
    answered: VecDeque<(Worker, bool)>,
    last: u64,
}

#[derive(Debug)]
struct Asked {
    group: GroupId,
    name: Bytes,
    /// Whose claim; `None` for a withdrawal.
    local: Option<LocalId>,
}

/// Registers and unregisters names of its own, one after the other.
#[derive(Clone, Copy, Debug)]
struct Worker {
    group: GroupId,
    number: u32,
    rounds: u64,
    since: Time,
    until: Time,
}

impl Claims {
    /// The process is gone with all that it believed.
    pub(crate) fn forget_process(&mut self) {
        self.beliefs.clear();
        self.asked.clear();
        self.workers.clear();
        self.answered.clear();
    }

    pub(crate) fn is_waiting(&self, request: u64) -> bool {
        self.asked.contains_key(&request)
    }

    fn believe(&mut self, key: (GroupId, Bytes), local: LocalId, standing: Standing, now: Time) {
        let since = now;
        let belief = Belief {
            local,
            standing,
            since,
        };
        self.beliefs.insert(key, belief);
    }
}

impl Host {
    /// Gives the machine a request about a name; its number.
    pub(crate) fn name_act(&mut self, group: GroupId, act: NameAct, net: &mut Net) -> u64 {
        let claims = self.claims.get_or_insert_default();
        claims.last += 1;
        let request = claims.last;
        let (name, local) = match &act {
            NameAct::Register(asked) => (asked.name.clone(), Some(asked.local)),
            NameAct::Unregister { name } | NameAct::Resolve { name, .. } => (name.clone(), None),
            _ => (Bytes::new(), None),
        };
        if let NameAct::Unregister { .. } = &act {
            // Whoever asks for it believes it no more.
            claims.beliefs.remove(&(group, name.clone()));
        }
        let asked = Asked { group, name, local };
        claims.asked.insert(request, asked);
        let command = Command::Name {
            group,
            request,
            act,
        };
        let refused = self.command(command, net);
        if refused.is_err() {
            let result = Err(NameError::NotUp);
            self.on_name(group, NameOutput::Done { request, result }, net);
        }
        request
    }

    /// Asks who holds a name in any group; the question's number.
    pub(crate) fn find_name(&mut self, group: GroupId, name: Bytes, net: &mut Net) -> u64 {
        let claims = self.claims.get_or_insert_default();
        claims.last += 1;
        let request = claims.last;
        let command = Command::FindName {
            group,
            name,
            request,
        };
        if self.command(command, net).is_err() {
            self.on_name_found(request, Err(Unreachable::Overloaded), net);
        }
        request
    }

    /// The answer to such a question.
    pub(crate) fn on_name_found(&mut self, request: u64, result: FoundName, net: &Net) {
        let claims = self.claims.get_or_insert_default();
        claims.found.insert(request, (net.now, result));
    }

    /// One of its processes ends.
    pub(crate) fn end_claimant(&mut self, local: LocalId, net: &mut Net) {
        let claims = self.claims.get_or_insert_default();
        claims.beliefs.retain(|_, belief| belief.local != local);
        let exit = Some(Exit::Normal);
        let command = Command::ProcessEnded { local, exit };
        let _refused = self.command(command, net);
    }

    /// What the machine says of names.
    pub(crate) fn on_name(&mut self, group: GroupId, output: NameOutput, net: &Net) {
        let now = net.now;
        let claims = self.claims.get_or_insert_default();
        match output {
            NameOutput::Done { request, result } => {
                if let Some(worker) = claims.workers.remove(&request) {
                    claims.asked.remove(&request);
                    let is_confirmed = result.is_ok();
                    claims.answered.push_back((worker, is_confirmed));
                    return;
                }
                if let Some(asked) = claims.asked.remove(&request)
                    && let (Some(local), Ok(Some(standing))) = (asked.local, &result)
                {
                    claims.believe((asked.group, asked.name), local, *standing, now);
                }
                claims.done.insert(request, (now, result));
            }
            NameOutput::Lost {
                name,
                local,
                to,
                on_loss,
            } => {
                let key = (group, name.clone());
                match on_loss {
                    OnLoss::Standby | OnLoss::Custom => {
                        claims.believe(key, local, Standing::Standby, now);
                    }
                    _ => {
                        let belief = claims.beliefs.get(&key);
                        if belief.is_some_and(|belief| belief.local == local) {
                            claims.beliefs.remove(&key);
                        }
                    }
                }
                let notice = NameNotice::Lost { to: *to };
                claims.notices.push((now, group, name, notice));
            }
            NameOutput::Won { name, local } => {
                claims.believe((group, name.clone()), local, Standing::Holder, now);
                claims.notices.push((now, group, name, NameNotice::Won));
            }
            _ => {}
        }
    }

    /// Where this node is in another group than before, its processes hold their names there.
    pub(crate) fn follow_group(&mut self, event: &Event) {
        let Event::Regrouped {
            group,
            change: Regrouped::Moved { to },
        } = event
        else {
            return;
        };
        let Some(claims) = &mut self.claims else {
            return;
        };
        let held = std::mem::take(&mut claims.beliefs).into_iter();
        let renamed = held.map(|((of, name), belief)| {
            let of = if of == *group { *to } else { of };
            ((of, name), belief)
        });
        claims.beliefs = renamed.collect();
    }

    /// So many workers register and unregister names of their own until `until`.
    pub(crate) fn start_names(&mut self, group: GroupId, workers: u32, until: Time, net: &mut Net) {
        for number in 0..workers {
            let since = net.now;
            let worker = Worker {
                group,
                number,
                rounds: 0,
                since,
                until,
            };
            self.register_next(worker, net);
        }
    }

    /// Workers that were answered go on; whether any did.
    pub(crate) fn work_on_names(&mut self, net: &mut Net) -> bool {
        let next = self
            .claims
            .as_mut()
            .and_then(|claims| claims.answered.pop_front());
        let Some((mut worker, is_confirmed)) = next else {
            return false;
        };
        let claims = self.claims.get_or_insert_default();
        if is_confirmed {
            claims.load.confirmed += 1;
            claims.load.took.push(net.now.since(worker.since));
        } else {
            claims.load.failed += 1;
        }
        let name = self.worker_name(&worker);
        let act = NameAct::Unregister { name };
        let request = self.name_act(worker.group, act, net);
        let claims = self.claims.get_or_insert_default();
        claims.done.remove(&request);
        if net.now < worker.until {
            worker.rounds += 1;
            worker.since = net.now;
            self.register_next(worker, net);
        }
        true
    }

    fn register_next(&mut self, worker: Worker, net: &mut Net) {
        let asked = Registration {
            mode: Mode::Claim,
            ..Registration::new(
                self.worker_name(&worker),
                LocalId(u64::from(worker.number) + 1),
            )
        };
        // Known before it is asked: the answer may come at once.
        let claims = self.claims.get_or_insert_default();
        claims.workers.insert(claims.last + 1, worker);
        self.name_act(worker.group, NameAct::Register(asked), net);
    }

    fn worker_name(&self, worker: &Worker) -> Bytes {
        format!("n{}.{}.{}", self.ix, worker.number, worker.rounds).into()
    }
}
