//! Who is told what: clients beyond the limit, and members that go on after they were put out.

use super::*;
use crate::group::clients::Clients;

/// G9: what clients cost a member is bounded: one beyond the limit is refused by name, and the group
/// is as it was.
#[test]
fn g9_a_client_beyond_the_limit_is_refused() {
    let mut fixture = Fixture::with_members(&[1]);
    fixture.group.clients = Some(Box::new(Clients::full()));
    let before = fixture.group.clients().count();
    let out = fixture.join(7, JoinRole::Client, "secret");
    let (to, body) = (fixture.peer(7), GroupBody::Refused(RefuseReason::GroupFull));
    assert_eq!(out, [Out::Send { to, body }]);
    assert_eq!(fixture.group.clients().count(), before);
    assert!(!fixture.group.holds(to) && !fixture.group.serves(to));
}

/// G9: a client's proof lets nobody into the view, and a member's makes no client.
#[test]
fn g9_a_client_is_in_no_view() {
    let mut fixture = Fixture::with_members(&[1]);
    let out = fixture.join(7, JoinRole::Client, "secret");
    let peer = fixture.peer(7);
    // Its log tells the members with what else it has to say.
    let [welcome, serves, admitted] = &out[..] else {
        panic!("{out:?}");
    };
    let body = |output: &Out| match output {
        Out::Send { to, body } => Some((*to, body.clone())),
        _ => None,
    };
    assert!(matches!(body(welcome), Some((to, GroupBody::Welcome(_))) if to == peer));
    let is_served = true;
    assert_eq!(*serves, Out::Serves { peer, is_served });
    assert_eq!(*admitted, Out::Admitted { peer });
    assert_eq!(fixture.lives(), [(1, Life::Alive), (ME, Life::Alive)]);
    assert!(fixture.group.serves(peer) && !fixture.group.holds(peer));
}

/// D5: who was put out and goes on as a member is told so; who was let in again meanwhile is told
/// that its era is over.
#[test]
fn d5_who_goes_on_after_it_was_put_out_is_told() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let to = fixture.peer(1);
    let beat = || GroupBody::Heartbeat {
        incarnation: Incarnation(0),
        view_hash: 0,
        log_hash: 0,
    };
    fixture.call(|group, cx, out| {
        assert_eq!(group.handle_remove(node(1), cx, out), Ok(true));
    });
    let out = fixture.hear(1, beat());
    let [
        Out::Send {
            body: GroupBody::Marks(shown),
            ..
        },
        refused,
    ] = &out[..]
    else {
        panic!("{out:?}");
    };
    let shown: Vec<_> = shown.iter().map(|mark| (mark.node, mark.is_out)).collect();
    assert_eq!(shown, [(node(1), true)]);
    let body = GroupBody::Refused(RefuseReason::Removed);
    assert_eq!(*refused, Out::Send { to, body });
    fixture.call(|group, cx, out| group.handle_readmit(node(1), cx, out));
    let body = view(vec![entry(1, Life::Left, false)]);
    assert_eq!(fixture.hear(1, beat()), [Out::Send { to, body }]);
}

/// D5: a member that has another one, present here and let in again, for gone: that one hears of it,
/// and this node puts nobody out.
#[test]
fn d5_who_is_gone_to_another_member_hears_of_it() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let to = fixture.peer(1);
    let mark = archipelago_core::wire::Mark {
        node: node(1),
        version: 2,
        is_out: false,
        by: node(2),
        left_s: 60,
    };
    fixture.hear(2, GroupBody::Marks(Arc::new(List::truncated([mark]))));
    let gone = || view(vec![entry(1, Life::Left, false)]);
    let out = fixture.hear(2, gone());
    assert!(out.contains(&Out::Send { to, body: gone() }), "{out:?}");
    assert!(fixture.group.holds(to));
}

/// D5: who hears that its era is over begins another one, and proves itself anew to whoever says so.
#[test]
fn d5_who_is_gone_returns_and_proves_itself_anew() {
    let mut fixture = Fixture::with_members(&[1, 2]);
    let to = fixture.peer(1);
    let mut gone = entry(ME, Life::Left, false);
    gone.era = Era(0);
    let out = fixture.hear(1, view(vec![gone]));
    assert!(
        out.contains(&Out::Event(Event::Returned(Era(1)))),
        "{out:?}"
    );
    let is_join = |output: &Out| {
        let Out::Send { to: whom, body } = output else {
            return false;
        };
        *whom == to && matches!(body, GroupBody::Join(join) if join.era == Era(1))
    };
    assert!(out.iter().any(is_join), "{out:?}");
}
