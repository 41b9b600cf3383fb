//! One table of the file, read key by key: every refusal names the line and what is allowed.
//!
//! The values keep their places (`toml`'s spans). A table says first which keys it may have, so a
//! misspelt one is never ignored.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::error::{ScenarioError, line_of};

/// Longest span of virtual time that a file may name.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);
/// What a span of time looks like.
const DURATIONS: &str = "allowed: a number and a unit in quotes, such as \"250us\", \"20ms\", \"1.5s\", \"2min\" or \"1h\"";

/// One table of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a> {
    text: &'a str,
    name: &'a str,
    start: usize,
    table: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(super) fn root(text: &'a str, table: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            text,
            name: "the file",
            start: 0,
            table: table.get_ref(),
        }
    }

    /// Where the table begins.
    pub(super) fn line(&self) -> usize {
        line_of(self.text, self.start)
    }

    /// Refuses keys that are not among `allowed`.
    pub(super) fn only(&self, allowed: &[&str]) -> Result<(), ScenarioError> {
        let stray = self
            .table
            .iter()
            .find(|(key, _)| !allowed.contains(&key.get_ref().as_ref()));
        match stray {
            None => Ok(()),
            Some((key, _)) => Err(ScenarioError::new(
                line_of(self.text, key.span().start),
                format!("{} has no key `{}`", self.name, key.get_ref()),
                format!("allowed: {}", allowed.join(", ")),
            )),
        }
    }

    /// The line of a key, or of the table where it has none.
    pub(super) fn line_at(&self, key: &str) -> usize {
        let value = self.value(key);
        value.map_or(self.line(), |value| line_of(self.text, value.span().start))
    }

    /// Whether there is such a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// All keys, in the order of their names.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.table.keys().map(|key| key.get_ref().as_ref())
    }

    /// A refusal at a key.
    pub(super) fn wrong(
        &self,
        key: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ScenarioError {
        ScenarioError::new(self.line_at(key), problem, remedy)
    }

    /// The refusal of a key that must be there.
    pub(super) fn missing(&self, key: &str, allowed: &str) -> ScenarioError {
        let problem = format!("{} needs `{key}`", self.name);
        ScenarioError::new(self.line(), problem, allowed)
    }

    /// The raw value, with its place.
    pub(super) fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// This table as a value that `serde` reads, and that checks itself.
    pub(super) fn read_as<T: DeserializeOwned>(&self) -> Result<T, ScenarioError> {
        let value = DeValue::Table(self.table.clone());
        let spanned = Spanned::new(self.start..self.start, value);
        T::deserialize(ValueDeserializer::from(spanned))
            .map_err(|error| ScenarioError::unfit(self.text, self.start, &error))
    }

    /// The text of a value as it stands in the file.
    pub(super) fn source(&self, value: &Spanned<DeValue<'_>>) -> &'a str {
        self.text.get(value.span()).unwrap_or_default()
    }

    /// A table in this one.
    pub(super) fn table(&self, key: &'a str) -> Result<Option<Table<'a>>, ScenarioError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::Table(table) => Ok(Some(self.inner(key, value.span().start, table))),
            other => Err(self.wrong(
                key,
                format!("`{key}` is {}", kind(other)),
                format!("write a table `[{key}]`"),
            )),
        }
    }

    /// The tables of a list `[[key]]`.
    pub(super) fn tables(&self, key: &'a str) -> Result<Vec<Table<'a>>, ScenarioError> {
        let Some(value) = self.value(key) else {
            return Ok(Vec::new());
        };
        let items = value.get_ref().as_array().map(|array| array.iter());
        let tables = items.and_then(|items| {
            items
                .map(|item| {
                    let table = item.get_ref().as_table()?;
                    Some(self.inner(key, item.span().start, table))
                })
                .collect::<Option<Vec<_>>>()
        });
        tables.ok_or_else(|| {
            self.wrong(
                key,
                format!("`{key}` is {}", kind(value.get_ref())),
                format!("write each one as a table of its own: `[[{key}]]`"),
            )
        })
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ScenarioError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.get_ref().as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(self.unfit(key, "allowed: a text in quotes")),
        }
    }

    /// One of several words.
    pub(super) fn one_of<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, ScenarioError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let word = value.get_ref().as_str();
        let found = words.iter().find(|(name, _)| word == Some(*name));
        match found {
            Some(&(_, meaning)) => Ok(Some(meaning)),
            None => Err(self.unfit(key, allowed_words(words))),
        }
    }

    /// One of several words, which must be there.
    pub(super) fn require_one_of<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<T, ScenarioError> {
        self.one_of(key, words)?
            .ok_or_else(|| self.missing(key, &allowed_words(words)))
    }

    /// Each element of a list of words.
    pub(super) fn words<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Option<Vec<T>>, ScenarioError> {
        let Some(items) = self.items(key)? else {
            return Ok(None);
        };
        let meanings = items.iter().map(|item| {
            let word = item.get_ref().as_str();
            let found = words.iter().find(|(name, _)| word == Some(*name));
            found.map(|&(_, meaning)| meaning).ok_or_else(|| {
                let problem = format!("`{key}` has {}", self.source(item));
                let line = line_of(self.text, item.span().start);
                ScenarioError::new(line, problem, allowed_words(words))
            })
        });
        meanings.collect::<Result<_, _>>().map(Some)
    }

    /// A list of numbers in a range.
    pub(super) fn integers(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<Vec<u64>>, ScenarioError> {
        let Some(items) = self.items(key)? else {
            return Ok(None);
        };
        let numbers = items.iter().map(|item| {
            let number = integer(item.get_ref()).filter(|number| range.contains(number));
            number.ok_or_else(|| {
                let problem = format!("`{key}` has {}", self.source(item));
                let line = line_of(self.text, item.span().start);
                ScenarioError::new(line, problem, allowed_integers(&range))
            })
        });
        numbers.collect::<Result<_, _>>().map(Some)
    }

    /// A list of texts.
    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ScenarioError> {
        let Some(items) = self.items(key)? else {
            return Ok(None);
        };
        let texts = items.iter().map(|item| {
            let text = item.get_ref().as_str().map(str::to_owned);
            text.ok_or_else(|| self.unfit(key, "allowed: a list of texts in quotes"))
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// A list.
    pub(super) fn items(
        &self,
        key: &str,
    ) -> Result<Option<Vec<&'a Spanned<DeValue<'a>>>>, ScenarioError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.get_ref().as_array() {
            Some(array) => Ok(Some(array.iter().collect())),
            None => Err(self.unfit(key, "allowed: a list in brackets")),
        }
    }

    /// A whole number in a range.
    pub(super) fn integer(
        &self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ScenarioError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let number = integer(value.get_ref()).filter(|number| range.contains(number));
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(self.unfit(key, allowed_integers(&range))),
        }
    }

    /// As [`Table::integer`], of 32 bits.
    pub(super) fn count(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, ScenarioError> {
        let wide = u64::from(*range.start())..=u64::from(*range.end());
        let number = self.integer(key, wide)?;
        Ok(number.map(|number| u32::try_from(number).unwrap_or(*range.end())))
    }

    /// As [`Table::count`], which must be there.
    pub(super) fn require_count(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
    ) -> Result<u32, ScenarioError> {
        let wide = u64::from(*range.start())..=u64::from(*range.end());
        self.count(key, range)?
            .ok_or_else(|| self.missing(key, &allowed_integers(&wide)))
    }

    /// A number in a range.
    pub(super) fn number(
        &self,
        key: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, ScenarioError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let number = match value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(_) => self.source(value).replace('_', "").parse().ok(),
            _ => None,
        };
        match number.filter(|number: &f64| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.unfit(
                key,
                format!(
                    "allowed: a number from {} to {}",
                    range.start(),
                    range.end()
                ),
            )),
        }
    }

    /// Yes or no.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, ScenarioError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.get_ref().as_bool() {
            Some(flag) => Ok(Some(flag)),
            None => Err(self.unfit(key, "allowed: true or false")),
        }
    }

    /// A span of time.
    pub(super) fn duration(&self, key: &str) -> Result<Option<Duration>, ScenarioError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let duration = value.get_ref().as_str().and_then(duration);
        match duration {
            Some(duration) => Ok(Some(duration)),
            None => Err(self.unfit(key, DURATIONS)),
        }
    }

    /// A span of time that is more than none.
    pub(super) fn period(&self, key: &str) -> Result<Option<Duration>, ScenarioError> {
        match self.duration(key)? {
            Some(Duration::ZERO) => Err(self.unfit(key, "allowed: more than no time")),
            other => Ok(other),
        }
    }

    /// A span of time, which must be there and more than none.
    pub(super) fn require_period(&self, key: &str) -> Result<Duration, ScenarioError> {
        self.period(key)?
            .ok_or_else(|| self.missing(key, DURATIONS))
    }

    fn unfit(&self, key: &str, allowed: impl Into<String>) -> ScenarioError {
        let written = self.value(key).map_or("", |value| self.source(value));
        let short: String = written.chars().take(60).collect();
        self.wrong(
            key,
            format!("`{key}` is {}", short.replace('\n', " ")),
            allowed,
        )
    }

    fn inner(&self, name: &'a str, start: usize, table: &'a DeTable<'a>) -> Self {
        Self {
            text: self.text,
            name,
            start,
            table,
        }
    }
}

/// Reads `"1.5s"` and its like.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
    let (number, unit) = text.split_at_checked(split)?;
    let scale_us = match unit.trim() {
        "us" | "µs" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "min" => 60e6,
        "h" => 3_600e6,
        _ => return None,
    };
    let micros = number.parse::<f64>().ok()? * scale_us;
    let is_fit = micros.is_finite() && micros >= 0.0;
    let duration = is_fit.then(|| Duration::from_secs_f64((micros / 1e6).min(1e12)))?;
    // To the microsecond, as virtual time is counted.
    let whole = Duration::from_micros(u64::try_from((duration.as_nanos() + 500) / 1_000).ok()?);
    (whole <= DURATION_MAX).then_some(whole)
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

fn allowed_words<T>(words: &[(&str, T)]) -> String {
    let names: Vec<_> = words
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    format!("allowed: {}", names.join(", "))
}

fn allowed_integers(range: &RangeInclusive<u64>) -> String {
    if *range.end() == u64::MAX {
        return format!("allowed: a whole number, at least {}", range.start());
    }
    format!(
        "allowed: a whole number from {} to {}",
        range.start(),
        range.end()
    )
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_have_a_number_and_a_unit() {
        assert_eq!(duration("250us"), Some(Duration::from_micros(250)));
        assert_eq!(duration("1.5s"), Some(Duration::from_millis(1_500)));
        assert_eq!(duration("2min"), Some(Duration::from_secs(120)));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        for wrong in [
            "",
            "5",
            "s",
            "-1s",
            "1.2.3s",
            "1 fortnight",
            "999999h",
            "µ",
            "1e9s",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
