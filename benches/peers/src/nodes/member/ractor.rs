//! A node of ractor_cluster, transitive: it is told of one other, and connects to all that one knows.
//! Its registry is a node's own, so the name is a process group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use ractor::{Actor, ActorProcessingErr, ActorRef, pg};
use ractor_cluster::node::{NodeConnectionMode, NodeServerSessionInformation};
use ractor_cluster::{
    NodeEventSubscription, NodeServer, NodeServerMessage, RactorClusterMessage, client_connect,
};

use super::{Member, NAME};
use crate::Failure;
use crate::nodes::plan::Plan;

const COOKIE: &str = "peers";

/// Sessions that are ready, and with whom.
#[derive(Clone, Default)]
struct Ready(Arc<Mutex<BTreeMap<u64, String>>>);

impl Ready {
    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, String>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl NodeEventSubscription for Ready {
    fn node_session_opened(&self, _: NodeServerSessionInformation) {}

    fn node_session_authenticated(&self, _: NodeServerSessionInformation) {}

    fn node_session_disconnected(&self, session: NodeServerSessionInformation) {
        self.change(|ready| drop(ready.remove(&session.node_id)));
    }

    fn node_session_ready(&self, session: NodeServerSessionInformation) {
        let peer = session.peer_name.map_or(String::new(), |peer| peer.name);
        self.change(|ready| drop(ready.insert(session.node_id, peer)));
    }
}

/// What the holder of the name takes; nobody sends it anything.
#[derive(RactorClusterMessage)]
enum Message {
    Word(Vec<u8>),
}

struct Holder;

impl Actor for Holder {
    type Msg = Message;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        Message::Word(_): Message,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

pub(super) struct Ractor {
    server: ActorRef<NodeServerMessage>,
    seed: Option<u16>,
    ready: Ready,
}

impl Member for Ractor {
    async fn start(plan: &Plan, place: usize) -> Result<Self, Failure> {
        let (name, host) = (format!("n{place}"), "localhost".to_owned());
        let mode = Some(NodeConnectionMode::Transitive);
        let server = NodeServer::new(plan.ports[place], COOKIE.to_owned(), name, host, None, mode);
        let server = Actor::spawn(None, server, ()).await?.0;
        let ready = Ready::default();
        server.cast(NodeServerMessage::SubscribeToEvents {
            id: NAME.to_owned(),
            subscription: Box::new(ready.clone()),
        })?;
        Ok(Self {
            server,
            seed: (place > 0).then_some(plan.ports[0]),
            ready,
        })
    }

    async fn join(&mut self) -> Result<(), Failure> {
        if let Some(seed) = self.seed {
            client_connect(&self.server, ("127.0.0.1", seed)).await?;
        }
        Ok(())
    }

    async fn sees(&mut self) -> usize {
        let mut seen = 0;
        self.ready
            .change(|ready| seen = ready.values().collect::<BTreeSet<_>>().len());
        seen
    }

    async fn register(&mut self) -> Result<(), Failure> {
        let holder = Actor::spawn(None, Holder, ()).await?.0;
        pg::join(NAME.to_owned(), vec![holder.get_cell()]);
        Ok(())
    }

    async fn knows(&mut self) -> Result<bool, Failure> {
        Ok(!pg::get_members(&NAME.to_owned()).is_empty())
    }
}
