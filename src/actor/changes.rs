//! Changes of groups that a user waits for: each has a ticket, and its answer finds its asker.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use archipelago_core::{GroupId, NodeId};
use archipelago_router::{Ask, Command, NodeChange, Refused};
use archipelago_sgroup::GroupConfig;
use tokio::sync::oneshot;

use super::Actor;

/// What a member's user does to a group.
#[derive(Debug)]
pub(crate) enum Change {
    Create {
        config: Arc<GroupConfig>,
        nodes: Vec<Ask>,
        limit: Duration,
    },
    Add {
        group: GroupId,
        nodes: Vec<Ask>,
        limit: Duration,
    },
    Remove {
        group: GroupId,
        nodes: Vec<NodeId>,
    },
    Delete {
        group: GroupId,
        limit: Duration,
    },
}

/// What became of every node, or why nothing was begun.
pub(crate) type ChangeReply = Result<Vec<NodeChange>, Refused>;

/// Who waits for which change; the machine limits how many there are.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    replies: HashMap<u64, oneshot::Sender<ChangeReply>>,
    last: u64,
}

impl Actor {
    pub(super) fn on_change(&mut self, change: Change, reply: oneshot::Sender<ChangeReply>) {
        self.waiting.last += 1;
        let ticket = self.waiting.last;
        // Before the command: what it settles at once is answered while it is performed.
        self.waiting.replies.insert(ticket, reply);
        let now = self.now();
        let command = change.into_command(ticket);
        let begun = self.node.handle_command(command, now, &mut self.out);
        self.perform();
        if let Err(refused) = begun {
            self.answer_change(ticket, Err(refused));
        }
    }

    pub(super) fn answer_change(&mut self, ticket: u64, answer: ChangeReply) {
        if let Some(reply) = self.waiting.replies.remove(&ticket) {
            // Who asked may have gone: it was done all the same.
            let _ = reply.send(answer);
        }
    }
}

impl Change {
    fn into_command(self, ticket: u64) -> Command {
        match self {
            Self::Create {
                config,
                nodes,
                limit,
            } => Command::CreateGroup {
                ticket,
                config,
                nodes,
                limit,
            },
            Self::Add {
                group,
                nodes,
                limit,
            } => Command::AddMembers {
                ticket,
                group,
                nodes,
                limit,
            },
            Self::Remove { group, nodes } => Command::RemoveMembers {
                ticket,
                group,
                nodes,
            },
            Self::Delete { group, limit } => Command::DeleteGroup {
                ticket,
                group,
                limit,
            },
        }
    }
}
