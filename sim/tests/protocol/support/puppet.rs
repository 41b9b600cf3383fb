//! A node that speaks the protocol word by word, as the test tells it: an attacker with a key.

use std::sync::Arc;

use archipelago_core::wire::{
    CharterId, Control, GroupBody, Hello, Join, JoinRole, List, Nonce, Proof, RefuseReason,
    SessionId, WIRE_MAX, WIRE_MIN,
};
use archipelago_core::{Boot, Era, GroupId, Incarnation, NodeId, NodeRecord, Roles, SignedRecord};
use archipelago_sgroup::admission::{Admission, Encounter, ProofRole};
use archipelago_sim::topology::{REALM, cookies};
use archipelago_sim::{NodeIx, World};
use sha2::{Digest, Sha256};

use super::ms;

/// A puppet with one session to a victim.
pub struct Puppet {
    pub ix: NodeIx,
    pub session: SessionId,
    pub victim: NodeId,
    nonce: Nonce,
}

impl Puppet {
    /// Dials the victim and exchanges Hellos.
    pub fn connect(world: &mut World, ix: NodeIx, victim: NodeIx) -> Self {
        let session = world.puppet_dial(ix, victim);
        world.run_for(ms(20));
        Self::greet(world, ix, session, world.id(victim))
    }

    /// Says Hello on a session that is open.
    pub fn greet(world: &mut World, ix: NodeIx, session: SessionId, victim: NodeId) -> Self {
        let mut nonce = Nonce::default();
        for chunk in nonce.0.chunks_exact_mut(8) {
            chunk.copy_from_slice(&world.random().u64().to_le_bytes());
        }
        let puppet = Self {
            ix,
            session,
            victim,
            nonce,
        };
        let hello = puppet.hello(world);
        puppet.say(world, hello);
        world.run_for(ms(20));
        puppet
    }

    pub fn say(&self, world: &mut World, message: Control) {
        world.puppet_say(self.ix, self.session, message);
    }

    /// Everything heard on this session.
    pub fn heard(&self, world: &World) -> Vec<Control> {
        let heard = world.puppet_heard(self.ix).iter();
        heard
            .filter(|(session, ..)| *session == self.session)
            .map(|(.., message)| message.clone())
            .collect()
    }

    /// Everything of a group heard on this session.
    pub fn heard_of(&self, world: &World, group: GroupId) -> Vec<GroupBody> {
        let heard = self.heard(world).into_iter();
        heard
            .filter_map(|message| match message {
                Control::Group(id, body) if id == group => Some(body),
                _ => None,
            })
            .collect()
    }

    /// Asks to be admitted with a proof.
    pub fn join(&self, world: &mut World, group: GroupId, proof: Proof) {
        let join = Join {
            role: JoinRole::Joiner,
            proof,
            charter: CharterId::default(),
            boot: Boot(1),
            era: Era(0),
            incarnation: Incarnation(0),
            log_seq: 0,
        };
        let body = GroupBody::Join(Box::new(join));
        self.say(world, Control::Group(group, body));
        world.run_for(ms(20));
    }

    /// A right proof of knowing `secret`, in this session.
    pub fn proof(&self, world: &World, group: GroupId, secret: &str, role: ProofRole) -> Proof {
        let encounter = Encounter {
            transcript: self.transcript(world),
            prover: world.id(self.ix),
            verifier: self.victim,
            role,
        };
        let admission = Admission::new(group, Some(cookies(secret)));
        admission.prove(&encounter, world.crypto(self.ix))
    }

    /// What the victim answered to a Join, if that was a refusal.
    pub fn refusal(&self, world: &World, group: GroupId) -> Option<RefuseReason> {
        let mut heard = self.heard_of(world, group).into_iter().rev();
        heard.find_map(|body| match body {
            GroupBody::Refused(reason) => Some(reason),
            _ => None,
        })
    }

    fn hello(&self, world: &World) -> Control {
        let crypto = world.crypto(self.ix);
        let record = NodeRecord {
            node: world.id(self.ix),
            boot: Boot(1),
            seq: 1,
            name: "puppet".into(),
            groups: List::new(),
            addresses: List::truncated([world.address(self.ix)]),
            roles: Roles::default(),
            sealing_key: crypto.sealing_key(),
            wire: (WIRE_MIN, WIRE_MAX),
            life_s: 86_400,
        };
        let record = SignedRecord::new(record, crypto).expect("a record within its limits");
        Control::Hello(Box::new(Hello {
            wire: (WIRE_MIN, WIRE_MAX),
            realm: REALM.into(),
            boot: Boot(1),
            nonce: self.nonce,
            record: Arc::new(record),
        }))
    }

    /// Of both Hellos on this session.
    fn transcript(&self, world: &World) -> [u8; 16] {
        let me = world.id(self.ix);
        let theirs = self
            .heard(world)
            .into_iter()
            .find_map(|message| match message {
                Control::Hello(hello) => Some(hello.nonce),
                _ => None,
            });
        let theirs = theirs.expect("the victim said Hello");
        let (low, high) = ((me, self.nonce), (self.victim, theirs));
        let (low, high) = if me < self.victim {
            (low, high)
        } else {
            (high, low)
        };
        let mut hash = Sha256::new();
        hash.update(b"archipelago/transcript/1");
        hash.update(low.0.0);
        hash.update(high.0.0);
        hash.update(low.1.0);
        hash.update(high.1.0);
        hash.update(WIRE_MAX.to_le_bytes());
        let mut transcript = [0; 16];
        transcript.copy_from_slice(&hash.finalize()[..16]);
        transcript
    }
}
