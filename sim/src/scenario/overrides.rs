//! Values of a file replaced before it is read: what sweeps vary and what a command line sets.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ScenarioError, line_of};

/// Puts each value where its dotted path says; a number in the path is a place in a list.
pub(super) fn apply<'d>(
    text: &str,
    document: &mut Spanned<DeTable<'d>>,
    replaced: &'d [(String, String)],
) -> Result<(), ScenarioError> {
    for (path, source) in replaced {
        let parsed = DeValue::parse(source).map_err(|error| {
            let problem = format!("`{path} = {source}`: {}", error.message().trim());
            ScenarioError::new(1, problem, "allowed: a value as TOML writes it")
        })?;
        put(text, document, path, parsed.into_inner())?;
    }
    Ok(())
}

fn put<'d>(
    text: &str,
    document: &mut Spanned<DeTable<'d>>,
    path: &str,
    value: DeValue<'d>,
) -> Result<(), ScenarioError> {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut span = document.span();
    let mut table = document.get_mut();
    let mut steps = parents
        .split('.')
        .filter(|step| !step.is_empty())
        .peekable();
    while let Some(step) = steps.next() {
        let key = Spanned::new(span.clone(), step.to_owned().into());
        let entry = table
            .entry(key)
            .or_insert_with(|| Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
        span = entry.span();
        let item = place(entry, steps.peek().copied());
        if matches!(item, Place::Item(_)) {
            steps.next();
        }
        let (Place::Itself(found) | Place::Item(found)) = item;
        table = match found.map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => inner,
            _ => {
                let problem = format!("`{path}`: there is no table at `{step}`");
                let line = line_of(text, span.start);
                return Err(ScenarioError::new(
                    line,
                    problem,
                    "allowed: the path of a value",
                ));
            }
        };
    }
    let key = Spanned::new(span.clone(), last.to_owned().into());
    let span = table.get(last).map_or(span, Spanned::span);
    table.insert(key, Spanned::new(span, value));
    Ok(())
}

/// Where a step leads.
enum Place<'t, 'i> {
    Itself(Option<&'t mut Spanned<DeValue<'i>>>),
    /// The next step was the place in a list.
    Item(Option<&'t mut Spanned<DeValue<'i>>>),
}

fn place<'t, 'i>(entry: &'t mut Spanned<DeValue<'i>>, next: Option<&str>) -> Place<'t, 'i> {
    if !entry.get_ref().is_array() {
        return Place::Itself(Some(entry));
    }
    let index = next.and_then(|next| next.parse::<usize>().ok());
    let item = match (entry.get_mut(), index) {
        (DeValue::Array(array), Some(index)) => array.get_mut(index),
        _ => None,
    };
    Place::Item(item)
}
