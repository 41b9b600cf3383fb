//! Predicates from texts: a recursive descent whose depth, length and size are bounded.
//!
//! ```text
//! either  = all { "||" all }
//! all     = not { "&&" not }
//! not     = "!" not | "(" either ")" | "true" | "false" | name [ relation literal ]
//! ```
//! Cost: linear in the text.

use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::Arc;

use archipelago_core::wire::{Finite, Value, is_plain_text};
use bytes::Bytes;

use super::predicate::{Predicate, Relation};

/// Longest text of a predicate in bytes.
pub const PREDICATE_BYTES_MAX: usize = 4_096;
/// Deepest nesting of `!` and parentheses.
pub const PREDICATE_DEPTH_MAX: usize = 32;
/// Most names and comparisons.
pub const PREDICATE_TERMS_MAX: usize = 256;

/// Why a text is no predicate, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {position}: {fault}")]
pub struct PredicateError {
    /// Bytes before what is wrong.
    pub position: usize,
    /// What is wrong.
    pub fault: PredicateFault,
}

/// What is wrong with a predicate's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PredicateFault {
    /// The text is longer than 4,096 bytes.
    #[error("a predicate has at most {PREDICATE_BYTES_MAX} bytes")]
    TooLong,
    /// More than 32 levels.
    #[error("at most {PREDICATE_DEPTH_MAX} levels of `!` and parentheses are allowed")]
    TooDeep,
    /// More than 256 terms.
    #[error("at most {PREDICATE_TERMS_MAX} names and comparisons are allowed")]
    TooManyTerms,
    /// Neither a name nor `!` nor `(`.
    #[error("expected an attribute's name, `!` or `(`")]
    Term,
    /// Something stands behind a complete predicate.
    #[error("expected `&&`, `||` or the end")]
    Joint,
    /// A `(` is not closed.
    #[error("expected `)`")]
    Parenthesis,
    /// Something like `=` or `&`.
    #[error("no such sign: there are `==`, `!=`, `<`, `<=`, `>`, `>=`, `&&`, `||`, `!`")]
    Sign,
    /// Behind a relation stands no literal.
    #[error("expected `true`, `false`, a number or a text in double quotes")]
    Literal,
    /// A number that does not fit.
    #[error("a number that is too large, or none")]
    Number,
    /// A text or a name in backquotes without an end, or with what may not stand in it.
    #[error("a text or a quoted name that does not end, is empty, too long or not plain")]
    Quoted,
}

/// Reads a predicate.
pub(super) fn predicate(text: &str) -> Result<Predicate, PredicateError> {
    if text.len() > PREDICATE_BYTES_MAX {
        return Err(PredicateError {
            position: PREDICATE_BYTES_MAX,
            fault: PredicateFault::TooLong,
        });
    }
    let mut parser = Parser {
        text,
        chars: text.char_indices().peekable(),
        depth: 0,
        terms: 0,
    };
    let predicate = parser.either()?;
    match parser.peek() {
        None => Ok(predicate),
        Some(_) => Err(parser.fault(PredicateFault::Joint)),
    }
}

struct Parser<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    depth: usize,
    terms: usize,
}

type Parsed<T> = Result<T, PredicateError>;

impl Parser<'_> {
    fn either(&mut self) -> Parsed<Predicate> {
        let mut all = vec![self.all()?];
        while self.take_joint('|')? {
            all.push(self.all()?);
        }
        Ok(single_or(all, Predicate::Either))
    }

    fn all(&mut self) -> Parsed<Predicate> {
        let mut all = vec![self.not()?];
        while self.take_joint('&')? {
            all.push(self.not()?);
        }
        Ok(single_or(all, Predicate::All))
    }

    fn not(&mut self) -> Parsed<Predicate> {
        match self.peek() {
            Some('!') => self.nested(|parser| Ok(Predicate::Not(Box::new(parser.not()?)))),
            Some('(') => self.nested(|parser| {
                let inner = parser.either()?;
                if parser.peek() != Some(')') {
                    return Err(parser.fault(PredicateFault::Parenthesis));
                }
                parser.chars.next();
                Ok(inner)
            }),
            _ => self.term(),
        }
    }

    /// Takes a sign, and what it opens one level deeper.
    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<Predicate>) -> Parsed<Predicate> {
        if self.depth >= PREDICATE_DEPTH_MAX {
            return Err(self.fault(PredicateFault::TooDeep));
        }
        self.chars.next();
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn term(&mut self) -> Parsed<Predicate> {
        if self.terms >= PREDICATE_TERMS_MAX {
            return Err(self.fault(PredicateFault::TooManyTerms));
        }
        self.terms += 1;
        let name = match self.peek() {
            Some('`') => self.quoted('`')?,
            Some(first) if first.is_ascii_alphabetic() || first == '_' || first == ':' => {
                self.word().to_owned()
            }
            _ => return Err(self.fault(PredicateFault::Term)),
        };
        if name.is_empty() || name.len() > 255 {
            return Err(self.fault(PredicateFault::Quoted));
        }
        let Some(relation) = self.relation()? else {
            return Ok(match name.as_str() {
                "true" => Predicate::Any,
                "false" => Predicate::Either(Vec::new()),
                _ => Predicate::Has(Bytes::from(name)),
            });
        };
        Ok(Predicate::Compare {
            attribute: Bytes::from(name),
            relation,
            value: self.literal()?,
        })
    }

    fn relation(&mut self) -> Parsed<Option<Relation>> {
        let Some(first @ ('=' | '!' | '<' | '>')) = self.peek() else {
            return Ok(None);
        };
        let at = self.position();
        self.chars.next();
        let is_double = self.chars.next_if(|&(_, c)| c == '=').is_some();
        Ok(Some(match (first, is_double) {
            ('=', true) => Relation::Equal,
            ('!', true) => Relation::NotEqual,
            ('<', false) => Relation::Less,
            ('<', true) => Relation::AtMost,
            ('>', false) => Relation::Greater,
            ('>', true) => Relation::AtLeast,
            _ => return Err(fault_at(at, PredicateFault::Sign)),
        }))
    }

    fn literal(&mut self) -> Parsed<Value> {
        match self.peek() {
            Some('"') => {
                let at = self.position();
                let text: Arc<str> = self.quoted('"')?.into();
                let is_fine = text.len() <= Value::TEXT_BYTES_MAX && is_plain_text(&text);
                let fault = fault_at(at, PredicateFault::Quoted);
                is_fine.then_some(Value::Text(text)).ok_or(fault)
            }
            Some(first) if first.is_ascii_digit() || matches!(first, '-' | '+' | '.') => {
                self.number()
            }
            _ => {
                let at = self.position();
                match self.word() {
                    "true" => Ok(Value::Bool(true)),
                    "false" => Ok(Value::Bool(false)),
                    _ => Err(fault_at(at, PredicateFault::Literal)),
                }
            }
        }
    }

    fn number(&mut self) -> Parsed<Value> {
        let start = self.position();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
        while self.chars.next_if(|&(_, c)| is_part(c)).is_some() {}
        let text = self.text.get(start..self.position()).unwrap_or_default();
        if let Ok(whole) = text.parse::<i64>() {
            return Ok(Value::Int(whole));
        }
        // A whole number that does not fit is not rounded behind the user's back.
        let is_broken = text.contains(['.', 'e', 'E']);
        let broken = text.parse().ok().filter(|_| is_broken);
        let value = broken.and_then(Finite::new).map(Value::Float);
        value.ok_or(fault_at(start, PredicateFault::Number))
    }

    fn word(&mut self) -> &str {
        let start = self.position();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        while self.chars.next_if(|&(_, c)| is_part(c)).is_some() {}
        let end = self.position();
        self.text.get(start..end).unwrap_or_default()
    }

    /// What stands between two of `mark`, escapes resolved.
    fn quoted(&mut self, mark: char) -> Parsed<String> {
        let fault = self.fault(PredicateFault::Quoted);
        self.chars.next();
        let mut text = String::new();
        while let Some((_, c)) = self.chars.next() {
            match c {
                c if c == mark => return Ok(text),
                '\\' => match self.chars.next() {
                    Some((_, c)) if c == mark || c == '\\' => text.push(c),
                    _ => return Err(fault),
                },
                c => text.push(c),
            }
        }
        Err(fault)
    }

    /// Takes a doubled sign, if one stands here.
    fn take_joint(&mut self, sign: char) -> Parsed<bool> {
        if self.peek() != Some(sign) {
            return Ok(false);
        }
        let at = self.position();
        self.chars.next();
        let second = self.chars.next_if(|&(_, c)| c == sign);
        second
            .map(|_| true)
            .ok_or(fault_at(at, PredicateFault::Sign))
    }

    /// The next character that is no blank.
    fn peek(&mut self) -> Option<char> {
        while self
            .chars
            .next_if(|&(_, c)| c.is_ascii_whitespace())
            .is_some()
        {}
        self.chars.peek().map(|&(_, c)| c)
    }

    fn position(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |&(at, _)| at)
    }

    fn fault(&mut self, fault: PredicateFault) -> PredicateError {
        fault_at(self.position(), fault)
    }
}

const fn fault_at(position: usize, fault: PredicateFault) -> PredicateError {
    PredicateError { position, fault }
}

fn single_or(mut all: Vec<Predicate>, join: fn(Vec<Predicate>) -> Predicate) -> Predicate {
    if all.len() > 1 {
        return join(all);
    }
    all.pop().unwrap_or_default()
}
