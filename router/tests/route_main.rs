//! Reflection, look-ups and forwarding: handler tests that compare whole outputs, and random
//! topologies against naive models. Acceptance: U20–U22, F8, A8, A14, E17–E19 where they touch
//! these machines.
#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "route/forward.rs"]
mod forward;
#[path = "route/kit.rs"]
mod kit;
#[path = "route/lookup.rs"]
mod lookup;
#[path = "route/mesh.rs"]
mod mesh;
#[path = "route/reflect.rs"]
mod reflect;
#[path = "route/topology.rs"]
mod topology;
#[path = "route/up.rs"]
mod up;
