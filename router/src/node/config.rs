//! What is checked of a configuration before a node exists.

use archipelago_sgroup::{GroupConfig, GroupConfigError};

use super::{ConfigError, NodeConfig};

/// Longest name of a node or realm, in bytes.
const NAME_LEN_MAX: usize = 64;
/// Longest name of a group, in bytes.
const GROUP_NAME_LEN_MAX: usize = 255;

/// Whether a node can start from `config`.
pub(super) fn check(config: &NodeConfig) -> Result<(), ConfigError> {
    check_name("node name", &config.name)?;
    check_name("realm name", &config.realm)?;
    for (index, group) in config.groups.iter().enumerate() {
        check_group(group)?;
        let others = config.groups.iter().take(index);
        if others.into_iter().any(|other| other.id() == group.id()) {
            let name = group.name.to_string();
            return Err(ConfigError::DuplicateGroup { name });
        }
    }
    Ok(())
}

/// Whether a group can be joined as `config` says.
pub(super) fn check_group(config: &GroupConfig) -> Result<(), GroupConfigError> {
    let name = || config.name.to_string();
    if !is_name(&config.name, GROUP_NAME_LEN_MAX) {
        return Err(GroupConfigError::Name { name: name() });
    }
    let is_empty = |cookies: &archipelago_sgroup::Cookies| cookies.current.is_empty();
    if config.cookies.as_ref().is_some_and(is_empty) {
        return Err(GroupConfigError::EmptyCookie { name: name() });
    }
    Ok(())
}

fn check_name(what: &'static str, name: &str) -> Result<(), ConfigError> {
    if is_name(name, NAME_LEN_MAX) {
        return Ok(());
    }
    let name = name.to_owned();
    Err(ConfigError::Name { what, name })
}

fn is_name(name: &str, len_max: usize) -> bool {
    !name.is_empty() && name.len() <= len_max && !name.chars().any(char::is_control)
}
