//! How the secrets of groups stood when they were kept: a window that closes while the node is down
//! is closed at its next start.
//!
//! The only place that asks the wall clock, since nothing else goes on while a process is down. A
//! clock that was put back makes no window longer than it was when it was kept, and one that was
//! put forward closes it early, to those only who have not heard of the change.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use archipelago_core::{GroupId, Time};
use archipelago_sgroup::{Cookies, GroupConfig, SecretState};
use serde::{Deserialize, Serialize};

use super::file::sum_of;

/// How the secret of one group stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptSecret {
    group: GroupId,
    /// SHA-256 of the cookies that it is said of: of others it says nothing.
    of: [u8; 32],
    serial: u64,
    closes: Option<Closing>,
}

/// When the previous cookie stops to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Closing {
    /// By the wall clock, in ms since 1970.
    at_unix_ms: u64,
    /// How long that was when it was kept.
    left_ms: u64,
}

impl KeptSecret {
    /// How the group's secret stands at a start at `now`, which is `wall` on the wall clock;
    /// `None`: this is said of another group, or of other cookies.
    pub(crate) fn state(
        &self,
        config: &GroupConfig,
        now: Time,
        wall: SystemTime,
    ) -> Option<(GroupId, SecretState)> {
        let cookies = config.cookies.as_ref()?;
        if (self.group, self.of) != (config.id(), sum_of(cookies)) {
            return None;
        }
        let left = |closing: Closing| {
            let left = closing.at_unix_ms.saturating_sub(unix_ms(wall));
            Duration::from_millis(left.min(closing.left_ms))
        };
        let state = SecretState {
            serial: self.serial,
            closes: self.closes.map(|closing| now.after(left(closing))),
        };
        Some((self.group, state))
    }
}

/// The windows that are open, each with its end as it was kept first: two looks at one window keep
/// the same.
#[derive(Debug, Default)]
pub(super) struct Windows(BTreeMap<GroupId, (Time, Closing)>);

impl Windows {
    /// What is to be kept of a group's secret, at `now` and `wall`; `None`: nothing that a
    /// configuration does not say.
    pub(super) fn keep(
        &mut self,
        group: GroupId,
        cookies: &Cookies,
        state: SecretState,
        (now, wall): (Time, SystemTime),
    ) -> Option<KeptSecret> {
        let closes = state
            .closes
            .map(|until| self.closing(group, until, (now, wall)));
        if closes.is_none() {
            self.0.remove(&group);
        }
        (state != SecretState::default()).then(|| KeptSecret {
            group,
            of: sum_of(cookies),
            serial: state.serial,
            closes,
        })
    }

    /// Of groups that the node is in no more nothing is remembered.
    pub(super) fn retain(&mut self, is_in: impl Fn(&GroupId) -> bool) {
        self.0.retain(|group, _| is_in(group));
    }

    fn closing(&mut self, group: GroupId, until: Time, (now, wall): (Time, SystemTime)) -> Closing {
        if let Some(&(known, closing)) = self.0.get(&group)
            && known == until
        {
            return closing;
        }
        let left_ms = u64::try_from(until.since(now).as_millis()).unwrap_or(u64::MAX);
        let closing = Closing {
            at_unix_ms: unix_ms(wall).saturating_add(left_ms),
            left_ms,
        };
        self.0.insert(group, (until, closing));
        closing
    }
}

fn unix_ms(wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Duration = Duration::from_secs(60);

    fn config() -> GroupConfig {
        let mut config =
            GroupConfig::commons("realm".into(), Vec::new(), std::sync::Arc::default());
        config.cookies = Some(Cookies {
            current: b"new".as_slice().into(),
            previous: Some(b"old".as_slice().into()),
        });
        config
    }

    /// Kept ten seconds after the start of its node, as the wall clock said `wall`.
    fn kept(wall: SystemTime) -> KeptSecret {
        let (config, now) = (config(), Time::from_micros(10_000_000));
        let state = SecretState {
            serial: 3,
            closes: Some(now.after(LEFT)),
        };
        let cookies = config.cookies.clone().unwrap();
        let mut windows = Windows::default();
        let kept = windows.keep(config.id(), &cookies, state, (now, wall));
        let later = (now.after(Duration::from_secs(1)), wall);
        let again = windows.keep(config.id(), &cookies, state, later);
        assert_eq!(kept, again, "one window, one end");
        kept.unwrap()
    }

    /// U2, A3: what is left of a window at the next start is what the wall clock left of it.
    #[test]
    fn u2_a_window_goes_on_while_its_node_is_down() {
        let wall = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (kept, config, now) = (kept(wall), config(), Time::START);
        let left = |wall| {
            let (id, state) = kept.state(&config, now, wall).unwrap();
            assert_eq!((id, state.serial), (config.id(), 3));
            state.closes.unwrap().since(now)
        };
        let seconds = Duration::from_secs;
        assert_eq!(left(wall), LEFT);
        assert_eq!(left(wall + seconds(20)), seconds(40));
        assert_eq!(left(wall + seconds(61)), Duration::ZERO);
        // A clock that was put back makes it no longer, one without a battery neither.
        assert_eq!(left(wall - seconds(500)), LEFT);
        assert_eq!(left(UNIX_EPOCH), LEFT);
    }

    #[test]
    fn nothing_is_said_of_other_cookies_or_groups() {
        let wall = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (kept, mut other) = (kept(wall), config());
        other.name = "other".into();
        assert_eq!(kept.state(&other, Time::START, wall), None);
        let mut changed = config();
        changed.cookies.as_mut().unwrap().previous = None;
        assert_eq!(kept.state(&changed, Time::START, wall), None);
        let cookies = changed.cookies.unwrap();
        let none = Windows::default().keep(
            kept.group,
            &cookies,
            SecretState::default(),
            (Time::START, wall),
        );
        assert_eq!(none, None);
    }
}
