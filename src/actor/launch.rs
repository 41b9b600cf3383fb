//! Makes a node: key, sockets, machine, task.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use archipelago_core::channel::ChannelConfig;
use archipelago_core::{Address, GroupId, Rng, Roles};
use archipelago_router::{Command, Descent, NodeConfig};
use archipelago_sgroup::{GroupConfig, Seed, Timing};
use futures::StreamExt;
use libp2p::Multiaddr;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::SwarmEvent;
use tokio::sync::{mpsc, watch};

use super::{Actor, Request};
use crate::call::CallTable;
use crate::group::Moves;
use crate::groupcast::{self, Groupcasts};
use crate::identity::{Identity, random_seed};
use crate::keep::{self, Configured, Keeper};
use crate::metrics::Counters;
use crate::names::Names;
use crate::node::{Builder, Clock, Life, Replica, Shared, StartError};
use crate::peer::Registry;
use crate::registry::Tables;
use crate::service::Services;
use crate::stream;
use crate::swarm::Swarm;
use crate::work::Desk;
use crate::worker::Workers;
use crate::{Runtime, event, mailbox};

/// Where a node listens that was not told: a free port, of this machine only.
const LISTEN_DEFAULT: &str = "/ip4/127.0.0.1/tcp/0";

/// Requests that wait for the node's task; beyond it their senders wait.
const REQUESTS_MAX: usize = 1_024;

/// How long listening may take.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes a node and starts its task.
pub(crate) async fn launch(builder: Builder, runtime: Runtime) -> Result<Arc<Shared>, StartError> {
    let identity = match &builder.key_file {
        Some(path) => Identity::load_or_create(path)?,
        None => Identity::generate()?,
    };
    let mut swarm = crate::swarm::build(&identity.keypair(), &builder.limits, &builder.security)
        .map_err(StartError::Handshake)?;
    let addresses = listen(&mut swarm, &builder.listen).await?;
    let realm: Arc<str> = builder.realm.as_str().into();
    let timing = builder.timing_arc();
    let groups = builder.groups.iter().cloned();
    let mut groups: Vec<GroupConfig> = groups
        .map(|spec| spec.into_config(&realm, &timing))
        .collect();
    let configured: Vec<Configured> = groups.iter().map(Configured::of).collect();
    let mut kept = match &builder.groups_file {
        Some(path) => keep::read(path, &realm, &timing)?,
        None => keep::Contents::default(),
    };
    for rotated in &kept.rotated {
        groups.iter_mut().for_each(|group| rotated.apply(group));
    }
    let ids: Vec<GroupId> = groups.iter().map(GroupConfig::id).collect();
    let groups: Vec<Arc<GroupConfig>> = groups.into_iter().map(Arc::new).collect();
    let descent = kept.descent.clone();
    let groups = descent.resume(&groups, &kept.groups);
    // What is configured counts for more than what was.
    kept.groups.retain(|group| !ids.contains(&group.id()));
    let mut config = node_config(&builder, &identity, &addresses, groups);
    config.resumed = kept.groups.iter().map(GroupConfig::id).collect();
    let (clock, wall) = (Clock::new(), SystemTime::now());
    let secrets = config.groups.iter().flat_map(|group| {
        let kept = kept.secrets.iter();
        kept.filter_map(move |kept| kept.state(group, clock.now(), wall))
    });
    config.secrets = secrets.collect();
    config.descent = (!descent.is_empty()).then(|| Box::new(descent.clone()));
    config.clients = clients(&builder, &realm, &timing);
    let config = Arc::new(config);
    let rng = Rng::new(*random_seed()?);
    let node = archipelago_router::Node::new(config.clone(), identity.crypto(), rng)?;
    let channel_config = ChannelConfig::default();
    let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
    let shared = Arc::new(Shared {
        id: config.id,
        name: config.name.clone(),
        realm,
        home: watch::Sender::new(home(&config)),
        addresses,
        mailboxes: mailbox::Table::new(
            builder.limits.mailboxes_max,
            builder.limits.mailbox_len_max,
        ),
        ended: mailbox::Ended::default(),
        monitors: crate::monitor::Table::default(),
        names: Names::default(),
        groupcasts: Groupcasts::default(),
        moves: moves(&config, &descent),
        calls: CallTable::new(builder.limits.calls_max),
        workers: Workers::default(),
        tables: Tables::new(*random_seed()?),
        services: Services::default(),
        desk: Desk::default(),
        peers: Registry::new(builder.limits.busy_peers_max),
        channel_config_short: with_room(
            &channel_config,
            builder.limits.send_queue_bytes_max + stream::QUEUE_BYTES,
        ),
        // Pieces are bounded by their own count: what others have queued never refuses them.
        channel_config_stream: with_room(
            &channel_config,
            builder.limits.send_queue_bytes_max + 3 * stream::QUEUE_BYTES,
        ),
        streams_config: builder.limits.streams(),
        stream_next: AtomicU64::new(stream::FIRST),
        channel_config,
        limits: builder.limits,
        timing,
        dial_threshold: config.dial_threshold,
        clock,
        runtime: runtime.clone(),
        hub: event::Hub::default(),
        replica: Replica::new(config.groups.iter().map(|group| group.id())),
        metrics: Counters::default(),
        requests,
        life: watch::Sender::new(Life::Starting),
        frozen: watch::Sender::new(false),
        boot: AtomicU64::new(config.boot.0),
        configured: tokio::sync::Mutex::new(builder.groups.clone()),
    });
    let keeper = builder.groups_file.clone();
    let keeper = keeper.map(|path| Keeper::new(path, configured, &kept, shared.clone()));
    let mut actor = Actor::new(node, swarm, shared.clone(), inbox, (identity, keeper));
    actor.on_request(Request::Command {
        command: Command::Start,
        reply: None,
    });
    actor.finish();
    runtime.handle().spawn(actor.run());
    runtime.handle().spawn(CallTable::run(shared.clone()));
    runtime.handle().spawn(groupcast::Task::run(shared.clone()));
    Ok(shared)
}

/// In which groups the node is instead of others, and whether it may move.
fn moves(config: &NodeConfig, descent: &Descent) -> Moves {
    let moves = Moves::kept(&descent.moved);
    let mut groups = config.groups.iter();
    if groups.any(|group| group.place.standard.is_some()) {
        moves.expect();
    }
    moves
}

/// The groups that the node uses without being in them; with bootstraps, one that they are in.
fn clients(builder: &Builder, realm: &Arc<str>, timing: &Arc<Timing>) -> Vec<Arc<GroupConfig>> {
    let named = builder.clients.iter().cloned();
    let named = named.map(|spec| spec.into_config(realm, timing));
    let seeds = builder.bootstraps.iter().cloned();
    let seeds: Vec<Seed> = seeds
        .map(|address| Seed {
            address,
            node: None,
        })
        .collect();
    let any =
        (!seeds.is_empty()).then(|| GroupConfig::commons(realm.clone(), seeds, timing.clone()));
    named.chain(any).map(Arc::new).collect()
}

fn home(config: &NodeConfig) -> Option<GroupId> {
    let mut groups = config.groups.iter().chain(&config.clients);
    let first = groups.find(|group| !group.is_commons());
    first.map(|group| group.id())
}

fn node_config(
    builder: &Builder,
    identity: &Identity,
    addresses: &[Address],
    groups: Vec<Arc<GroupConfig>>,
) -> NodeConfig {
    let on_demand_default = if builder.roles.contains(Roles::REFLECTOR) {
        512
    } else {
        64
    };
    let mut config = NodeConfig::new(
        identity.id(),
        &builder.name,
        &builder.realm,
        identity.boot(),
    );
    config.roles = builder.roles;
    config.addresses = addresses.to_vec();
    config.groups = groups;
    config.watch = Arc::new(builder.limits.watch());
    config.relay = builder.relay;
    config.invites = builder.invites;
    config.on_demand_max = builder.on_demand_max.unwrap_or(on_demand_default);
    config.idle_timeout = builder.idle_timeout.unwrap_or(config.idle_timeout);
    config.dial_threshold = builder.dial_threshold.unwrap_or(config.dial_threshold);
    config
}

/// Listens everywhere it should, and says under which addresses.
async fn listen(swarm: &mut Swarm, configured: &[String]) -> Result<Vec<Address>, StartError> {
    let failed = |address: &str, reason: String| StartError::Listen {
        address: address.to_owned(),
        reason,
    };
    let default = [LISTEN_DEFAULT.to_owned()];
    let configured = if configured.is_empty() {
        &default
    } else {
        configured
    };
    let mut waiting: Vec<(ListenerId, &str)> = Vec::new();
    for address in configured {
        let parsed: Multiaddr = address
            .parse()
            .map_err(|error| failed(address, format!("not a multiaddress: {error}")))?;
        let listener = swarm
            .listen_on(parsed)
            .map_err(|error| failed(address, error.to_string()))?;
        waiting.push((listener, address));
    }
    let mut addresses = Vec::new();
    let all = async {
        while let Some(&(_, first)) = waiting.first() {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr {
                    listener_id,
                    address,
                } => {
                    waiting.retain(|(listener, _)| *listener != listener_id);
                    addresses.push(Address::from(address.to_string().as_str()));
                }
                SwarmEvent::ListenerClosed { reason, .. } => {
                    let reason =
                        reason.map_or_else(|error| error.to_string(), |()| "closed".into());
                    return Err(failed(first, reason));
                }
                SwarmEvent::ListenerError { error, .. } => {
                    return Err(failed(first, error.to_string()));
                }
                _ => {}
            }
        }
        Ok(())
    };
    match tokio::time::timeout(LISTEN_TIMEOUT, all).await {
        Ok(listening) => listening.map(|()| addresses),
        Err(_) => Err(failed(
            &configured.join(", "),
            "nothing listened within 5 s".to_owned(),
        )),
    }
}

/// The same limits with more room in the queue.
fn with_room(config: &ChannelConfig, bytes: usize) -> ChannelConfig {
    ChannelConfig {
        queue_bytes_max: config.queue_bytes_max.saturating_add(bytes),
        ..config.clone()
    }
}
