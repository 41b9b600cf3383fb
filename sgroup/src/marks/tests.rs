use super::*;
use proptest::prelude::*;

const LIFE: Duration = Duration::from_secs(100);

fn node(number: u8) -> NodeId {
    NodeId([number; 32])
}

fn mark(node_number: u8, version: u32, is_out: bool) -> Mark {
    Mark {
        node: node(node_number),
        version,
        is_out,
        by: node(9),
        left_s: 50,
    }
}

fn any_mark() -> impl Strategy<Value = Mark> {
    (0u8..3, 1u32..4, any::<bool>()).prop_map(|(node, version, is_out)| mark(node, version, is_out))
}

proptest! {
    /// D5: whatever both sides of a split said, and in whichever order it is heard, all agree.
    #[test]
    fn d5_marks_merge_in_any_order(marks in proptest::collection::vec(any_mark(), 0..12)) {
        let (mut here, mut there) = (Marks::default(), Marks::default());
        for mark in &marks {
            here.merge(mark, LIFE, Time::START);
        }
        for mark in marks.iter().rev() {
            there.merge(mark, LIFE, Time::START);
            there.merge(mark, LIFE, Time::START);
        }
        prop_assert_eq!(here.hash(), there.hash());
        prop_assert_eq!(here.page(Time::START), there.page(Time::START));
    }
}

#[test]
fn e5_who_is_put_out_stays_out_until_it_is_added_anew() {
    let mut marks = Marks::default();
    assert_eq!((marks.hash(), marks.page(Time::START)), (0, None));
    let until = Time::START.after(LIFE);
    marks.put(node(1), true, node(2), until).unwrap();
    assert_eq!(marks.out_by(&node(1)), Some(node(2)));
    assert!(!marks.merge(&mark(1, 1, false), LIFE, Time::START));
    assert_eq!(marks.out_by(&node(1)), Some(node(2)));
    assert!(marks.merge(&mark(1, 2, false), LIFE, Time::START));
    assert_eq!(marks.out_by(&node(1)), None);
}

#[test]
fn a_mark_that_is_handed_round_runs_out_at_all_members() {
    let (mut first, mut second) = (Marks::default(), Marks::default());
    first
        .put(node(1), true, node(2), Time::START.after(LIFE))
        .unwrap();
    let late = Time::START.after(Duration::from_secs(60));
    for mark in first.page(late).unwrap().iter() {
        assert!(second.merge(mark, LIFE, late));
    }
    let end = Time::START.after(LIFE);
    assert!(first.expire(end) && second.expire(end));
    assert_eq!((first.hash(), second.hash()), (0, 0));
}

#[test]
fn a7_marks_are_bounded_and_those_let_in_again_make_room() {
    let mut marks = Marks::default();
    let until = Time::START.after(LIFE);
    let of = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        NodeId(id)
    };
    for number in 0..Mark::COUNT_MAX {
        marks.put(of(number), true, node(9), until).unwrap();
    }
    assert_eq!(marks.put(of(900), true, node(9), until), Err(Full));
    marks.put(of(7), false, node(9), until).unwrap();
    assert_eq!(marks.put(of(900), true, node(9), until), Ok(()));
}
