//! A zenoh peer over TCP: told of one other, it hears of the rest by gossip and connects to all.
//! Multicast is off; all else is as it comes. The name is a liveliness token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zenoh::liveliness::LivelinessToken;
use zenoh::pubsub::Subscriber;
use zenoh::{Config, Session};

use super::{Member, NAME};
use crate::Failure;
use crate::nodes::plan::Plan;

pub(super) struct Zenoh {
    config: Config,
    session: Option<Session>,
    token: Option<LivelinessToken>,
    seeking: Option<Subscriber<()>>,
    found: Arc<AtomicBool>,
}

impl Zenoh {
    fn session(&self) -> Result<&Session, Failure> {
        self.session.as_ref().ok_or_else(|| "not open".into())
    }
}

impl Member for Zenoh {
    /// The first one is open before others connect to it; they open when they join, since a session
    /// is told whom to connect to when it opens.
    async fn start(plan: &Plan, place: usize) -> Result<Self, Failure> {
        let mut config = Config::default();
        let endpoint = |port: u16| format!("[\"tcp/127.0.0.1:{port}\"]");
        config.insert_json5("mode", "\"peer\"")?;
        config.insert_json5("scouting/multicast/enabled", "false")?;
        config.insert_json5("listen/endpoints", &endpoint(plan.ports[place]))?;
        let mut session = None;
        if place == 0 {
            session = Some(zenoh::open(config.clone()).await?);
        } else {
            config.insert_json5("connect/endpoints", &endpoint(plan.ports[0]))?;
        }
        Ok(Self {
            config,
            session,
            token: None,
            seeking: None,
            found: Arc::default(),
        })
    }

    async fn join(&mut self) -> Result<(), Failure> {
        if self.session.is_none() {
            self.session = Some(zenoh::open(self.config.clone()).await?);
        }
        Ok(())
    }

    async fn sees(&mut self) -> usize {
        match &self.session {
            Some(session) => session.info().peers_zid().await.count(),
            None => 0,
        }
    }

    async fn register(&mut self) -> Result<(), Failure> {
        let token = self.session()?.liveliness().declare_token(NAME).await?;
        self.token = Some(token);
        Ok(())
    }

    async fn knows(&mut self) -> Result<bool, Failure> {
        if self.seeking.is_none() {
            let found = self.found.clone();
            let liveliness = self.session()?.liveliness();
            let seeking = liveliness
                .declare_subscriber(NAME)
                .history(true)
                .callback(move |_| found.store(true, Ordering::Relaxed));
            self.seeking = Some(seeking.await?);
        }
        Ok(self.found.load(Ordering::Relaxed))
    }
}
