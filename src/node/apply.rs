//! A configuration taken anew while the node runs: its groups become those that it names.
//!
//! Everything is checked before anything is done. Groups that were created, entered by invitation
//! or joined by the program itself are none of a configuration's, and stay.

use std::sync::Arc;

use archipelago_core::GroupId;
use archipelago_router::{Command, ConfigError, Refused};
use archipelago_sgroup::GroupConfig;

use super::{GroupSpec, Node, NodeError, Shared};

/// What became of one group of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Applied {
    /// It is new, and being joined.
    Joined,
    /// It is gone from the configuration, and was left.
    Left,
    /// Its cookie, or its place among others, is another one from now on.
    Changed,
    /// It was left and is joined again: open and by cookie, or open to others and closed, are
    /// different groups to their members.
    Rejoined,
    /// It is as it was. Other seeds count when the group is joined the next time.
    Kept,
}

/// A configuration was not taken; nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// No node can run by it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The node was shut down or killed.
    #[error("the node has stopped: start another")]
    Stopped,
}

impl Node {
    /// Makes the groups that this node is configured with those of `groups`: joins what is new,
    /// leaves what is gone, and gives those that stay another cookie or place where these are
    /// others than before. Says for each, by name, what was done.
    ///
    /// Give a changed cookie its [`previous_cookie`](GroupSpec::previous_cookie) until all members
    /// have it: who cannot prove the new one 3 s after the previous one is dropped is put out. The
    /// epoch of a group whose place changed is raised by itself. One call after the other: a second
    /// one waits for the first.
    ///
    /// Not cancel safe: dropped before it returns, a part may have been done.
    ///
    /// # Errors
    /// [`ApplyError`]: two groups of one name, or one that no node can run by. Nothing changed.
    pub async fn apply(
        &self,
        groups: Vec<GroupSpec>,
    ) -> Result<Vec<(String, Result<Applied, NodeError>)>, ApplyError> {
        let shared = self.shared();
        check(&groups, shared)?;
        let mut configured = shared.configured.lock().await;
        let mut results = Vec::new();
        let is_kept = |old: &GroupSpec| groups.iter().any(|new| new.name() == old.name());
        for gone in configured.iter().filter(|old| !is_kept(old)) {
            let left = self.leave(gone.name()).await;
            results.push((gone.name().to_owned(), left.map(|()| Applied::Left)));
        }
        let mut taken = Vec::new();
        for spec in groups {
            let old = configured.iter().find(|old| old.name() == spec.name());
            let spec = old.map_or_else(|| spec.clone(), |old| spec.clone().after(old));
            let result = self.apply_one(old, &spec).await;
            results.push((spec.name().to_owned(), result));
            // What was refused is asked for again by the next configuration.
            taken.extend(if result.is_ok() {
                Some(spec)
            } else {
                old.cloned()
            });
        }
        *configured = taken;
        if results.iter().any(|(_, r)| *r == Err(NodeError::Stopped)) {
            return Err(ApplyError::Stopped);
        }
        Ok(results)
    }

    async fn apply_one(
        &self,
        old: Option<&GroupSpec>,
        new: &GroupSpec,
    ) -> Result<Applied, NodeError> {
        let Some(old) = old else {
            return self.enter(new).await;
        };
        if old.is_other_kind(new) {
            self.leave(new.name()).await?;
            self.join(new.clone()).await?;
            return Ok(Applied::Rejoined);
        }
        let mut applied = Applied::Kept;
        if !old.has_cookies_of(new) {
            applied = self.set_cookies_of(new).await?;
        }
        if !old.has_place_of(new) {
            let shared = self.shared();
            let config = new.clone().into_config(&shared.realm, &shared.timing);
            shared.command(Command::Recharter(Arc::new(config))).await?;
            applied = Applied::Changed;
        }
        Ok(applied)
    }

    /// Joins a group that is new to the configuration. One that the node is in already, because
    /// it was made or entered at run time, is the configuration's from now on.
    async fn enter(&self, new: &GroupSpec) -> Result<Applied, NodeError> {
        match self.join(new.clone()).await {
            Ok(()) => Ok(Applied::Joined),
            Err(NodeError::Refused(Refused::AlreadyIn)) => self.set_cookies_of(new).await,
            Err(error) => Err(error),
        }
    }

    async fn set_cookies_of(&self, new: &GroupSpec) -> Result<Applied, NodeError> {
        let shared = self.shared();
        let config = new.clone().into_config(&shared.realm, &shared.timing);
        let Some(cookies) = config.cookies.clone() else {
            return Ok(Applied::Kept);
        };
        let id = shared.moves.present(config.id());
        let command = Command::SetCookies(id, cookies);
        shared.command(command).await?;
        Ok(Applied::Changed)
    }
}

/// Whether a node can run by all of them.
fn check(groups: &[GroupSpec], shared: &Shared) -> Result<(), ConfigError> {
    let mut seen: Vec<GroupId> = Vec::new();
    for spec in groups {
        let config: GroupConfig = spec.clone().into_config(&shared.realm, &shared.timing);
        config.check()?;
        if seen.contains(&config.id()) {
            let name = spec.name().to_owned();
            return Err(ConfigError::DuplicateGroup { name });
        }
        seen.push(config.id());
    }
    Ok(())
}
