//! One maker of messages per kind: random within the limits, with numbers near their ends.

use std::sync::Arc;

use bytes::Bytes;

use crate::wire::*;
use crate::*;

type Make = fn(&mut Generator) -> Control;

/// Every kind of control message; `kind` below does not compile when one is missing there.
pub(super) const KINDS: &[(&str, Make)] = &[
    ("Hello", |g| Control::Hello(Box::new(g.hello()))),
    ("Bye", |g| Control::Bye(g.pick(&BYE_REASONS))),
    ("Ping", |g| Control::Ping(g.u32())),
    ("Pong", |g| Control::Pong(g.u32())),
    ("Introduce", |g| {
        Control::Introduce(Box::new(g.introduction()))
    }),
    ("IdlePropose", |_| Control::IdlePropose),
    ("IdleAgree", |_| Control::IdleAgree),
    ("Envelope", |g| Control::Envelope(Box::new(g.envelope()))),
    ("Group.Join", |g| {
        let join = g.join();
        g.group(GroupBody::Join(Box::new(join)))
    }),
    ("Group.Welcome", |g| {
        let welcome = g.welcome();
        g.group(GroupBody::Welcome(Box::new(welcome)))
    }),
    ("Group.Refused", |g| {
        let reason = g.pick(&REFUSE_REASONS);
        g.group(GroupBody::Refused(reason))
    }),
    ("Group.Leave", |g| g.group(GroupBody::Leave)),
    ("Group.Heartbeat", |g| {
        let body = GroupBody::Heartbeat {
            incarnation: Incarnation(g.u32()),
            view_hash: g.u32(),
            log_hash: g.u32(),
        };
        g.group(body)
    }),
    ("Group.Alive", |g| {
        let body = GroupBody::Alive {
            boot: g.boot(),
            era: Era(g.u32()),
            incarnation: Incarnation(g.u32()),
        };
        g.group(body)
    }),
    ("Group.Suspect", |g| {
        let suspicion = Suspicion {
            node: g.node(),
            boot: g.boot(),
            era: Era(g.u32()),
            incarnation: Incarnation(g.u32()),
        };
        g.group(GroupBody::Suspect(Box::new(suspicion)))
    }),
    ("Group.Probe", |g| {
        let probe = Probe {
            id: g.u32(),
            target: g.node(),
        };
        g.group(GroupBody::Probe(Box::new(probe)))
    }),
    ("Group.ProbeReport", |g| {
        let report = ProbeReport {
            id: g.u32(),
            target: g.node(),
            outcome: g.outcome(),
        };
        g.group(GroupBody::ProbeReport(Box::new(report)))
    }),
    ("Group.ViewDigest", |g| {
        let entries = g.list(|g| g.entry(false));
        g.group(GroupBody::ViewDigest(Arc::new(entries)))
    }),
    ("Group.View", |g| {
        let entries = g.list(|g| g.entry(true));
        g.group(GroupBody::View(Arc::new(entries)))
    }),
    ("Group.Log", |g| {
        let update = g.log_update();
        g.group(GroupBody::Log(Arc::new(update)))
    }),
    ("Group.LogAck", |g| {
        let mark = g.log_mark();
        let head = g.log_mark().seq;
        g.group(GroupBody::LogAck(Box::new(LogAck { mark, head })))
    }),
    ("Group.LogPull", |g| {
        let pull = LogPull {
            mark: g.log_mark(),
            after: g.bytes(255),
        };
        g.group(GroupBody::LogPull(Box::new(pull)))
    }),
    ("Group.LogDigest", |g| {
        let marks = g.list(Generator::log_mark);
        g.group(GroupBody::LogDigest(Arc::new(marks)))
    }),
    ("Group.Strict", |g| {
        let strict = g.strict();
        g.group(GroupBody::Strict(Box::new(strict)))
    }),
    ("Route.Row", |g| {
        Control::Route(RouteBody::Row {
            row: Arc::new(g.row()),
            clusters: g.list(Generator::node),
            age_s: g.u32(),
        })
    }),
    ("Route.RowDigest", |g| {
        let versions = g.list(|g| (g.node(), g.boot(), g.u64()));
        Control::Route(RouteBody::RowDigest(versions))
    }),
    ("Route.Lookup", |g| {
        Control::Route(RouteBody::Lookup(Box::new(g.lookup())))
    }),
    ("Route.LookupReply", |g| {
        Control::Route(RouteBody::LookupReply(Box::new(g.reply())))
    }),
    ("Group.Marks", |g| {
        let marks = g.list(Generator::mark);
        g.group(GroupBody::Marks(Arc::new(marks)))
    }),
    ("Group.Deleted", |g| {
        let deletion = g.deletion();
        g.group(GroupBody::Deleted(Box::new(deletion)))
    }),
    ("Group.Secret", |g| {
        let secret = g.sealed_secret();
        g.group(GroupBody::Secret(Box::new(secret)))
    }),
    ("Group.Invite", |g| {
        let invite = g.invite();
        g.group(GroupBody::Invite(Box::new(invite)))
    }),
    ("Group.InviteReply", |g| {
        let reply = g.invite_reply();
        g.group(GroupBody::InviteReply(Box::new(reply)))
    }),
    ("Group.Council", |g| {
        let council = g.council();
        g.group(GroupBody::Council(Box::new(council)))
    }),
];

/// The name of a message in `KINDS`: add a new kind to both.
pub(super) fn kind(message: &Control) -> &'static str {
    match message {
        Control::Hello(_) => "Hello",
        Control::Bye(_) => "Bye",
        Control::Ping(_) => "Ping",
        Control::Pong(_) => "Pong",
        Control::Introduce(_) => "Introduce",
        Control::IdlePropose => "IdlePropose",
        Control::IdleAgree => "IdleAgree",
        Control::Envelope(_) => "Envelope",
        Control::Group(_, body) => match body {
            GroupBody::Join(_) => "Group.Join",
            GroupBody::Welcome(_) => "Group.Welcome",
            GroupBody::Refused(_) => "Group.Refused",
            GroupBody::Leave => "Group.Leave",
            GroupBody::Heartbeat { .. } => "Group.Heartbeat",
            GroupBody::Alive { .. } => "Group.Alive",
            GroupBody::Suspect(_) => "Group.Suspect",
            GroupBody::Probe(_) => "Group.Probe",
            GroupBody::ProbeReport(_) => "Group.ProbeReport",
            GroupBody::ViewDigest(_) => "Group.ViewDigest",
            GroupBody::View(_) => "Group.View",
            GroupBody::Log(_) => "Group.Log",
            GroupBody::LogAck(_) => "Group.LogAck",
            GroupBody::LogPull(_) => "Group.LogPull",
            GroupBody::LogDigest(_) => "Group.LogDigest",
            GroupBody::Strict(_) => "Group.Strict",
            GroupBody::Marks(_) => "Group.Marks",
            GroupBody::Deleted(_) => "Group.Deleted",
            GroupBody::Secret(_) => "Group.Secret",
            GroupBody::Invite(_) => "Group.Invite",
            GroupBody::InviteReply(_) => "Group.InviteReply",
            GroupBody::Council(_) => "Group.Council",
        },
        Control::Route(body) => match body {
            RouteBody::Row { .. } => "Route.Row",
            RouteBody::RowDigest(_) => "Route.RowDigest",
            RouteBody::Lookup(_) => "Route.Lookup",
            RouteBody::LookupReply(_) => "Route.LookupReply",
        },
    }
}

pub(super) const BYE_REASONS: [ByeReason; 8] = [
    ByeReason::Duplicate,
    ByeReason::Idle,
    ByeReason::Evicted,
    ByeReason::NotAdmitted,
    ByeReason::Shutdown,
    ByeReason::Version,
    ByeReason::Protocol,
    ByeReason::Overloaded,
];

pub(super) const REFUSE_REASONS: [RefuseReason; 5] = [
    RefuseReason::UnknownGroup,
    RefuseReason::NotAdmitted,
    RefuseReason::GroupFull,
    RefuseReason::BackOff,
    RefuseReason::Removed,
];

pub(super) const LIVES: [Life; 5] = [
    Life::Joining,
    Life::Alive,
    Life::Suspect,
    Life::Down,
    Life::Left,
];

/// A seeded maker of parts.
pub(super) struct Generator {
    rng: Rng,
    list_len_max: u64,
}

impl Generator {
    pub(super) fn new(seed: u64, list_len_max: u64) -> Self {
        Self {
            rng: Rng::from_u64(seed),
            list_len_max,
        }
    }

    /// A message of any kind.
    pub(super) fn any(&mut self) -> Control {
        let (_, make) = self.pick(KINDS);
        make(self)
    }

    pub(super) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.rng.below(all.len() as u64)).unwrap()]
    }

    pub(super) fn list<T, const MAX: usize>(&mut self, make: fn(&mut Self) -> T) -> List<T, MAX> {
        let len = self.rng.below(self.list_len_max + 1);
        List::truncated((0..len).map(|_| make(self)))
    }

    pub(super) fn entry(&mut self, with_record: bool) -> Entry {
        Entry {
            node: self.node(),
            boot: self.boot(),
            era: Era(self.u32()),
            incarnation: Incarnation(self.u32()),
            life: self.pick(&LIVES),
            record: with_record.then(|| Arc::new(self.record())),
        }
    }

    pub(super) fn log_update(&mut self) -> LogUpdate {
        LogUpdate {
            boot: self.boot(),
            era: Era(self.u32()),
            from_seq: self.u64(),
            to_seq: self.u64(),
            range_after: self.bytes(255),
            range_to: self.maybe(|g| g.bytes(255)),
            snapshot: self.rng.chance(1, 2),
            entries: self.list(Self::log_entry),
        }
    }

    pub(super) fn strict(&mut self) -> Strict {
        let round = self.u64();
        let (step, life_ms, id) = (self.u32(), self.u32(), self.u64());
        let tenancy = Tenancy {
            holder: self.pid(),
            round,
            left_ms: life_ms,
        };
        let holder = Some(tenancy.holder.local);
        let why = self.pick(&[
            StrictRefusal::Held(tenancy),
            StrictRefusal::Round(round),
            StrictRefusal::Mute { left_ms: life_ms },
            StrictRefusal::Full,
            StrictRefusal::Life { max_ms: life_ms },
        ]);
        let accept = StrictBody::Accept {
            round,
            step,
            holder,
            life_ms,
        };
        let state = StrictBody::State {
            id,
            tenancy: Some(tenancy),
        };
        Strict {
            name: self.bytes(255),
            council: self.u64(),
            body: self.pick(&[
                StrictBody::Prepare { round },
                StrictBody::Promise { round },
                accept,
                StrictBody::Accepted { round, step },
                StrictBody::Refused { round, why },
                StrictBody::Ask { id },
                state,
            ]),
        }
    }

    pub(super) fn council(&mut self) -> Council {
        let sealed = CouncilBody::Sealed {
            round: self.u64(),
            open: self.maybe(Self::charter_id),
        };
        Council {
            charter: Arc::new(self.charter()),
            former: self.list(|g| FormerCouncil {
                charter: g.charter_id(),
                members: g.list(Self::node),
            }),
            body: self.pick(&[CouncilBody::Told, CouncilBody::Ask, sealed]),
        }
    }

    fn charter_id(&mut self) -> CharterId {
        CharterId {
            epoch: self.u64(),
            hash: self.u64(),
        }
    }

    fn pid(&mut self) -> Pid {
        Pid {
            node: self.node(),
            boot: self.boot(),
            local: LocalId(self.u64()),
            home: self.maybe(Self::group_id),
        }
    }

    pub(super) fn row(&mut self) -> SignedRow {
        let row = Row {
            reflector: self.node(),
            boot: self.boot(),
            seq: self.u64(),
            groups: self.list(|g| RowGroup {
                group: g.group_id(),
                size: g.u32(),
                closed: g.rng.chance(1, 2),
                reflectors: g.list(Self::node),
            }),
        };
        SignedRow {
            row,
            signature: self.signature(),
        }
    }

    fn group(&mut self, body: GroupBody) -> Control {
        Control::Group(self.group_id(), body)
    }

    fn hello(&mut self) -> Hello {
        Hello {
            wire: (self.u16(), self.u16()),
            realm: self.text(64),
            boot: self.boot(),
            nonce: Nonce(self.rng.array()),
            record: Arc::new(self.record()),
        }
    }

    fn record(&mut self) -> SignedRecord {
        let record = NodeRecord {
            node: self.node(),
            boot: self.boot(),
            seq: self.u64(),
            name: self.text(64),
            groups: self.list(Self::group_id),
            addresses: self.list(|g| Address(g.text(Address::LEN_MAX))),
            roles: Roles(self.rng.array()[0]),
            sealing_key: SealingKey(self.rng.array()),
            wire: (self.u16(), self.u16()),
            life_s: self.u32(),
        };
        SignedRecord {
            record,
            signature: self.signature(),
        }
    }

    fn introduction(&mut self) -> SignedIntroduction {
        let introduction = Introduction {
            requester: self.node(),
            target: self.node(),
            target_boot: self.boot(),
            group: self.group_id(),
            reflector: self.node(),
            life_s: self.u32(),
        };
        SignedIntroduction {
            introduction,
            signature: self.signature(),
        }
    }

    fn envelope(&mut self) -> Envelope {
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&self.rng.array()[..24]);
        Envelope {
            source: self.node(),
            target: self.node(),
            group: self.group_id(),
            route: self.list(Self::node),
            hops: self.rng.array()[0],
            attempt: self.rng.array()[0],
            heading: self.heading(),
            sealed: Sealed {
                source_boot: self.boot(),
                target_boot: self.boot(),
                record: self.maybe(|g| Arc::new(g.record())),
                nonce,
                bytes: self.bytes(Sealed::LEN_MAX),
            },
        }
    }

    fn join(&mut self) -> Join {
        Join {
            role: self.pick(&[JoinRole::Joiner, JoinRole::Member, JoinRole::Client]),
            proof: self.proof(),
            charter: CharterId {
                epoch: self.u64(),
                hash: self.u64(),
            },
            boot: self.boot(),
            era: Era(self.u32()),
            incarnation: Incarnation(self.u32()),
            log_seq: self.u64(),
        }
    }

    fn charter(&mut self) -> Charter {
        Charter {
            name: self.text(255),
            epoch: self.u64(),
            open: self.rng.chance(1, 2),
            size: self.u32(),
            members_max: self.u32(),
            parents: self.list(Self::group_id),
            tier: self.rng.array()[0],
            hops_max: self.rng.array()[0],
            reflectors: self.rng.array()[0],
            pinned: self.list(Self::node),
            council: self.list(Self::node),
        }
    }

    fn welcome(&mut self) -> Welcome {
        let charter = self.charter();
        Welcome {
            proof: self.proof(),
            charter: Arc::new(charter),
            boot: self.boot(),
            era: Era(self.u32()),
            incarnation: Incarnation(self.u32()),
            log_seq: self.u64(),
            known: self.maybe(|g| g.entry(false)),
            view: self.list(|g| g.entry(true)),
            entries: self.u32(),
        }
    }

    fn lookup(&mut self) -> Lookup {
        Lookup {
            id: self.u64(),
            target: self.node(),
            name: self.maybe(|g| Name(g.bytes(255))),
            group: self.group_id(),
            requester: self.node(),
            version_min: (self.boot(), self.u64()),
            hops: self.rng.array()[0],
            heading: self.heading(),
        }
    }

    fn holding(&mut self) -> SignedHolding {
        let holding = Holding {
            key: self.node(),
            requester: self.node(),
            holder: self.node(),
            boot: self.boot(),
            claim: NameClaim {
                local: crate::LocalId(self.u64()),
                priority: -7,
                moves: self.u32(),
                lamport: self.u64(),
                is_exported: true,
                metadata: self.bytes(NameClaim::METADATA_BYTES_MAX),
            },
            reflector: self.node(),
        };
        let signature = self.signature();
        SignedHolding { holding, signature }
    }

    fn heading(&mut self) -> Heading {
        let tier = self.rng.array()[0];
        self.pick(&[Heading::Sideways, Heading::Up(tier), Heading::Down(tier)])
    }

    fn reply(&mut self) -> LookupReply {
        let answer = match self.rng.below(7) {
            0 => LookupAnswer::Gone,
            1 => LookupAnswer::NotFound,
            2 => LookupAnswer::NoRoute,
            3 => LookupAnswer::Closed,
            4 => LookupAnswer::Overloaded,
            5 => LookupAnswer::Named {
                holding: Arc::new(self.holding()),
                record: Arc::new(self.record()),
                reflectors: self.list(|g| Arc::new(g.record())),
                introduction: Arc::new(self.introduction()),
            },
            _ => LookupAnswer::Found {
                record: Arc::new(self.record()),
                reflectors: self.list(|g| Arc::new(g.record())),
                introduction: Arc::new(self.introduction()),
            },
        };
        LookupReply {
            id: self.u64(),
            target: self.node(),
            answer,
        }
    }

    fn log_entry(&mut self) -> LogEntry {
        LogEntry {
            seq: self.u64(),
            key: self.bytes(LogEntry::KEY_BYTES_MAX),
            value: self.maybe(|g| g.bytes(LogEntry::VALUE_BYTES_MAX)),
        }
    }

    fn log_mark(&mut self) -> LogMark {
        LogMark {
            owner: self.node(),
            boot: self.boot(),
            era: Era(self.u32()),
            seq: self.u64(),
        }
    }

    fn outcome(&mut self) -> ProbeOutcome {
        let ago_ms = self.u32();
        self.pick(&[
            ProbeOutcome::Heard { ago_ms },
            ProbeOutcome::Closed,
            ProbeOutcome::Silent,
        ])
    }

    fn mark(&mut self) -> Mark {
        Mark {
            node: self.node(),
            version: self.u32(),
            is_out: self.rng.chance(1, 2),
            by: self.node(),
            left_s: self.u32(),
        }
    }

    fn deletion(&mut self) -> Deletion {
        Deletion {
            epoch: self.u64(),
            by: self.node(),
            proof: self.proof(),
            left_s: self.u32(),
        }
    }

    fn sealed_secret(&mut self) -> SealedSecret {
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&self.rng.array()[..24]);
        SealedSecret {
            nonce,
            sealed: self.bytes(64),
        }
    }

    fn invite(&mut self) -> Invite {
        let admission = [
            Admittance::Open,
            Admittance::Secret(self.sealed_secret()),
            Admittance::Ask,
        ];
        let pick = usize::from(self.rng.chance(2, 3)) + usize::from(self.rng.chance(1, 3));
        Invite {
            ticket: self.u64(),
            charter: self.charter(),
            closed: self.rng.chance(1, 2),
            addresses: self.list(|g| Address(g.text(Address::LEN_MAX))),
            admission: admission[pick].clone(),
        }
    }

    fn invite_reply(&mut self) -> InviteReply {
        let answer = match self.rng.below(4) {
            0 => InviteAnswer::Accepted,
            1 => InviteAnswer::Member,
            2 => InviteAnswer::Willing(Box::new(self.record())),
            _ => InviteAnswer::Declined(DeclineReason::Deleted { epoch: self.u64() }),
        };
        InviteReply {
            ticket: self.u64(),
            group: self.group_id(),
            answer,
        }
    }

    fn proof(&mut self) -> Proof {
        let tag = self.rng.array();
        self.pick(&[Proof::Open, Proof::Cookie(tag)])
    }

    fn maybe<T>(&mut self, make: fn(&mut Self) -> T) -> Option<T> {
        self.rng.chance(1, 2).then(|| make(self))
    }

    fn node(&mut self) -> NodeId {
        NodeId(self.rng.array())
    }

    fn group_id(&mut self) -> GroupId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.rng.array()[..16]);
        GroupId(id)
    }

    fn signature(&mut self) -> Signature {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.rng.array());
        bytes[32..].copy_from_slice(&self.rng.array());
        Signature(bytes)
    }

    fn boot(&mut self) -> Boot {
        Boot(self.u64())
    }

    fn u64(&mut self) -> u64 {
        let number = self.rng.u64();
        match number % 4 {
            0 => [0, 1, 127, 128, u64::from(u32::MAX), u64::MAX][(number / 4 % 6) as usize],
            1 => number >> (number / 4 % 64),
            _ => number,
        }
    }

    fn u32(&mut self) -> u32 {
        u32::try_from(self.u64()).unwrap_or(u32::MAX)
    }

    fn u16(&mut self) -> u16 {
        u16::try_from(self.u64()).unwrap_or(u16::MAX)
    }

    fn text(&mut self, len_max: usize) -> Arc<str> {
        let len = self.len(len_max.min(24));
        "/ip4/ä日 node-7"
            .chars()
            .cycle()
            .take(len / 3)
            .collect::<String>()
            .into()
    }

    fn bytes(&mut self, len_max: usize) -> Bytes {
        let len = self.len(len_max.min(40));
        std::iter::repeat_with(|| self.rng.array())
            .flatten()
            .take(len)
            .collect()
    }

    fn len(&mut self, max: usize) -> usize {
        usize::try_from(self.rng.below(max as u64 + 1)).unwrap()
    }
}
