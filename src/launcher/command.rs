//! Starting processes by a command of the user's: `ssh`, a container's, a batch system's.
//!
//! The template is an argument vector. `{name}` inside an argument stands for the program's name;
//! an argument that is `{command}` stands for all of the program's arguments. What the command is
//! given may be read by a shell on the other side, as `ssh` does: so arguments may consist of
//! letters, digits and `_ - . / : = @ , +` only, and anything else is refused, not quoted.

use super::{LaunchError, Launched, Launcher, LocalLauncher, Program};

/// A launcher that runs a command in place of each program. The command is the process that is
/// watched and signalled: it is to live as long as what it started, and to end it when it ends
/// (`ssh -tt` does).
#[derive(Debug)]
pub struct CommandTemplate {
    template: Vec<String>,
    local: LocalLauncher,
}

/// A template, or what was to be filled in, is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// It has no place for the program.
    #[error("the template needs an argument that is {{command}}")]
    NoCommand,
    /// A shell on the other side might read more into it.
    #[error("{0:?} cannot be handed on safely: letters, digits and _-./:=@,+ only")]
    Unsafe(String),
}

impl CommandTemplate {
    /// A launcher by the command `template`, the program first.
    ///
    /// # Errors
    /// [`TemplateError::NoCommand`].
    pub fn new(template: Vec<String>) -> Result<Self, TemplateError> {
        if !template.iter().skip(1).any(|one| one == "{command}") {
            return Err(TemplateError::NoCommand);
        }
        let local = LocalLauncher::new();
        Ok(Self { template, local })
    }

    fn fill(&self, program: &Program) -> Result<Vec<String>, TemplateError> {
        let name = [&program.name].into_iter();
        if let Some(bad) = name.chain(&program.arguments).find(|one| !is_plain(one)) {
            return Err(TemplateError::Unsafe(bad.clone()));
        }
        let mut filled = Vec::new();
        for argument in &self.template {
            if argument == "{command}" {
                filled.extend(program.arguments.iter().cloned());
            } else {
                filled.push(argument.replace("{name}", &program.name));
            }
        }
        Ok(filled)
    }
}

fn is_plain(argument: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@,+".contains(c);
    !argument.is_empty() && argument.chars().all(is_plain)
}

impl Launcher for CommandTemplate {
    fn launch(&self, program: &Program) -> Result<Launched, LaunchError> {
        self.local.launch(&Program {
            arguments: self.fill(program)?,
            ..program.clone()
        })
    }

    fn reap(&self) {
        self.local.reap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings<const N: usize>(all: [&str; N]) -> Vec<String> {
        all.map(str::to_owned).to_vec()
    }

    #[test]
    fn templates_are_filled_by_argument() {
        let template = strings(["ssh", "-tt", "{name}.example", "nice", "{command}"]);
        let template = CommandTemplate::new(template).unwrap();
        let program = |arguments| Program {
            name: "a-1".to_owned(),
            arguments,
            log: "log".into(),
        };
        let filled = template.fill(&program(strings(["archipelago", "node", "a-1.json"])));
        let expected = [
            "ssh",
            "-tt",
            "a-1.example",
            "nice",
            "archipelago",
            "node",
            "a-1.json",
        ];
        assert_eq!(filled, Ok(strings(expected)));
        for evil in [
            "; rm -rf /",
            "$(id)",
            "`id`",
            "a b",
            "a\nb",
            "",
            "'",
            "{command}",
        ] {
            let filled = template.fill(&program(strings(["archipelago", evil])));
            assert_eq!(filled, Err(TemplateError::Unsafe(evil.to_owned())));
        }
    }

    #[test]
    fn a_template_without_a_place_for_the_program_is_refused() {
        let made = CommandTemplate::new(strings(["{command}"]));
        assert_eq!(made.err(), Some(TemplateError::NoCommand));
    }
}
