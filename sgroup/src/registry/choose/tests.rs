//! Against a naive reference: who qualifies, and what each strategy promises of the order.

use std::collections::BTreeSet;

use archipelago_core::wire::{Finite, Offer};
use archipelago_core::{Boot, LocalId};
use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Strategy_;

use super::*;
use crate::registry::{Entry, RegistryChange};
use crate::testing::node;

const ME: u8 = 0;

/// What one node says in one group.
#[derive(Clone, Debug)]
struct Said {
    gpu: Option<i64>,
    zone: Option<&'static str>,
    load: Option<u32>,
    offers: bool,
    is_member: bool,
}

fn any_said() -> impl Strategy_<Value = Said> {
    let zone = prop::option::of(prop_oneof![Just("eu"), Just("us"), Just("ap")]);
    let gpu = prop::option::of(0_i64..3);
    let load = prop::option::of(0_u32..4);
    (gpu, zone, load, any::<bool>(), any::<bool>()).prop_map(
        |(gpu, zone, load, offers, is_member)| Said {
            gpu,
            zone,
            load,
            offers,
            is_member,
        },
    )
}

fn group(index: usize) -> GroupId {
    GroupId([index as u8; 16])
}

fn table(said: &[Said]) -> Table {
    let mut table = Table::default();
    let attribute = |key: &'static [u8], value| Entry::Property {
        key: Bytes::from_static(key),
        local: LocalId::default(),
        value: Some(value),
    };
    for (owner, said) in (0_u8..).zip(said) {
        let mut entries = vec![Entry::Load { load: said.load }];
        entries.extend(said.gpu.map(|gpu| attribute(b"gpu", Value::Int(gpu))));
        entries.extend(said.zone.map(|zone| attribute(b"zone", Value::from(zone))));
        if said.offers {
            entries.push(Entry::Service {
                service: Bytes::from_static(b"s"),
                local: LocalId(4),
                offer: Some(Offer::default()),
            });
        }
        table.apply(&RegistryChange {
            owner: node(owner),
            boot: Boot(1),
            entries,
        });
    }
    table
}

fn distance(id: NodeId) -> Distance {
    let number = id.0[0];
    Distance {
        round_trip: (number % 3 != 2).then(|| Duration::from_millis(u64::from(number))),
        hops: if number == ME { 0 } else { 1 + number % 2 },
    }
}

fn any_choice() -> impl Strategy_<Value = Choice> {
    let strategy = prop_oneof![
        Just(Strategy::Random),
        Just(Strategy::LeastLoaded),
        Just(Strategy::TwoChoices),
        Just(Strategy::LocalFirst),
        Just(Strategy::Spread(Bytes::from_static(b"zone"))),
    ];
    let service = |group| Scope::Service {
        group,
        service: Bytes::from_static(b"s"),
    };
    let scope = prop_oneof![
        Just(Scope::AllGroups),
        (0_usize..2).prop_map(|index| Scope::Group(group(index))),
        prop::option::of(0_usize..2).prop_map(move |index| service(index.map(group))),
    ];
    let reach = prop_oneof![
        Just(Reach::Anywhere),
        (0_u64..8).prop_map(|ms| Reach::RoundTrip(Duration::from_millis(ms))),
        (0_u8..3).prop_map(Reach::Hops),
    ];
    let text = prop_oneof![
        Just("true"),
        Just("gpu >= 1 && zone == \"eu\""),
        Just("gpu < 1.5 || zone != \"us\""),
        Just("!(zone == \"us\")"),
        Just("gpu"),
    ];
    let myself = prop_oneof![Just(Myself::Included), Just(Myself::Excluded)];
    let count = prop::option::of(0_usize..6);
    (strategy, scope, reach, text, myself, count).prop_map(
        |(strategy, scope, reach, text, myself, nodes_max)| Choice {
            predicate: text.parse().unwrap(),
            scope,
            reach,
            myself,
            nodes_max,
            strategy,
        },
    )
}

/// The reference: each condition by itself, as the text reads.
fn holds(predicate: &str, said: &Said) -> bool {
    match predicate {
        "true" => true,
        "gpu" => said.gpu.is_some(),
        "gpu >= 1 && zone == \"eu\"" => said.gpu >= Some(1) && said.zone == Some("eu"),
        "gpu < 1.5 || zone != \"us\"" => {
            said.gpu.is_some_and(|gpu| gpu <= 1) || said.zone.is_some_and(|zone| zone != "us")
        }
        _ => said.zone != Some("us"),
    }
}

const TEXTS: [&str; 5] = [
    "true",
    "gpu >= 1 && zone == \"eu\"",
    "gpu < 1.5 || zone != \"us\"",
    "!(zone == \"us\")",
    "gpu",
];

fn expected(choice: &Choice, worlds: &[Vec<Said>; 2]) -> BTreeSet<NodeId> {
    let text = TEXTS
        .iter()
        .find(|text| text.parse() == Ok(choice.predicate.clone()));
    let mut found = BTreeSet::new();
    for (index, said) in worlds.iter().enumerate() {
        let is_in_scope = match &choice.scope {
            Scope::AllGroups => true,
            Scope::Group(id) => *id == group(index),
            Scope::Service { group: id, .. } => id.is_none_or(|id| id == group(index)),
        };
        for (owner, said) in (0_u8..).zip(said) {
            let far = distance(node(owner));
            let is_near = match choice.reach {
                Reach::Anywhere => true,
                Reach::RoundTrip(max) => far.round_trip.is_some_and(|took| took <= max),
                Reach::Hops(max) => far.hops <= max,
            };
            let offers = !matches!(choice.scope, Scope::Service { .. }) || said.offers;
            let is_allowed = owner != ME || choice.myself == Myself::Included;
            let is_one = is_in_scope && said.is_member && is_near && offers && is_allowed;
            if is_one && holds(text.unwrap(), said) {
                found.insert(node(owner));
            }
        }
    }
    found
}

proptest! {
    /// D7: exactly the intersection, this node in or out as asked; and the order that was promised.
    #[test]
    fn d7_exactly_the_intersection_in_the_strategys_order(
        a in prop::collection::vec(any_said(), 8),
        b in prop::collection::vec(any_said(), 8),
        choice in any_choice(),
        seed in any::<u64>(),
    ) {
        let worlds = [a, b];
        let tables = worlds.each_ref().map(|said| table(said));
        let members = worlds.each_ref().map(|said| {
            let all = (0_u8..).zip(said).filter(|(_, said)| said.is_member);
            all.map(|(owner, _)| node(owner)).collect::<Vec<_>>()
        });
        let grounds: Vec<Ground<'_>> = (0..2)
            .map(|index| Ground { group: group(index), members: &members[index], table: &tables[index] })
            .collect();
        let chosen = choose(&choice, node(ME), &grounds, distance, &mut Rng::from_u64(seed));
        let all = expected(&choice, &worlds);
        let set: BTreeSet<NodeId> = chosen.iter().copied().collect();
        prop_assert_eq!(set.len(), chosen.len(), "nobody twice");
        prop_assert!(set.is_subset(&all));
        prop_assert_eq!(chosen.len(), all.len().min(choice.nodes_max.unwrap_or(usize::MAX)));

        let load = |id: &NodeId| {
            let said = (0..2).filter(|&index| {
                let one = Choice { nodes_max: None, ..choice.clone() };
                let ground = [grounds[index]];
                choose(&one, node(ME), &ground, distance, &mut Rng::from_u64(1)).contains(id)
            });
            said.map(|index| tables[index].load(*id).unwrap_or(0)).min().unwrap()
        };
        match &choice.strategy {
            Strategy::LeastLoaded => {
                let loads: Vec<u32> = chosen.iter().map(load).collect();
                let mut best: Vec<u32> = all.iter().map(load).collect();
                best.sort_unstable();
                prop_assert_eq!(&loads[..], &best[..loads.len()]);
            }
            Strategy::LocalFirst => {
                let key = |id: &NodeId| (distance(*id).hops > 0, distance(*id).round_trip.unwrap_or(Duration::MAX));
                prop_assert!(chosen.is_sorted_by_key(key));
                let left = all.difference(&set).map(key).min();
                prop_assert!(left.is_none_or(|left| chosen.iter().all(|id| key(id) <= left)));
            }
            _ => {}
        }
    }

    /// What was written is read back, whatever the tree.
    #[test]
    fn a_predicate_is_read_as_it_was_written(predicate in any_predicate()) {
        let text = predicate.to_string();
        let read: Predicate = text.parse().unwrap();
        for gpu in [None, Some(Value::Int(1)), Some(Value::from("eu"))] {
            let look = |key: &[u8]| if key == b"gpu" { gpu.as_ref() } else { None };
            prop_assert_eq!(read.holds(&look), predicate.holds(&look));
        }
    }

    #[test]
    fn a6_any_text_is_a_predicate_or_an_error_inside_it(text in "[a-c!&|()=<> \"`0-9.\\\\é-]{0,40}") {
        if let Err(error) = text.parse::<Predicate>() {
            prop_assert!(error.position <= text.len());
            prop_assert!(text.is_char_boundary(error.position));
        }
    }
}

fn any_predicate() -> impl Strategy_<Value = Predicate> {
    let relation = prop_oneof![
        Just(Relation::Equal),
        Just(Relation::NotEqual),
        Just(Relation::Less),
        Just(Relation::AtMost),
        Just(Relation::Greater),
        Just(Relation::AtLeast),
    ];
    let value = prop_oneof![
        Just(Value::from(true)),
        any::<i64>().prop_map(Value::Int),
        Just(Value::Float(Finite::new(1.5).unwrap())),
        Just(Value::from("e\"u\\")),
    ];
    let name = prop_oneof![Just("gpu"), Just("zone"), Just("a-b.c")];
    let leaf = prop_oneof![
        Just(Predicate::Any),
        name.clone()
            .prop_map(|name| Predicate::Has(Bytes::from_static(name.as_bytes()))),
        (name, relation, value)
            .prop_map(|(name, relation, value)| Predicate::compare(name, relation, value)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|inner| Predicate::Not(Box::new(inner))),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Predicate::All),
            prop::collection::vec(inner, 0..4).prop_map(Predicate::Either),
        ]
    })
}

/// Spread: of 2, 3 and 5 nodes of three zones, six are two of each.
#[test]
fn u17_spread_takes_as_evenly_as_can_be() {
    let said = |zone| Said {
        gpu: None,
        zone,
        load: None,
        offers: false,
        is_member: true,
    };
    let zones = [("eu", 2), ("us", 3), ("ap", 5)];
    let all: Vec<Said> = zones
        .iter()
        .flat_map(|&(zone, count)| vec![said(Some(zone)); count])
        .collect();
    let table = table(&all);
    let members: Vec<NodeId> = (0..10).map(node).collect();
    let ground = Ground {
        group: group(0),
        members: &members,
        table: &table,
    };
    for (nodes_max, counts) in [
        (3, [1, 1, 1]),
        (6, [2, 2, 2]),
        (8, [2, 3, 3]),
        (10, [2, 3, 5]),
    ] {
        let choice = Choice {
            nodes_max: Some(nodes_max),
            strategy: Strategy::Spread(Bytes::from_static(b"zone")),
            ..Choice::default()
        };
        let chosen = choose(
            &choice,
            node(ME),
            &[ground],
            distance,
            &mut Rng::from_u64(3),
        );
        let found = zones.map(|(zone, _)| {
            let zone = Value::from(zone);
            let is_of = |id: &&NodeId| table.attribute(**id, b"zone") == Some(&zone);
            chosen.iter().filter(is_of).count()
        });
        assert_eq!(found, counts);
    }
}

/// U17: the less busy of two is taken far more often, and the busiest never while there is a choice.
#[test]
fn u17_two_choices_avoid_the_busiest() {
    let all: Vec<Said> = (0..4)
        .map(|load| Said {
            gpu: None,
            zone: None,
            load: Some(load),
            offers: false,
            is_member: true,
        })
        .collect();
    let table = table(&all);
    let members: Vec<NodeId> = (0..4).map(node).collect();
    let ground = Ground {
        group: group(0),
        members: &members,
        table: &table,
    };
    let choice = Choice {
        nodes_max: Some(1),
        strategy: Strategy::TwoChoices,
        ..Choice::default()
    };
    let mut times = [0; 4];
    let mut rng = Rng::from_u64(5);
    for _ in 0..600 {
        let chosen = choose(&choice, node(ME), &[ground], distance, &mut rng);
        times[usize::from(chosen[0].0[0])] += 1;
    }
    // Of six pairs each node is the best one in 3, 2, 1 and 0.
    assert_eq!(times[3], 0);
    assert!(
        times[0] > times[1] && times[1] > times[2] && times[2] > 50,
        "{times:?}"
    );
}

#[test]
fn a_faulty_predicate_is_told_where() {
    use PredicateFault as F;
    for (text, position, fault) in [
        ("", 0, F::Term),
        ("gpu >=", 6, F::Literal),
        ("gpu = 1", 4, F::Sign),
        ("gpu >= 1 zone", 9, F::Joint),
        ("gpu >= 1 & zone", 9, F::Sign),
        ("(gpu", 4, F::Parenthesis),
        ("gpu == \"eu", 7, F::Quoted),
        ("gpu == 99999999999999999999", 7, F::Number),
        ("gpu == 1e999", 7, F::Number),
        ("gpu == nan", 7, F::Literal),
        ("gpu == \"\u{202e}\"", 7, F::Quoted),
        ("``", 2, F::Quoted),
        ("é", 0, F::Term),
    ] {
        let error = PredicateError { position, fault };
        assert_eq!(text.parse::<Predicate>(), Err(error), "{text}");
    }
    let deep = format!("{}a", "!".repeat(PREDICATE_DEPTH_MAX + 1));
    let error = deep.parse::<Predicate>().unwrap_err();
    assert_eq!(
        (error.position, error.fault),
        (PREDICATE_DEPTH_MAX, F::TooDeep)
    );
    let fine = format!("{}a", "!".repeat(PREDICATE_DEPTH_MAX));
    assert!(fine.parse::<Predicate>().is_ok());
    let wide = vec!["a"; PREDICATE_TERMS_MAX + 1].join("||");
    assert_eq!(
        wide.parse::<Predicate>().unwrap_err().fault,
        F::TooManyTerms
    );
    let long = "a".repeat(PREDICATE_BYTES_MAX + 1);
    assert_eq!(long.parse::<Predicate>().unwrap_err().fault, F::TooLong);
    let told = "gpu = 1".parse::<Predicate>().unwrap_err().to_string();
    assert!(told.starts_with("at byte 4: no such sign"), "{told}");
}

/// A missing attribute, or one of another kind, satisfies no comparison.
#[test]
fn what_cannot_be_compared_holds_for_no_relation() {
    let look = |key: &[u8]| (key == b"zone").then_some(&Value::Bool(true));
    for text in [
        "gpu == 1",
        "gpu != 1",
        "zone == 1",
        "zone != 1",
        "zone < 1",
        "gpu",
    ] {
        assert!(!text.parse::<Predicate>().unwrap().holds(&look), "{text}");
        let not = format!("!({text})");
        assert!(not.parse::<Predicate>().unwrap().holds(&look), "{not}");
    }
    assert!("zone".parse::<Predicate>().unwrap().holds(&look));
}
