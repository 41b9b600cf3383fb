//! Where is a node: by what is known already, and by a question to a reflector and its answer.
//!
//! Signatures are the simulator's tags: what real ones cost comes on top, once for each answer.

use std::sync::Arc;

use archipelago_core::wire::{
    Introduction, List, LookupAnswer, LookupReply, RouteBody, SessionId, SignedIntroduction,
};
use archipelago_core::{
    Boot, Context, GroupId, NodeId, NodeRecord, Peer, Peers, Rng, Roles, SealingKey, SignedRecord,
    Time, ToyCrypto,
};
use archipelago_router::lookup::{LookupConfig, LookupOutput, LookupOutputs, Lookups};
use archipelago_router::{Membership, Routes, Standing};

use crate::{HotPath, Operation};

pub(super) const WARM: HotPath = path("lookup-warm", warm);
pub(super) const COLD: HotPath = path("lookup-cold", cold);

const fn path(name: &'static str, make: fn() -> Operation) -> HotPath {
    HotPath {
        name,
        per: 1,
        unit: "look-up",
        make,
    }
}

/// One reflector leads everywhere.
struct Map(Peer);

impl Routes for Map {
    fn standing(&self, _: GroupId) -> Option<Standing> {
        None
    }

    fn membership(&self, _: GroupId, _: &NodeId, _: &Peers) -> Membership {
        Membership::Unknown
    }

    fn common_groups(&self, _: Peer) -> Vec<GroupId> {
        Vec::new()
    }

    fn members(&self, _: GroupId) -> Vec<Peer> {
        vec![self.0]
    }

    fn reflectors(&self, _: GroupId, _: &Peers) -> Vec<Peer> {
        vec![self.0]
    }

    fn next_hops(&self, _: GroupId, _: &Peers) -> Vec<Peer> {
        vec![self.0]
    }

    fn reflects(&self) -> bool {
        false
    }

    fn is_reflector(&self, peer: Peer) -> bool {
        peer == self.0
    }
}

/// A member that asks, and what its reflector answers.
struct Asker {
    crypto: ToyCrypto,
    rng: Rng,
    peers: Peers,
    map: Map,
    lookups: Lookups,
    answer: LookupAnswer,
    out: LookupOutputs,
}

impl Asker {
    fn new() -> Self {
        let mut peers = Peers::new(16);
        let reflector = ToyCrypto::new(2);
        let peer = peers.intern(reflector.id()).expect("it is the first");
        if let Some(state) = peers.get_mut(peer) {
            state.session = Some(SessionId {
                slot: 1,
                generation: 0,
            });
        }
        let introduction = Introduction {
            requester: ToyCrypto::new(1).id(),
            target: target(),
            target_boot: Boot(1),
            group: home(),
            reflector: reflector.id(),
            life_s: 300,
        };
        Self {
            crypto: ToyCrypto::new(1),
            rng: Rng::from_u64(1),
            peers,
            map: Map(peer),
            lookups: Lookups::new(Arc::new(LookupConfig::default()), record(1)),
            answer: LookupAnswer::Found {
                record: record(3),
                reflectors: List::truncated([record(2)]),
                introduction: Arc::new(SignedIntroduction::new(introduction, &reflector)),
            },
            out: Vec::new(),
        }
    }

    /// Whether it was found at once, or a question went out.
    fn locate(&mut self) -> LookupOutput {
        let cx = &mut Context {
            now: Time::from_micros(1_000),
            me: self.crypto.id(),
            rng: &mut self.rng,
            crypto: &self.crypto,
            peers: &mut self.peers,
        };
        let (map, out) = (&self.map, &mut self.out);
        self.lookups
            .handle_locate(target(), home(), (Boot(0), 0), map, cx, out);
        out.pop().expect("it says one thing")
    }

    fn hear(&mut self, id: u64) -> LookupOutput {
        let reply = LookupReply {
            id,
            target: target(),
            answer: self.answer.clone(),
        };
        let cx = &mut Context {
            now: Time::from_micros(1_000),
            me: self.crypto.id(),
            rng: &mut self.rng,
            crypto: &self.crypto,
            peers: &mut self.peers,
        };
        let (map, out) = (&self.map, &mut self.out);
        self.lookups.handle_reply(self.map.0, reply, map, cx, out);
        out.pop().expect("it says one thing")
    }

    fn ask(&mut self) {
        let LookupOutput::Send {
            body: RouteBody::Lookup(question),
            ..
        } = self.locate()
        else {
            panic!("nothing was known, so it asks");
        };
        let found = self.hear(question.id);
        assert!(matches!(found, LookupOutput::Found(_)));
    }
}

fn warm() -> Operation {
    let mut asker = Asker::new();
    asker.ask();
    Box::new(move || assert!(matches!(asker.locate(), LookupOutput::Found(_))))
}

fn cold() -> Operation {
    let mut asker = Asker::new();
    Box::new(move || {
        asker.ask();
        asker.lookups.handle_purge(&target());
    })
}

fn home() -> GroupId {
    GroupId::new("realm", "home")
}

fn target() -> NodeId {
    ToyCrypto::new(3).id()
}

fn record(number: u64) -> Arc<SignedRecord> {
    let crypto = ToyCrypto::new(number);
    let record = NodeRecord {
        node: crypto.id(),
        boot: Boot(1),
        seq: 1,
        name: "node".into(),
        groups: List::truncated([home()]),
        addresses: List::truncated(["/ip4/127.0.0.1/tcp/4001".into()]),
        roles: Roles::REFLECTOR,
        sealing_key: SealingKey([5; 32]),
        wire: (1, 1),
        life_s: 86_400,
    };
    let signed = SignedRecord::new(record, &crypto);
    Arc::new(signed.expect("its texts are short"))
}
