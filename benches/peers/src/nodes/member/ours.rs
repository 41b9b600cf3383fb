//! A node of Archipelago, on the threads of its process. Reflectors join a group of their own beside
//! their first one.

use archipelago::{GroupSpec, Mailbox, Node, Runtime};

use super::{Member, NAME};
use crate::Failure;
use crate::nodes::plan::Plan;

/// The group of the reflectors.
const BACKBONE: &str = "backbone";

pub(super) struct Ours {
    node: Node,
    plan: Plan,
    place: usize,
    holder: Option<Mailbox>,
}

impl Ours {
    fn group(&self) -> String {
        name(self.plan.group_of(self.place))
    }

    /// A group whose first node founds it.
    fn spec(&self, name: &str, founder: usize) -> GroupSpec {
        let spec = GroupSpec::open(name);
        if founder == self.place {
            return spec;
        }
        let port = self.plan.ports[founder];
        spec.seed(format!("/ip4/127.0.0.1/tcp/{port}").as_str())
    }

    fn others(&self, group: &str) -> usize {
        let members = self.node.members(group);
        members.map_or(0, |members| members.len().saturating_sub(1))
    }

    /// Other groups that it has a way to.
    fn reached(&self) -> usize {
        let routes = self.node.routes();
        let mine = self.plan.group_of(self.place);
        let others = (0..self.plan.groups()).filter(|&group| group != mine);
        let ids = others.map(|group| self.node.group_id(&name(group)));
        ids.filter(|id| routes.iter().any(|route| route.group == *id))
            .count()
    }
}

fn name(group: usize) -> String {
    format!("g{group}")
}

impl Member for Ours {
    async fn start(plan: &Plan, place: usize) -> Result<Self, Failure> {
        let mut node = Node::builder(&format!("n{place}"))
            .realm(&plan.realm)
            .listen(&format!("/ip4/127.0.0.1/tcp/{}", plan.ports[place]))
            .runtime(&Runtime::current()?);
        if plan.is_reflector(place) {
            node = node.reflector();
        }
        Ok(Self {
            node: node.start().await?,
            plan: plan.clone(),
            place,
            holder: None,
        })
    }

    async fn join(&mut self) -> Result<(), Failure> {
        let group = self.group();
        let founder = self.plan.members(self.plan.group_of(self.place)).start;
        self.node.join(self.spec(&group, founder)).await?;
        if self.plan.is_reflector(self.place) {
            self.node.join(self.spec(BACKBONE, 0)).await?;
        }
        Ok(())
    }

    async fn sees(&mut self) -> usize {
        let mine = self.others(&self.group());
        if self.plan.is_reflector(self.place) {
            return mine + self.others(BACKBONE) + self.reached();
        }
        mine
    }

    async fn register(&mut self) -> Result<(), Failure> {
        let mailbox = self.node.mailbox().await?;
        let group = self.node.group(&self.group());
        group.register(NAME, mailbox.pid()).await?;
        self.holder = Some(mailbox);
        Ok(())
    }

    async fn knows(&mut self) -> Result<bool, Failure> {
        let group = self.node.group(&self.group());
        Ok(group.whereis(NAME).is_some())
    }
}
