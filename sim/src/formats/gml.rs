//! GML: lists of keys and values in square brackets.
//!
//! Values of lists within a node or an edge get dotted names (`graphics.x`).
//! Source: M. Himsolt, GML: A portable Graph File Format, Passau 1997.

use super::{Attributes, FormatError, Graph, excerpt};

/// How deep lists may be nested.
const DEPTH_MAX: usize = 32;
const REMEDY: &str = "expected is GML: graph [ node [ id 0 ] edge [ source 0 target 1 ] ]";

/// Reads a graph.
///
/// # Errors
/// [`FormatError`] with the line for brackets that do not match, keys without values, nodes without
/// an id, edges to unknown nodes, lists nested deeper than 32, and for too much of anything.
pub fn read(text: &str) -> Result<Graph, FormatError> {
    let mut reader = Reader::default();
    let mut tokens = Tokens { text, line: 1 };
    while let Some((line, token)) = tokens.next()? {
        match token {
            Token::Close => reader.close(line)?,
            Token::Word(key) => {
                let Some((line, value)) = tokens.next()? else {
                    let problem = format!("key '{}' without a value", excerpt(key));
                    return Err(FormatError::line(line, problem, REMEDY));
                };
                reader.pair(key, value, line)?;
            }
            Token::Open | Token::Text(_) => {
                return Err(FormatError::line(line, "a value without a key", REMEDY));
            }
        }
    }
    reader.finish(tokens.line)
}

enum Token<'a> {
    Open,
    Close,
    Word(&'a str),
    Text(&'a str),
}

struct Tokens<'a> {
    text: &'a str,
    line: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<(usize, Token<'a>)>, FormatError> {
        self.skip_blanks();
        let Some(first) = self.text.chars().next() else {
            return Ok(None);
        };
        let line = self.line;
        let token = match first {
            '[' => self.take(1, Token::Open),
            ']' => self.take(1, Token::Close),
            '"' => self.quoted()?,
            _ => {
                let is_end = |letter: char| letter.is_whitespace() || "[]\"".contains(letter);
                let len = self.text.find(is_end).unwrap_or(self.text.len());
                let (word, rest) = self.text.split_at(len);
                self.text = rest;
                Token::Word(word)
            }
        };
        Ok(Some((line, token)))
    }

    fn take(&mut self, len: usize, token: Token<'a>) -> Token<'a> {
        self.text = self.text.get(len..).unwrap_or_default();
        token
    }

    fn quoted(&mut self) -> Result<Token<'a>, FormatError> {
        let inner = self.text.get(1..).unwrap_or_default();
        let Some((text, rest)) = inner.split_once('"') else {
            let problem = "a quotation that does not end";
            return Err(FormatError::line(self.line, problem, "close it by \""));
        };
        self.line += text.matches('\n').count();
        self.text = rest;
        Ok(Token::Text(text))
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.text.trim_start();
            let blank = self.text.len() - rest.len();
            let (skipped, _) = self.text.split_at(blank);
            self.line += skipped.matches('\n').count();
            self.text = rest;
            if !rest.starts_with('#') {
                return;
            }
            self.text = rest.find('\n').map_or("", |end| rest.split_at(end).1);
        }
    }
}

#[derive(Default)]
struct Reader<'a> {
    graph: Graph,
    path: Vec<&'a str>,
    /// What the node or edge under way says about itself, and where it began.
    current: Attributes,
    line: usize,
    edges: Vec<(usize, Attributes)>,
}

impl<'a> Reader<'a> {
    fn pair(&mut self, key: &'a str, value: Token<'a>, line: usize) -> Result<(), FormatError> {
        match value {
            Token::Open => self.open(key, line),
            Token::Word(value) => {
                self.value(key, value.to_owned());
                Ok(())
            }
            Token::Text(value) => {
                self.value(key, unescape(value));
                Ok(())
            }
            Token::Close => {
                let problem = format!("key '{}' without a value", excerpt(key));
                Err(FormatError::line(line, problem, REMEDY))
            }
        }
    }

    fn open(&mut self, key: &'a str, line: usize) -> Result<(), FormatError> {
        if self.path.len() >= DEPTH_MAX {
            let problem = format!("lists nested deeper than {DEPTH_MAX}");
            return Err(FormatError::line(line, problem, REMEDY));
        }
        self.path.push(key);
        if self.is_item() {
            self.current.clear();
            self.line = line;
        }
        Ok(())
    }

    fn close(&mut self, line: usize) -> Result<(), FormatError> {
        if self.is_item() {
            let attributes = std::mem::take(&mut self.current);
            if self.path.last() == Some(&"node") {
                self.node(attributes)?;
            } else {
                self.edges.push((self.line, attributes));
            }
        }
        match self.path.pop() {
            Some(_) => Ok(()),
            None => Err(FormatError::line(line, "a ] too many", REMEDY)),
        }
    }

    /// Whether the innermost list is a node or an edge.
    fn is_item(&self) -> bool {
        matches!(self.path.as_slice(), ["graph", "node" | "edge"])
    }

    fn value(&mut self, key: &str, value: String) {
        match self.path.as_slice() {
            ["graph"] if key == "directed" => self.graph.is_directed = value == "1",
            ["graph"] => {
                self.graph.attributes.insert(key.to_owned(), value);
            }
            ["graph", "node" | "edge", inner @ ..] => {
                let mut name = inner.join(".");
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(key);
                self.current.insert(name, value);
            }
            _ => {}
        }
    }

    fn node(&mut self, mut attributes: Attributes) -> Result<(), FormatError> {
        let Some(id) = attributes.remove("id") else {
            return Err(FormatError::line(self.line, "a node without an id", REMEDY));
        };
        if self.graph.place(&id).is_some() {
            let problem = format!("a second node {}", excerpt(&id));
            return Err(FormatError::line(self.line, problem, REMEDY));
        }
        let place = self.graph.vertex(&id)?;
        if let Some(slot) = self.graph.attributes_mut(place) {
            *slot = attributes;
        }
        Ok(())
    }

    /// Edges may stand before their nodes, so they are joined up at the end.
    fn finish(mut self, line: usize) -> Result<Graph, FormatError> {
        if !self.path.is_empty() {
            return Err(FormatError::line(
                line,
                "the text ends inside a list",
                REMEDY,
            ));
        }
        for (line, mut attributes) in std::mem::take(&mut self.edges) {
            let from = self.end(attributes.remove("source"), line)?;
            let to = self.end(attributes.remove("target"), line)?;
            self.graph.edge(from, to, attributes)?;
        }
        if self.graph.vertices().is_empty() {
            return Err(FormatError::whole("no node", REMEDY));
        }
        Ok(self.graph)
    }

    fn end(&self, id: Option<String>, line: usize) -> Result<usize, FormatError> {
        let id = id.ok_or_else(|| FormatError::line(line, "an edge without both ends", REMEDY))?;
        self.graph.place(&id).ok_or_else(|| {
            let problem = format!("no node {} for this edge", excerpt(&id));
            FormatError::line(line, problem, REMEDY)
        })
    }
}

fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    text.replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
