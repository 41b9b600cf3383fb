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
//! With `groups = "auto"` the program groups the nodes, as [`auto`] has it.
//! A group with `parents = ["world"]` is led up by its `reflectors`, who join the parents by
//! themselves; a parent has a higher `tier` (0 where nothing is said), and no nodes of its own.

use std::path::Path;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;

use super::auto::{self, Grounds};
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
    read_with_grounds(path).map(|(plan, _)| plan)
}

/// As [`read`], and what its groups were made from where the file leaves them to the program.
pub(crate) fn read_with_grounds(path: &Path) -> Result<(Plan, Option<Grounds>), ClusterError> {
    let text = std::fs::read_to_string(path).map_err(|source| ClusterError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<(Plan, Option<Grounds>), ClusterError> {
    let made = if auto::is_auto(text) {
        let file = written(path, text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        auto::plan(&file, folder).map(|(plan, grounds)| (plan, Some(grounds)))
    } else {
        check::file(&written(path, text)?).map(|plan| (plan, None))
    };
    made.map_err(|complaint| complaint.in_file(path.to_owned(), text))
}

fn written<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ClusterError> {
    toml::from_str(text).map_err(|source| ClusterError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })
}
