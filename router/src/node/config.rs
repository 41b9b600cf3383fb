//! What is checked of a configuration before a node exists.

use super::{ConfigError, GROUPS_MAX, NodeConfig};

/// Longest name of a node or realm, in bytes.
const NAME_LEN_MAX: usize = 64;

/// Whether a node can start from `config`.
pub(super) fn check(config: &NodeConfig) -> Result<(), ConfigError> {
    check_name("node name", &config.name)?;
    check_name("realm name", &config.realm)?;
    let all = || config.groups.iter().chain(&config.clients);
    let groups = all().count();
    if groups > GROUPS_MAX {
        return Err(ConfigError::TooManyGroups { groups });
    }
    for group in &config.groups {
        group.check()?;
    }
    for client in &config.clients {
        client.check_client()?;
    }
    for (index, group) in all().enumerate() {
        let others = all().take(index);
        if others.into_iter().any(|other| other.id() == group.id()) {
            let name = group.name.to_string();
            return Err(ConfigError::DuplicateGroup { name });
        }
    }
    Ok(())
}

fn check_name(what: &'static str, name: &str) -> Result<(), ConfigError> {
    let has_length = !name.is_empty() && name.len() <= NAME_LEN_MAX;
    if has_length && archipelago_core::wire::is_plain_text(name) {
        return Ok(());
    }
    let name = name.to_owned();
    Err(ConfigError::Name { what, name })
}
