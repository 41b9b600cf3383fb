//! Coming from elsewhere: call by call, what is called how here, and what is not there.
//!
//! Nothing is compiled here; it is a page. Each table names a call of the other system, the one that
//! comes nearest, and where they differ. *Not there* means so.
//!
//! Three differences come first wherever one comes from:
//!
//! - **Groups, not one mesh.** Names, process groups and services belong to a group. A node is in one
//!   group or in several; towards other groups, look-ups go by reflectors, and sessions open on
//!   demand.
//! - **Nothing locks a group.** A name is claimed by one write and one round. While a split lasts both
//!   sides may hold it, and are told when it heals. Where that must not be, take a strict name, which
//!   needs a majority of a council.
//! - **Every wait has a bound, and every error says whether anything was done.** Calls take a deadline
//!   that travels. There are no links; monitors say once why something ended.
//!
//! # Distributed Erlang: `global`, `pg`, `s_group`, `net_kernel`, gproc, syn
//!
//! | there | here | |
//! |---|---|---|
//! | `global:register_name(N, P)` | [`Group::register`](crate::Group::register) | one round, no lock over all nodes; of one group |
//! | `global:re_register_name` | [`Group::reregister`](crate::Group::reregister) | with no moment at which nobody has it |
//! | `global:whereis_name(N)` | [`Group::whereis`](crate::Group::whereis); from outside [`Group::lookup`](crate::Group::lookup) | the first is a local read |
//! | `global:send(N, M)` | [`Group::send`](crate::Group::send) | |
//! | a resolver of `global` | [`OnLoss`](crate::OnLoss), [`Group::resolve`](crate::Group::resolve) | only the loser's own node withdraws it |
//! | `global:set_lock`, `trans` | [`Group::acquire`](crate::Group::acquire) | a lease with a fence; *no re-entrant lock, no transaction over several names* |
//! | `s_group:new_s_group`, `add_nodes`, `remove_nodes`, `delete_s_group` | [`Node::create_group`](crate::Node::create_group), [`Group::add`](crate::Group::add), [`Group::remove`](crate::Group::remove), [`Group::delete`](crate::Group::delete) | a result for each node; two creators at once do no harm |
//! | `s_group:choose_nodes` | [`Group::choose_nodes`](crate::Group::choose_nodes) | predicates, load and distance besides |
//! | `pg:join`, `get_members`, `monitor` | [`Group::join_process_group`](crate::Group::join_process_group), [`members_of_process_group`](crate::Group::members_of_process_group), [`watch_process_group`](crate::Group::watch_process_group) | |
//! | gproc's properties and counters; syn's metadata | [`Group::set_property`](crate::Group::set_property), [`add_to_counter`](crate::Group::add_to_counter), [`Claim::metadata`](crate::Claim::metadata) | *no match specifications* |
//! | `{Name, Node} ! M` | [`Pid::named`](crate::Pid::named) | resolved at the node |
//! | `gen_server:call`, `cast` | [`Sender::call`](crate::Sender::call), [`Sender::send`](crate::Sender::send) | the deadline is absolute; typed by [`Recipient`](crate::Recipient) |
//! | messages of any length | up to 16 MiB; beyond, [`Sender::send_stream`](crate::Sender::send_stream) | never in another message's way |
//! | `monitor(process, P)`, `monitor_node` | [`Node::monitor`](crate::Node::monitor), [`Node::monitor_node`](crate::Node::monitor_node) | held across groups with no connection |
//! | `link` | *not there*; monitor, and end yourself | |
//! | `spawn(Node, M, F, A)` | [`Node::factory`](crate::Node::factory) there, [`Group::start_worker`](crate::Group::start_worker) here | code does not travel: factories are registered by name |
//! | `supervisor` | [`Group::supervise`](crate::Group::supervise) | one for one, across nodes; *no `one_for_all` or `rest_for_one`* |
//! | `pool:get_node` | [`Strategy::LeastLoaded`](crate::Strategy::LeastLoaded), [`Group::set_load`](crate::Group::set_load) | |
//! | `net_kernel:monitor_nodes` | [`Node::events`](crate::Node::events) | per group, with suspicion before death |
//! | `erlang:set_cookie` | [`GroupSpec::with_cookie`](crate::GroupSpec::with_cookie), [`Group::rotate_cookie`](crate::Group::rotate_cookie) | of a group, and never sent |
//! | `-connect_all false` | a node in no group | |
//! | distributed applications: failover, takeover | [`Group::singleton`](crate::Group::singleton) | |
//! | hot code loading, `mnesia`, `rpc:multicall` | *not there* | for the last: [`Sender::groupcast`](crate::Sender::groupcast) and answers as messages |
//!
//! # libcluster
//!
//! | there | here | |
//! |---|---|---|
//! | a topology with the strategy `Epmd`, `Gossip` | seeds: [`GroupSpec::seed`](crate::GroupSpec::seed) | any member will do, and absent ones are asked for ever |
//! | `Kubernetes`, `DNSPoll` | *not there*: resolve them yourself, and give the addresses as seeds | |
//! | `connect`, `disconnect` callbacks | [`Node::join`](crate::Node::join), [`Node::leave`](crate::Node::leave) | |
//!
//! # Akka, Pekko
//!
//! | there | here | |
//! |---|---|---|
//! | `ActorRef.tell`, `ask` | [`Recipient::cast`](crate::Recipient::cast), [`Recipient::call`](crate::Recipient::call) | |
//! | `ActorSystem`, `spawn` | [`Node`](crate::Node), [`Node::spawn`](crate::Node::spawn) | *no actor hierarchy*: workers are tasks |
//! | Cluster membership, `MemberUp` | groups, [`NodeEvent`](crate::NodeEvent) | no leader; an unreachable member is decided dead by two votes, and needs no downing provider |
//! | Split Brain Resolver | nobody is downed for being few; [`Quorum`](crate::Quorum) tells; strict names stop by themselves | |
//! | Receptionist | [`Group::advertise`](crate::Group::advertise), [`watch_service`](crate::Group::watch_service) | |
//! | Cluster Singleton | [`Group::singleton`](crate::Group::singleton) | take-over on request; not tied to the oldest |
//! | Cluster Sharding | [`Group::host_keyed`](crate::Group::host_keyed), [`Group::keyed`](crate::Group::keyed) | state moves with its worker; *entities remembered across a whole cluster's restart: not there* |
//! | Distributed Data | [`Group::share`](crate::Group::share) | one writer a key and node; *no CRDTs, no merged values* |
//! | Distributed Pub/Sub | [`Group::subscribe`](crate::Group::subscribe), [`Sender::groupcast`](crate::Sender::groupcast) | |
//! | routers | [`Group::choose_nodes`](crate::Group::choose_nodes), [`providers`](crate::Group::providers) | |
//! | `StreamRefs` | [`Sender::send_stream`](crate::Sender::send_stream) | bytes, with back-pressure; *no graph of stages* |
//! | Persistence, Projections | *not there* | |
//!
//! # Orleans
//!
//! | there | here | |
//! |---|---|---|
//! | a grain by its key | [`Group::keyed`](crate::Group::keyed) | starts with its first message, rests when idle; there is no grain directory to ask |
//! | a silo's placement director | [`Choice`](crate::Choice): predicate, reach, strategy | |
//! | grain state storage | [`Job::state`](crate::Job::state) moves with a worker | *no storage providers* |
//! | timers and reminders | your runtime's timers | *reminders that outlive the cluster: not there* |
//! | streams | [`Sender::groupcast`](crate::Sender::groupcast) | *not replayed* |
//! | one activation at most | among hosts that know of each other, by [`Group::host_keyed`](crate::Group::host_keyed); through splits, a strict name with its fence: [`Group::acquire`](crate::Group::acquire) | |
//! | transactions | *not there* | |
//!
//! # NATS
//!
//! | there | here | |
//! |---|---|---|
//! | publish, subscribe | [`Sender::groupcast`](crate::Sender::groupcast), [`Group::subscribe`](crate::Group::subscribe) | a topic of a group; in order and once per sender; *no wildcards* |
//! | queue groups | a service: [`Group::providers`](crate::Group::providers), and choose | |
//! | request, reply | [`Sender::call`](crate::Sender::call) | to a process, whose end is told |
//! | clusters, gateways, leaf nodes | groups, reflectors, nodes in one group | one machine for all, and no servers apart from your program |
//! | JetStream | to one receiver, `Node::outbox` (feature `outbox`) | durable at the sender; *no replay, no replicas* |
//! | key-value, object store | *not there*; a body of any length to one receiver: [`Sender::send_stream`](crate::Sender::send_stream) | |
//! | accounts, JWT | a cookie per group; [`GroupSpec::closed`](crate::GroupSpec::closed) | *no users within a group* |
//!
//! # zenoh
//!
//! | there | here | |
//! |---|---|---|
//! | `put`, `subscriber` on a key expression | [`Sender::groupcast`](crate::Sender::groupcast) to a topic | *no key expressions* |
//! | `get`, `queryable` | [`Group::lookup`](crate::Group::lookup), then [`Sender::call`](crate::Sender::call) | |
//! | routers | reflectors: ordinary nodes of your program | summaries of groups go between them, never every declaration |
//! | liveliness tokens | [`Node::monitor`](crate::Node::monitor), [`Group::watch_name`](crate::Group::watch_name) | |
//! | storages, shared memory, pico | *not there* | |
//!
//! # kameo, ractor, `ractor_cluster`
//!
//! | there | here | |
//! |---|---|---|
//! | `Actor`, `Message`, `ask`, `tell` | a task with an [`Inbox`](crate::Inbox) of a [`Protocol`](crate::Protocol); [`Recipient::call`](crate::Recipient::call), [`cast`](crate::Recipient::cast) | no trait to implement per message |
//! | `RemoteActorRef::lookup(name)` | [`Group::lookup`](crate::Group::lookup) | kept in the group's members, not in a DHT: local, and withdrawn with the process |
//! | `ActorSwarm`, `NodeServer` | [`Node`](crate::Node) | several may live in one process |
//! | `pg::join` of ractor | [`Group::join_process_group`](crate::Group::join_process_group) | |
//! | `link`, supervision events | [`Node::monitor`](crate::Node::monitor); pools by [`Group::supervise`](crate::Group::supervise) | *no links* |
//! | full mesh between nodes | a full mesh within a group only | |
