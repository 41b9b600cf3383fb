//! Limits and times of a node's machines, the same at all nodes: made once for a process, shared by
//! the nodes in it.

use std::sync::{Arc, LazyLock};

use crate::forward::ForwardConfig;
use crate::lookup::LookupConfig;
use crate::reflect::ReflectConfig;
use crate::up::UpConfig;

/// The defaults of each machine.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) forward: Arc<ForwardConfig>,
    pub(super) reflect: Arc<ReflectConfig>,
    pub(super) up: Arc<UpConfig>,
    pub(super) lookup: Arc<LookupConfig>,
}

pub(super) static LIMITS: LazyLock<Limits> = LazyLock::new(Limits::default);
