//! One client, one call, the entire list of outputs.

use archipelago_core::wire::{Charter, Entry, Life, List, Proof, RefuseReason};
use archipelago_core::{Address, Boot, NodeId};

use super::*;
use crate::group::charter_of;
use crate::testing::{TestNode, node};
use crate::{By, GroupEvent as Event, GroupOutput as Out, Place, Seed, Timing};

const ME: u8 = 9;

fn config(seeds: &[u8]) -> Arc<GroupConfig> {
    let seed = |number: &u8| Seed {
        address: Address::from(format!("/memory/{number}").as_str()),
        node: None,
    };
    Arc::new(GroupConfig {
        realm: "realm".into(),
        name: "group".into(),
        cookies: Some(Cookies {
            current: b"secret".as_slice().into(),
            previous: None,
        }),
        seeds: seeds.iter().map(seed).collect(),
        size: 0,
        members_max: 16,
        is_closed: false,
        timing: Arc::new(Timing::default()),
        place: Place::default(),
    })
}

struct Fixture {
    client: Client,
    me: TestNode,
}

impl Fixture {
    /// A client that has dialled its one seed.
    fn dialling() -> Self {
        let mut fixture = Self {
            client: Client::new(config(&[1])),
            me: TestNode::new(ME),
        };
        let target = DialTarget::Seed(0);
        assert_eq!(fixture.due(), [Out::Dial { target }]);
        fixture
    }

    fn due(&mut self) -> GroupOutputs {
        let mut out = GroupOutputs::new();
        self.client.handle_timeout(&mut self.me.cx(), &mut out);
        out
    }

    fn ready(&mut self, number: u8, target: DialTarget) -> GroupOutputs {
        let (peer, mut out) = (self.me.peer(number), GroupOutputs::new());
        let mut cx = self.me.cx();
        self.client
            .handle_session_ready(peer, Some(target), &mut cx, &mut out);
        out
    }

    fn hear(&mut self, number: u8, body: GroupBody) -> GroupOutputs {
        let mut out = GroupOutputs::new();
        let from = Origin {
            peer: self.me.peer(number),
            transcript: [0; 16],
            by: By::Session,
        };
        let mut cx = self.me.cx();
        self.client.handle_message(from, body, &mut cx, &mut out);
        out
    }

    /// A member welcomes it by the group's cookie, and names these members.
    fn welcome(&mut self, number: u8, cookie: &str, members: &[u8]) -> GroupOutputs {
        let mut config = (*config(&[1])).clone();
        config.cookies = Some(Cookies {
            current: cookie.as_bytes().into(),
            previous: None,
        });
        let admission = Admission::new(config.id(), config.cookies.clone());
        let encounter = Encounter {
            transcript: [0; 16],
            prover: node(number),
            verifier: node(ME),
            role: ProofRole::Welcome,
        };
        let proof = admission.prove(&encounter, self.me.cx().crypto);
        let welcome = welcome(proof, charter_of(&config), members);
        self.hear(number, GroupBody::Welcome(Box::new(welcome)))
    }
}

fn welcome(proof: Proof, charter: Charter, members: &[u8]) -> Welcome {
    let entry = |&number: &u8| Entry {
        node: NodeId([number; 32]),
        boot: Boot(1),
        era: Era(0),
        incarnation: Incarnation(0),
        life: Life::Alive,
        record: None,
    };
    Welcome {
        proof,
        charter: Arc::new(charter),
        boot: Boot(1),
        era: Era(0),
        incarnation: Incarnation(0),
        log_seq: 0,
        known: None,
        view: List::truncated(members.iter().map(entry)),
        entries: 0,
    }
}

/// G9: a seed is asked in the role of a client, and the two members that are drawn serve from then
/// on; a third one is let go.
#[test]
fn g9_a_client_is_served_by_the_two_members_that_are_drawn_for_it() {
    let mut fixture = Fixture::dialling();
    let seed = fixture.me.peer(1);
    let out = fixture.ready(1, DialTarget::Seed(0));
    assert!(matches!(
        &out[..],
        [Out::Send { to, body: GroupBody::Join(join) }]
            if *to == seed && join.role == JoinRole::Client
    ));
    let out = fixture.welcome(1, "secret", &[2, 3, 4]);
    let to = node(1);
    assert_eq!(
        out[..2],
        [
            Out::Admitted { peer: seed },
            Out::Event(Event::Attached { to })
        ]
    );
    // The two that are drawn are those that every client with this name would be given.
    let mut drawn: Vec<Peer> = (1..5).map(|number| fixture.me.peer(number)).collect();
    drawn.sort_by_key(|&peer| std::cmp::Reverse(seek::draw(peer, &fixture.me.cx())));
    assert_eq!(fixture.client.members, drawn);
    for _ in 0..4 {
        for number in 1..5 {
            let peer = fixture.me.peer(number);
            let _asked = fixture.ready(number, DialTarget::Peer(peer));
            let _welcomed = fixture.welcome(number, "secret", &[1, 2, 3, 4]);
        }
    }
    let mut hosts: Vec<Peer> = fixture.client.hosts().collect();
    hosts.sort_by_key(|&peer| std::cmp::Reverse(seek::draw(peer, &fixture.me.cx())));
    assert_eq!(hosts, drawn[..HOSTS]);
}

/// A10: who welcomes without the cookie serves nothing, and is told of as what it is.
#[test]
fn a10_a_member_that_does_not_know_the_cookie_is_not_believed() {
    let mut fixture = Fixture::dialling();
    fixture.ready(1, DialTarget::Seed(0));
    let out = fixture.welcome(1, "guess", &[2, 3]);
    let refused = Event::Refused(RefuseReason::NotAdmitted);
    assert_eq!(out, [Out::Event(refused)]);
    assert_eq!(fixture.client.hosts().count(), 0);
    // What nobody asked for is not read at all.
    assert_eq!(fixture.welcome(4, "secret", &[2, 3]), []);
}

/// G9: a host that does not answer its client in time serves no more, and another one is dialled.
#[test]
fn g9_a_silent_host_is_replaced() {
    let mut fixture = Fixture::dialling();
    fixture.ready(1, DialTarget::Seed(0));
    fixture.welcome(1, "secret", &[]);
    let host = fixture.me.peer(1);
    assert_eq!(fixture.client.hosts().collect::<Vec<_>>(), [host]);
    fixture.me.now = fixture.me.now.after(RENEWAL * 2);
    let asked = fixture.due();
    assert!(matches!(&asked[..], [Out::Send { to, .. }] if *to == host));
    fixture.me.now = fixture.me.now.after(ANSWER);
    let from = node(1);
    assert_eq!(
        fixture.due(),
        [
            Out::Event(Event::Detached { from }),
            Out::Released { peer: host },
            Out::Dial {
                target: DialTarget::Seed(0)
            },
        ]
    );
}
