//! What a group can and cannot be configured as.

use super::*;

fn config() -> GroupConfig {
    GroupConfig {
        realm: "realm".into(),
        name: "group".into(),
        cookies: Some(Cookies {
            current: b"secret".as_slice().into(),
            previous: None,
        }),
        seeds: Vec::new(),
        size: 0,
        members_max: 1_024,
        is_closed: false,
        timing: Arc::new(Timing::default()),
        place: Place::default(),
    }
}

fn cookies(current: &[u8], previous: Option<&[u8]>) -> Option<Cookies> {
    Some(Cookies {
        current: current.into(),
        previous: previous.map(Arc::from),
    })
}

#[test]
fn the_defaults_and_an_open_group_are_sound() {
    assert_eq!(config().check(), Ok(()));
    let open = GroupConfig {
        cookies: None,
        ..config()
    };
    assert_eq!(open.check(), Ok(()));
}

#[test]
fn a12_names_are_short_and_printable() {
    for name in ["", "a\nb", "a\u{7f}", &"x".repeat(256)] {
        let named = GroupConfig {
            name: name.into(),
            ..config()
        };
        let name = name.to_owned();
        assert_eq!(named.check(), Err(GroupConfigError::Name { name }));
        let realm = GroupConfig {
            realm: named.name,
            ..config()
        };
        assert!(matches!(realm.check(), Err(GroupConfigError::Realm { .. })));
    }
}

#[test]
fn an_empty_cookie_is_an_error_in_either_place() {
    for cookies in [cookies(b"", None), cookies(b"new", Some(b""))] {
        let empty = GroupConfig {
            cookies,
            ..config()
        };
        let name = "group".to_owned();
        assert_eq!(empty.check(), Err(GroupConfigError::EmptyCookie { name }));
    }
    let long = GroupConfig {
        cookies: cookies(&[1; COOKIE_BYTES_MAX + 1], None),
        ..config()
    };
    assert!(matches!(
        long.check(),
        Err(GroupConfigError::LongCookie { .. })
    ));
}

#[test]
fn sizes_do_not_contradict_each_other() {
    for (size, members_max) in [(0, 0), (11, 10), (0, 1_025), (u32::MAX, u32::MAX)] {
        let sized = GroupConfig {
            size,
            members_max,
            ..config()
        };
        assert!(
            matches!(sized.check(), Err(GroupConfigError::Members { .. })),
            "{size} of {members_max}"
        );
    }
}

#[test]
fn no_time_is_zero_and_no_range_is_upside_down() {
    let broken: [fn(&mut Timing); 5] = [
        |timing| timing.heartbeat_period = Duration::ZERO,
        |timing| timing.redial = (Duration::from_secs(2), Duration::from_secs(1)),
        |timing| timing.observers = 0,
        |timing| timing.log.window = 0,
        |timing| timing.log.repeat.0 = Duration::ZERO,
    ];
    for breaks in broken {
        let mut timing = Timing::default();
        breaks(&mut timing);
        let timed = GroupConfig {
            timing: Arc::new(timing),
            ..config()
        };
        assert!(matches!(
            timed.check(),
            Err(GroupConfigError::Timing { .. })
        ));
    }
}

#[test]
fn a_cookie_is_never_shown() {
    assert!(!format!("{:?}", config()).contains("secret"));
    assert!(!format!("{:?}", config()).contains("115, 101"));
}

fn parent(tier: u8) -> Arc<GroupConfig> {
    let mut parent = config();
    parent.name = "parent".into();
    parent.place.tier = tier;
    Arc::new(parent)
}

#[test]
fn a_parent_stands_above_its_child_at_every_step() {
    let mut child = config();
    child.place.tier = 1;
    child.place.parents = vec![parent(2)];
    assert_eq!(child.check(), Ok(()));
    for tier in [0, 1] {
        child.place.parents = vec![parent(tier)];
        assert!(matches!(child.check(), Err(GroupConfigError::Tier { .. })));
    }
    let mut above = (*parent(2)).clone();
    above.place.parents = vec![parent(2)];
    child.place.parents = vec![Arc::new(above)];
    assert!(matches!(child.check(), Err(GroupConfigError::Tier { .. })));
}

#[test]
fn parents_and_reflectors_are_limited() {
    let places: [fn(&mut Place); 4] = [
        |place| place.parents = vec![parent(2); 5],
        |place| place.reflectors = 0,
        |place| place.reflectors = 9,
        |place| place.pinned = vec![NodeId([0; 32]); 9],
    ];
    for change in places {
        let mut config = config();
        change(&mut config.place);
        assert!(matches!(
            config.check(),
            Err(GroupConfigError::Place { .. })
        ));
    }
}
