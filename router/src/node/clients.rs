//! Groups that this node uses without being in them, and hidden nodes that its groups serve.

use std::sync::Arc;

use archipelago_core::wire::{GroupBody, JoinRole};
use archipelago_core::{Context, GroupId, NodeId, Peer, Time};
use archipelago_sgroup::{Client, GroupConfig, GroupOutputs, Origin};

use super::work::Work;
use super::{GROUPS_MAX, Life, Node, Outputs, Refused};

impl Node {
    /// Uses a group through a few of its members from now on.
    pub(super) fn attach_to(&mut self, config: Arc<GroupConfig>, now: Time) -> Result<(), Refused> {
        let mut configured = self.config.groups.iter().chain(&self.config.clients);
        if configured.any(|known| known.id() == config.id()) {
            return Err(Refused::AlreadyIn);
        }
        config.check_client().map_err(|_| Refused::InvalidGroup)?;
        if self.is_full_of_groups() {
            return Err(Refused::TooManyGroups);
        }
        Arc::make_mut(&mut self.config).clients.push(config.clone());
        self.renew_record(now);
        if !matches!(self.life, Life::Configured) {
            self.enter_as_client(config, now);
        }
        Ok(())
    }

    /// Whether this node can be in no more groups, nor use any.
    pub(super) fn is_full_of_groups(&self) -> bool {
        self.config.groups.len() + self.config.clients.len() >= GROUPS_MAX
    }

    /// This node is to be a member where it was a client.
    pub(super) fn stop_using(&mut self, group: GroupId, now: Time) {
        let configs = &self.config.clients;
        if !configs.iter().any(|config| config.id() == group) {
            return;
        }
        let configs = &mut Arc::make_mut(&mut self.config).clients;
        configs.retain(|config| config.id() != group);
        self.with_client(group, now, |client, _, said| client.handle_leave(said));
        if let Some(clients) = &mut self.clients {
            clients.own.remove(&group);
        }
        self.dials.forget_group(group);
        self.drop_clients_if_empty();
    }

    /// Lets go of a group that this node uses.
    pub(super) fn detach_from(
        &mut self,
        group: GroupId,
        now: Time,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let configs = &mut Arc::make_mut(&mut self.config).clients;
        let before = configs.len();
        configs.retain(|config| config.id() != group);
        if configs.len() == before {
            return Err(Refused::UnknownGroup);
        }
        self.leave_as_client(group, now, out);
        self.renew_record(now);
        Ok(())
    }

    pub(super) fn enter_as_client(&mut self, config: Arc<GroupConfig>, now: Time) {
        let id = config.id();
        let clients = self.clients.get_or_insert_default();
        clients.own.insert(id, Box::new(Client::new(config)));
        self.with_client(id, now, |client, cx, said| client.handle_timeout(cx, said));
    }

    pub(super) fn leave_as_client(&mut self, group: GroupId, now: Time, out: &mut Outputs) {
        self.with_client(group, now, |client, _, said| client.handle_leave(said));
        self.do_work(now, out);
        if let Some(clients) = &mut self.clients {
            clients.own.remove(&group);
        }
        self.dials.forget_group(group);
        self.drop_clients_if_empty();
        self.release_unused(now, out);
    }

    pub(super) fn with_client(
        &mut self,
        id: GroupId,
        now: Time,
        call: impl FnOnce(&mut Client, &mut Context<'_>, &mut GroupOutputs),
    ) {
        let clients = self.clients.as_mut();
        let Some(client) = clients.and_then(|clients| clients.own.get_mut(&id)) else {
            return;
        };
        let mut said = GroupOutputs::new();
        let mut cx = self.base.context(now);
        call(client, &mut cx, &mut said);
        let said = said.into_iter().map(|output| Work::Group(id, output));
        self.work.extend(said);
    }

    pub(super) fn with_each_client(
        &mut self,
        now: Time,
        mut call: impl FnMut(GroupId, &mut Client, &mut Context<'_>, &mut GroupOutputs),
    ) {
        for id in self.used_groups() {
            self.with_client(id, now, |client, cx, said| call(id, client, cx, said));
        }
    }

    /// The groups that this node uses without being in them.
    pub(super) fn used_groups(&self) -> Vec<GroupId> {
        let clients = self.clients.iter();
        clients.flat_map(|c| c.own.keys().copied()).collect()
    }

    /// A message of a group that this node uses; given back if it uses no such group.
    pub(super) fn on_client_message(
        &mut self,
        id: GroupId,
        from: Origin,
        body: GroupBody,
        now: Time,
    ) -> Result<(), GroupBody> {
        let is_used = |node: &Self| {
            let clients = node.clients.as_ref();
            clients.is_some_and(|clients| clients.own.contains_key(&id))
        };
        if !is_used(self)
            && let GroupBody::Welcome(welcome) = &body
        {
            self.learn_commons(id, from.peer, &welcome.charter.name, now);
        }
        if !is_used(self) {
            return Err(body);
        }
        self.with_client(id, now, |client, cx, said| {
            client.handle_message(from, body, cx, said);
        });
        Ok(())
    }

    /// An open group answers who asked for any: from now on it is that one which this node uses.
    fn learn_commons(&mut self, id: GroupId, from: Peer, name: &Arc<str>, now: Time) {
        let commons = commons_of(&self.config.realm);
        let is_meant = GroupId::new(&self.config.realm, name) == id && id != commons;
        let known = self.config.groups.iter().chain(&self.config.clients);
        let is_known = known.into_iter().any(|config| config.id() == id);
        let Some(clients) = self.clients.as_mut().filter(|_| is_meant && !is_known) else {
            return;
        };
        let asking = clients.own.get(&commons);
        if !asking.is_some_and(|client| client.asks(from)) {
            return;
        }
        let Some(mut client) = clients.own.remove(&commons) else {
            return;
        };
        client.handle_name(name.clone());
        let config = client.config().clone();
        clients.own.insert(id, client);
        for known in &mut Arc::make_mut(&mut self.config).clients {
            if known.is_commons() {
                *known = config.clone();
            }
        }
        self.dials.forget_group(commons);
        self.renew_record(now);
    }

    /// Who asks to use any open group is served by the first one of this node's.
    pub(super) fn open_group(&self, asked: GroupId, body: &GroupBody) -> Option<GroupId> {
        let is_asking = matches!(body, GroupBody::Join(join) if join.role == JoinRole::Client);
        if !is_asking || asked != commons_of(&self.config.realm) {
            return None;
        }
        let mut open = self.config.groups.iter();
        let open = open.find(|config| config.cookies.is_none() && !config.is_closed);
        open.map(|config| config.id())
    }

    pub(super) fn on_clients_due(&mut self, now: Time) {
        self.with_each_client(now, |_, client, cx, said| {
            if client.poll_timeout().is_some_and(|(due, _)| due <= cx.now) {
                client.handle_timeout(cx, said);
            }
        });
    }

    pub(super) fn poll_clients(&self) -> Option<(Time, &'static str)> {
        let clients = self.clients.iter();
        let clients = clients.flat_map(|clients| clients.own.values());
        clients.filter_map(|client| client.poll_timeout()).min()
    }

    /// A member of one of this node's groups serves a hidden node, or no longer does.
    pub(super) fn on_served(
        &mut self,
        group: GroupId,
        client: NodeId,
        host: NodeId,
        is_served: bool,
    ) {
        if is_served {
            let clients = self.clients.get_or_insert_default();
            clients.note(group, client, host, true);
        } else if let Some(clients) = &mut self.clients {
            clients.note(group, client, host, false);
            self.drop_clients_if_empty();
        }
    }

    /// This node is in the group no more.
    pub(super) fn forget_clients(&mut self, group: GroupId) {
        if let Some(clients) = &mut self.clients {
            clients.forget(group);
            self.drop_clients_if_empty();
        }
    }

    fn drop_clients_if_empty(&mut self) {
        if self.clients.as_ref().is_some_and(|c| c.is_empty()) {
            self.clients = None;
        }
    }

    /// Whether a group that this node uses refers to the peer.
    pub(super) fn is_known_to_client(&self, peer: Peer) -> bool {
        let clients = self.clients.iter();
        let mut clients = clients.flat_map(|clients| clients.own.values());
        clients.any(|client| client.knows(peer))
    }

    /// Whether a group uses the session without the two being members of it together.
    pub(super) fn is_client_session(&self, peer: Peer) -> bool {
        let clients = self.clients.as_ref();
        clients.is_some_and(|clients| clients.is_own_host(peer))
            || self.groups.values().any(|group| group.serves(peer))
    }
}

/// What stands for any open group of the realm.
fn commons_of(realm: &str) -> GroupId {
    GroupId::new(realm, "")
}
