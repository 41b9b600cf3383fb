//! Over ractor_cluster: a remote actor that is cast to and called. Its queues have no bound, so a
//! sender asks back after so many bytes, or the machine's memory would be measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use archipelago_load::{Link, LoadError, Received};
use bytes::Bytes;
use ractor::rpc::CallResult;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, pg};
use ractor_cluster::{NodeServer, NodeServerMessage, RactorClusterMessage};

use super::{Served, Shared, free_port};
use crate::Failure;

const GROUP: &str = "bench";
const COOKIE: &str = "peers";

/// Bytes after which a sender waits for an answer.
const UNANSWERED_MAX: usize = 4 << 20;

/// Longest frame: longer than the longest body.
const FRAME_MAX: u64 = 16 << 20;

#[derive(RactorClusterMessage)]
pub(crate) enum Message {
    Body(Vec<u8>),
    #[rpc]
    Count(RpcReplyPort<Vec<u8>>),
    #[rpc]
    Echo(Vec<u8>, RpcReplyPort<Vec<u8>>),
}

struct Sink;

impl Actor for Sink {
    type Msg = Message;
    type State = Shared;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<Shared, ActorProcessingErr> {
        Ok(Shared::default())
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        tally: &mut Shared,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Body(body) => tally.count(&body),
            Message::Count(reply) => reply.send(tally.taken())?,
            Message::Echo(body, reply) => reply.send(body)?,
        }
        Ok(())
    }
}

async fn node(name: &str, port: u16) -> Result<ActorRef<NodeServerMessage>, Failure> {
    let (name, host) = (name.to_owned(), "localhost".to_owned());
    let server = NodeServer::new(port, COOKIE.to_owned(), name, host, None, None);
    let server = server.with_max_inbound_frame_size(FRAME_MAX);
    Ok(Actor::spawn(None, server, ()).await?.0)
}

pub(super) async fn serve() -> Result<Served, Failure> {
    let port = free_port()?;
    let server = node("served", port).await?;
    let (sink, _) = Actor::spawn(None, Sink, ()).await?;
    pg::join(GROUP.to_owned(), vec![sink.get_cell()]);
    Ok(Served::new(port.to_string(), (server, sink)))
}

/// The remote actor.
#[derive(Clone)]
pub(crate) struct Ractor {
    sink: ActorRef<Message>,
    unanswered: Arc<AtomicUsize>,
    _node: ActorRef<NodeServerMessage>,
}

impl Ractor {
    pub(super) async fn connect(address: &str) -> Result<Self, Failure> {
        let node = node("asking", free_port()?).await?;
        let port: u16 = address.parse()?;
        ractor_cluster::client_connect(&node, ("127.0.0.1", port)).await?;
        loop {
            if let Some(sink) = pg::get_members(&GROUP.to_owned()).into_iter().next() {
                return Ok(Self {
                    sink: sink.into(),
                    unanswered: Arc::default(),
                    _node: node,
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn answered<T>(
    result: Result<CallResult<T>, ractor::MessagingErr<Message>>,
) -> Result<T, LoadError> {
    match result {
        Ok(CallResult::Success(answer)) => Ok(answer),
        Ok(_) => Err(LoadError::Ended),
        Err(error) => Err(LoadError::transport(error.to_string())),
    }
}

impl Link for Ractor {
    async fn send(&self, body: Bytes) -> Result<(), LoadError> {
        let len = body.len();
        let cast = self.sink.cast(Message::Body(body.to_vec()));
        cast.map_err(|error| LoadError::transport(error.to_string()))?;
        if self.unanswered.fetch_add(len, Ordering::Relaxed) > UNANSWERED_MAX {
            self.unanswered.store(0, Ordering::Relaxed);
            self.call(Bytes::new()).await?;
        }
        Ok(())
    }

    async fn flush(&self) -> Result<Received, LoadError> {
        let counted = self.sink.call(Message::Count, None).await;
        Ok(serde_json::from_slice(&answered(counted)?)?)
    }

    async fn call(&self, body: Bytes) -> Result<Bytes, LoadError> {
        let echo = |reply| Message::Echo(body.to_vec(), reply);
        Ok(answered(self.sink.call(echo, None).await)?.into())
    }
}
