//! What the user and the data plane ask for.

use std::sync::Arc;

use archipelago_core::{Address, GroupId, Time};
use archipelago_sgroup::{Cookies, GroupConfig, StrictAct};

use super::{Command, Life, Node, Outputs, Refused};

impl Node {
    pub(super) fn on_command(
        &mut self,
        command: Command,
        now: Time,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        if matches!(self.life, Life::Stopping(_) | Life::Stopped) {
            return Err(Refused::Stopping);
        }
        match command {
            Command::Start => self.start(now),
            // Elected into it before: from now on it stays.
            Command::Join(config) if self.up.handle_kept(config.id()) => {}
            Command::Join(config) => return self.join(config, now),
            Command::Leave(group) => return self.leave(group, now, out),
            Command::Attach(config) => return self.attach_to(config, now),
            Command::Detach(group) => return self.detach_from(group, now, out),
            Command::Recharter(config) => return self.recharter(&config, now),
            Command::SetCookies(group, cookies) => return self.set_cookies(group, cookies, now),
            Command::CreateGroup {
                ticket,
                config,
                nodes,
                limit,
            } => return self.create_group(ticket, config, nodes, limit, now, out),
            Command::AddMembers {
                ticket,
                group,
                nodes,
                limit,
            } => return self.add_members((ticket, group), nodes, limit, now, out),
            Command::RemoveMembers {
                ticket,
                group,
                nodes,
            } => return self.remove_members((ticket, group), &nodes, now),
            Command::DeleteGroup {
                ticket,
                group,
                limit,
            } => return self.delete_group((ticket, group), limit, now),
            Command::RotateCookie {
                group,
                cookie,
                window,
            } => return self.rotate(group, cookie, window, now),
            Command::SetAddresses(addresses) => self.set_addresses(addresses, now),
            Command::Name {
                group,
                request,
                act,
            } => return self.name(self.present_group(group), request, act, now),
            Command::Strict { group, act } => return self.strict(group, act, now),
            Command::Monitor { monitor, target } => return self.monitor(monitor, target, now),
            Command::Demonitor(monitor) => self.demonitor(monitor, now),
            Command::ProcessEnded { local, exit } => {
                self.process_ended(local, exit.as_ref(), now);
            }
            Command::FindName {
                group,
                name,
                request,
            } => return self.find_name(group, name, request, now, out),
            Command::ForgetName { group, name } => self.forget_name(group, &name),
            Command::FindService {
                group,
                service,
                request,
            } => return self.find_service(group, service, request, now, out),
            Command::ForgetService { group, service } => self.forget_service(group, &service),
            Command::Contact { peer, home } => self.contact(peer, home, now, out),
            Command::Demand {
                peer,
                messages,
                bytes,
            } => self.demand(peer, (messages, bytes), now),
            Command::Forward { peer, path, frames } => {
                self.forward_frames(peer, path, frames, now);
            }
            Command::LetterLost { to, reason } => self.on_letter_lost(to, reason, now),
            Command::Duty(group, said) => return self.duty(group, said, now),
            Command::Registry(group, said) => {
                return self.say(self.present_group(group), said, now);
            }
            Command::Activity(session) => self.activity(session, now),
            Command::Shutdown => self.shut_down(now, out),
        }
        Ok(())
    }

    fn start(&mut self, now: Time) {
        if !matches!(self.life, Life::Configured) {
            return;
        }
        self.life = Life::starting(now);
        for config in self.config.groups.clone() {
            self.enter_group(config, now);
        }
        for (id, state) in self.config.secrets.clone() {
            self.with_group(id, now, |group, _, _| group.handle_kept(state));
        }
        for id in self.config.resumed.clone() {
            if let Some(group) = self.groups.get_mut(&id) {
                group.handle_elected();
            }
        }
        for config in self.config.clients.clone() {
            self.enter_as_client(config, now);
        }
        if self.config.groups.is_empty() {
            self.life.settle_boot();
        }
    }

    pub(super) fn join(&mut self, config: Arc<GroupConfig>, now: Time) -> Result<(), Refused> {
        self.join_at(config, None, now)
    }

    /// As [`Node::join`], with a place among this node's groups: the first is home.
    pub(super) fn join_at(
        &mut self,
        config: Arc<GroupConfig>,
        place: Option<usize>,
        now: Time,
    ) -> Result<(), Refused> {
        let id = config.id();
        if self.config.groups.iter().any(|known| known.id() == id) {
            return Err(Refused::AlreadyIn);
        }
        config.check().map_err(|_| Refused::InvalidGroup)?;
        self.stop_using(id, now);
        if self.is_full_of_groups() {
            return Err(Refused::TooManyGroups);
        }
        let groups = &mut Arc::make_mut(&mut self.config).groups;
        let place = place.unwrap_or(groups.len()).min(groups.len());
        groups.insert(place, config.clone());
        self.renew_record(now);
        if !matches!(self.life, Life::Configured) {
            self.enter_group(config, now);
        }
        Ok(())
    }

    fn leave(&mut self, group: GroupId, now: Time, out: &mut Outputs) -> Result<(), Refused> {
        let before = self.config.groups.len();
        Arc::make_mut(&mut self.config)
            .groups
            .retain(|config| config.id() != group);
        if self.config.groups.len() == before {
            return Err(Refused::UnknownGroup);
        }
        self.leave_group(group, now, out);
        self.renew_record(now);
        Ok(())
    }

    fn strict(&mut self, group: GroupId, act: StrictAct, now: Time) -> Result<(), Refused> {
        if !self.groups.contains_key(&group) {
            return Err(Refused::UnknownGroup);
        }
        self.with_group(group, now, |group, cx, said| {
            group.handle_strict(act, cx, said);
        });
        Ok(())
    }

    fn set_cookies(&mut self, id: GroupId, cookies: Cookies, now: Time) -> Result<(), Refused> {
        let mut configured = Arc::make_mut(&mut self.config).groups.iter_mut();
        let Some(config) = configured.find(|config| config.id() == id) else {
            return Err(Refused::UnknownGroup);
        };
        Arc::make_mut(config).cookies = Some(cookies.clone());
        self.with_group(id, now, |group, cx, said| {
            group.handle_cookies(Some(cookies), cx, said);
        });
        Ok(())
    }

    fn set_addresses(&mut self, addresses: Vec<Address>, now: Time) {
        if self.config.addresses != addresses {
            Arc::make_mut(&mut self.config).addresses = addresses;
            self.renew_record(now);
        }
    }
}
