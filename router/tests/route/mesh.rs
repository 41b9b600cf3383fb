//! Reflectors wired by a random topology, their rows delivered link by link in random order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use archipelago_core::wire::RouteBody;
use archipelago_core::{Boot, NodeId, Peer, Rng, Roles, Time};
use archipelago_router::lookup::{LookupConfig, LookupOutput, Lookups};
use archipelago_router::reflect::{
    GroupChange, MemberChange, Reflect, ReflectConfig, ReflectOutput,
};

use super::kit::{Bench, group, node, record};

/// One version of one row on one link.
type Passage = (usize, usize, NodeId, Boot, u64);

pub(super) struct Station {
    pub(super) bench: Bench,
    pub(super) reflect: Reflect,
    lookups: Lookups,
    pub(super) groups: BTreeSet<u64>,
    pub(super) is_alive: bool,
}

pub(super) struct Mesh {
    pub(super) stations: Vec<Station>,
    pub(super) rng: Rng,
    now: Time,
    links: BTreeMap<(usize, usize), VecDeque<RouteBody>>,
    /// How often each version went over each link.
    pub(super) passages: BTreeMap<Passage, u32>,
    pub(super) delivered: usize,
    /// How look-ups ended, by who asked.
    pub(super) ended: Vec<(usize, LookupOutput)>,
    /// Stations that take look-ups and never answer.
    pub(super) mute: BTreeSet<usize>,
}

/// What a station hears of its surroundings, in some order.
#[derive(Clone, Copy)]
enum News {
    Group(usize, u64),
    Member(usize, usize, u64),
    Session(usize, usize),
}

impl Station {
    fn poll_timeout(&self) -> Option<Time> {
        let lookup = self.lookups.poll_timeout();
        let first = self.reflect.poll_timeout().into_iter().chain(lookup).min();
        first.map(|(due_at, _)| due_at)
    }
}

impl Mesh {
    /// Reflectors that are in these groups; nothing is connected yet.
    pub(super) fn new(seed: u64, groups: &[BTreeSet<u64>], config: ReflectConfig) -> Self {
        let config = Arc::new(config);
        let station = |(index, groups): (usize, &BTreeSet<u64>)| {
            let bench = Bench::new(index as u64);
            let me = bench.crypto.id();
            let homes: Vec<u64> = groups.iter().copied().collect();
            let own = record(index as u64, (1, 1), Roles::REFLECTOR, &homes);
            Station {
                bench,
                lookups: Lookups::new(Arc::new(LookupConfig::default()), own),
                reflect: Reflect::new(config.clone(), me, Roles::REFLECTOR, Boot(1)),
                groups: groups.clone(),
                is_alive: true,
            }
        };
        Self {
            stations: groups.iter().enumerate().map(station).collect(),
            rng: Rng::from_u64(seed),
            now: Time::from_micros(1),
            links: BTreeMap::new(),
            passages: BTreeMap::new(),
            delivered: 0,
            ended: Vec::new(),
            mute: BTreeSet::new(),
        }
    }

    /// A random topology: mis-wired, looped, doubled, in parts.
    pub(super) fn random_groups(seed: u64) -> Vec<BTreeSet<u64>> {
        let mut rng = Rng::from_u64(seed).split(1);
        let (stations, groups) = (2 + rng.below(9), 2 + rng.below(7));
        (0..stations)
            .map(|_| (0..=1 + rng.below(3)).map(|_| rng.below(groups)).collect())
            .collect()
    }

    /// Tells everybody everything that is true, in random order.
    pub(super) fn wire(&mut self) {
        let mut news = Vec::new();
        for (index, station) in self.stations.iter().enumerate() {
            news.extend(station.groups.iter().map(|&g| News::Group(index, g)));
        }
        for (one, other) in self.pairs() {
            let common: Vec<u64> = self.common(one, other);
            news.push(News::Session(one, other));
            news.extend(common.iter().map(|&g| News::Member(one, other, g)));
            news.extend(common.iter().map(|&g| News::Member(other, one, g)));
        }
        while !news.is_empty() {
            let pick = self.rng.below(news.len() as u64) as usize;
            self.tell(news.swap_remove(pick));
            for _ in 0..self.rng.below(4) {
                self.deliver_one();
            }
        }
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let all = 0..self.stations.len();
        let pairs = all
            .clone()
            .flat_map(|one| (one + 1..all.end).map(move |other| (one, other)));
        pairs
            .filter(|&(one, other)| !self.common(one, other).is_empty())
            .collect()
    }

    fn common(&self, one: usize, other: usize) -> Vec<u64> {
        let (one, other) = (&self.stations[one].groups, &self.stations[other].groups);
        one.intersection(other).copied().collect()
    }

    fn tell(&mut self, news: News) {
        match news {
            News::Group(at, number) => self.at(at, |reflect, bench, out| {
                let change = GroupChange::Up { is_closed: false };
                reflect.handle_group(group(number), change, &mut bench.cx(), out);
            }),
            News::Member(at, of, number) => self.at(at, |reflect, bench, out| {
                let peer = bench.meet(of as u64);
                let change = MemberChange::Up(Roles::REFLECTOR);
                reflect.handle_member(group(number), peer, change, &mut bench.cx(), out);
            }),
            News::Session(one, other) => {
                for (at, of) in [(one, other), (other, one)] {
                    self.at(at, |reflect, bench, out| {
                        let peer = bench.know(of as u64, Roles::REFLECTOR, &[]);
                        reflect.handle_session_ready(peer, &mut bench.cx(), out);
                    });
                }
            }
        }
    }

    /// A node dies: its sessions close, and its groups notice, one member after the other.
    pub(super) fn kill(&mut self, dead: usize) {
        self.stations[dead].is_alive = false;
        self.links
            .retain(|&(from, to), _| from != dead && to != dead);
        for at in 0..self.stations.len() {
            let common = self.common(at, dead);
            if at == dead || common.is_empty() || !self.stations[at].is_alive {
                continue;
            }
            self.at(at, |reflect, bench, out| {
                let peer = bench.meet(dead as u64);
                bench.disconnect(peer);
                reflect.handle_session_closed(peer, &mut bench.cx(), out);
                for number in common {
                    let change = MemberChange::Gone;
                    reflect.handle_member(group(number), peer, change, &mut bench.cx(), out);
                }
            });
            self.at_lookups(at, |lookups, reflect, bench, out| {
                let peer = bench.meet(dead as u64);
                lookups.handle_session_closed(peer, reflect, &mut bench.cx(), out);
            });
            self.deliver_one();
        }
    }

    /// Station `at` seeks station `target` in a group.
    pub(super) fn locate(&mut self, at: usize, target: usize, home: u64) {
        self.at_lookups(at, |lookups, reflect, bench, out| {
            let (target, home) = (node(target as u64), group(home));
            let any = (Boot(0), 0);
            lookups.handle_locate(target, home, any, reflect, &mut bench.cx(), out);
        });
    }

    fn at_lookups(
        &mut self,
        at: usize,
        call: impl FnOnce(&mut Lookups, &Reflect, &mut Bench, &mut Vec<LookupOutput>),
    ) {
        let station = &mut self.stations[at];
        station.bench.now = self.now;
        let mut out = Vec::new();
        let (lookups, reflect) = (&mut station.lookups, &station.reflect);
        call(lookups, reflect, &mut station.bench, &mut out);
        for output in out {
            match output {
                LookupOutput::Send { to, body } => self.post(at, to, body),
                end => self.ended.push((at, end)),
            }
        }
    }

    fn at(
        &mut self,
        at: usize,
        call: impl FnOnce(&mut Reflect, &mut Bench, &mut Vec<ReflectOutput>),
    ) {
        let station = &mut self.stations[at];
        station.bench.now = self.now;
        let mut out = Vec::new();
        call(&mut station.reflect, &mut station.bench, &mut out);
        for output in out {
            match output {
                ReflectOutput::Send { to, body } => self.post(at, to, body),
                ReflectOutput::Broken(peer) => panic!("{at} breaks off with {peer:?}"),
                _ => {}
            }
        }
    }

    fn post(&mut self, from: usize, to: Peer, body: RouteBody) {
        let id = self.stations[from].bench.peers.id(to);
        let to = (0..self.stations.len())
            .find(|&n| node(n as u64) == id)
            .unwrap();
        if !self.stations[to].is_alive {
            return;
        }
        if let RouteBody::Row { row, .. } = &body {
            let (boot, seq) = row.version();
            let passage = (from, to, row.row.reflector, boot, seq);
            *self.passages.entry(passage).or_default() += 1;
        }
        self.links.entry((from, to)).or_default().push_back(body);
    }

    /// Delivers the first message of a random link; `false` if all are empty.
    pub(super) fn deliver_one(&mut self) -> bool {
        self.links.retain(|_, queue| !queue.is_empty());
        if self.links.is_empty() {
            return false;
        }
        let pick = self.rng.below(self.links.len() as u64) as usize;
        let (&(from, to), queue) = self.links.iter_mut().nth(pick).unwrap();
        let body = queue.pop_front().unwrap();
        self.delivered += 1;
        match body {
            RouteBody::Row { .. } | RouteBody::RowDigest(_) => self.reflect(from, to, body),
            RouteBody::Lookup(_) if self.mute.contains(&to) => {}
            RouteBody::Lookup(lookup) => self.at_lookups(to, |lookups, reflect, bench, out| {
                let peer = bench.meet(from as u64);
                lookups.handle_lookup(peer, *lookup, reflect, &mut bench.cx(), out);
            }),
            RouteBody::LookupReply(reply) => {
                self.at_lookups(to, |lookups, reflect, bench, out| {
                    let peer = bench.meet(from as u64);
                    lookups.handle_reply(peer, *reply, reflect, &mut bench.cx(), out);
                });
            }
        }
        true
    }

    fn reflect(&mut self, from: usize, to: usize, body: RouteBody) {
        self.at(to, |reflect, bench, out| {
            let peer = bench.meet(from as u64);
            match body {
                RouteBody::Row {
                    row,
                    clusters,
                    age_s,
                } => {
                    reflect.handle_row(peer, row, clusters, age_s, &mut bench.cx(), out);
                }
                RouteBody::RowDigest(digest) => {
                    reflect.handle_digest(peer, &digest, &mut bench.cx(), out);
                }
                other => panic!("no matter of reflection: {other:?}"),
            }
        });
    }

    /// Delivers until nothing is on its way; panics when that does not end.
    pub(super) fn settle(&mut self) {
        let bound = 200 * (self.stations.len() + 1).pow(3);
        for _ in 0..bound {
            if !self.deliver_one() {
                return;
            }
        }
        panic!("rows circle: {bound} deliveries and no end");
    }

    /// Lets `seconds` pass, timers and all.
    pub(super) fn pass(&mut self, seconds: u64) {
        let end = self.now.after(std::time::Duration::from_secs(seconds));
        loop {
            let due = (0..self.stations.len())
                .filter(|&at| self.stations[at].is_alive)
                .filter_map(|at| Some((self.stations[at].poll_timeout()?, at)))
                .min();
            let Some((due_at, at)) = due.filter(|&(due_at, _)| due_at <= end) else {
                break;
            };
            self.now = self.now.max(due_at);
            self.at(at, |reflect, bench, out| {
                reflect.handle_timeout(&mut bench.cx(), out);
            });
            self.at_lookups(at, |lookups, reflect, bench, out| {
                lookups.handle_timeout(reflect, &mut bench.cx(), out);
            });
            self.settle();
        }
        self.now = end;
    }
}
