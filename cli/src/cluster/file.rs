//! The cluster file: TOML with a realm, groups and nodes.
//!
//! ```toml
//! realm = "example"
//!
//! [groups.north]
//! cookie = "the secret of the north"   # or: open = true
//! reflectors = ["bridge"]
//!
//! [groups.south]
//! cookie = "the secret of the south"
//! reflectors = ["bridge"]
//!
//! [nodes.bridge]
//! groups = ["north", "south"]
//!
//! [nodes.n]                            # n-1, n-2, n-3
//! count = 3
//! groups = ["north"]
//! ```
//! A group with `parents = ["world"]` is led up by its `reflectors`, who join the parents by
//! themselves; a parent has a higher `tier` (0 where nothing is said), and no nodes of its own.

use std::path::Path;

use indexmap::IndexMap;
use serde::Deserialize;
use toml::Spanned;

use super::{ClusterError, Plan, check};

/// The file as it is written; keys keep the place where they stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterFile {
    pub(super) realm: Spanned<String>,
    pub(super) groups: IndexMap<Spanned<String>, GroupTable>,
    pub(super) nodes: IndexMap<Spanned<String>, NodeTable>,
}

/// One `[groups.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupTable {
    pub(super) cookie: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) open: bool,
    #[serde(default)]
    pub(super) reflectors: Vec<Spanned<String>>,
    pub(super) tier: Option<Spanned<u8>>,
    #[serde(default)]
    pub(super) parents: Vec<Spanned<String>>,
}

/// One `[nodes.NAME]`; with a count it stands for NAME-1, NAME-2 and so on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeTable {
    pub(super) groups: Vec<Spanned<String>>,
    pub(super) count: Option<Spanned<usize>>,
}

/// Reads and checks the cluster file at `path`.
///
/// # Errors
/// [`ClusterError`], with the line and what to do.
pub(crate) fn read(path: &Path) -> Result<Plan, ClusterError> {
    let text = std::fs::read_to_string(path).map_err(|source| ClusterError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Plan, ClusterError> {
    let file: ClusterFile = toml::from_str(text).map_err(|source| ClusterError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    check::file(&file).map_err(|complaint| complaint.in_file(path.to_owned(), text))
}
