//! DOT, the language of Graphviz: nodes, chains of edges, attributes, subgraphs read as one graph.
//!
//! Defaults by `node [..]` and `edge [..]` are passed over, and so are ports. An edge from or to a
//! whole subgraph is refused: write its pairs out.
//! Source: the grammar in Graphviz' documentation, "DOT Language".

use std::fmt::Write;

use super::{Attributes, FormatError, Graph, excerpt};

/// How deep subgraphs may be nested.
const DEPTH_MAX: usize = 64;
const REMEDY: &str = "expected is DOT: graph { a -- b [delay=3]; }";

/// Reads a graph.
///
/// # Errors
/// [`FormatError`] with the line for what is no DOT, and for too much of anything.
pub fn read(text: &str) -> Result<Graph, FormatError> {
    let tokens = Lexer::new(text).collect()?;
    let mut parser = Parser {
        tokens: &tokens,
        next: 0,
        graph: Graph::default(),
    };
    parser.header()?;
    parser.statements()?;
    if parser.graph.vertices().is_empty() {
        return Err(FormatError::whole("no node", REMEDY));
    }
    Ok(parser.graph)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Id(String),
    /// One of `{}[];,=:`.
    Mark(char),
    /// `--` or `->`.
    Arrow,
}

struct Lexer<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            letters: text.chars().peekable(),
            line: 1,
        }
    }

    fn collect(mut self) -> Result<Vec<(usize, Token)>, FormatError> {
        let mut tokens = Vec::new();
        while let Some(letter) = self.advance() {
            let line = self.line;
            let token = match letter {
                _ if letter.is_whitespace() => continue,
                '#' => {
                    self.skip_line();
                    continue;
                }
                '/' => {
                    self.comment()?;
                    continue;
                }
                '{' | '}' | '[' | ']' | ';' | ',' | '=' | ':' => Token::Mark(letter),
                // Pieces of a text that is put together.
                '+' => continue,
                '"' => Token::Id(self.quoted()?),
                '<' => Token::Id(self.html()?),
                '-' => self.dash(),
                _ if is_word(letter) => Token::Id(self.word(letter)),
                _ => {
                    let problem = format!("'{}' here", letter.escape_default());
                    return Err(FormatError::line(line, problem, REMEDY));
                }
            };
            tokens.push((line, token));
        }
        Ok(tokens)
    }

    fn advance(&mut self) -> Option<char> {
        let letter = self.letters.next();
        self.line += usize::from(letter == Some('\n'));
        letter
    }

    fn skip_line(&mut self) {
        while self.advance().is_some_and(|letter| letter != '\n') {}
    }

    fn comment(&mut self) -> Result<(), FormatError> {
        match self.advance() {
            Some('/') => self.skip_line(),
            Some('*') => {
                let mut last = ' ';
                loop {
                    match self.advance() {
                        Some('/') if last == '*' => break,
                        Some(letter) => last = letter,
                        None => return Err(self.open("comment")),
                    }
                }
            }
            _ => return Err(FormatError::line(self.line, "a lone '/'", REMEDY)),
        }
        Ok(())
    }

    fn quoted(&mut self) -> Result<String, FormatError> {
        let mut text = String::new();
        loop {
            match self.advance() {
                Some('"') => return Ok(text),
                Some('\\') => match self.advance() {
                    Some('"') => text.push('"'),
                    Some('\\') => text.push('\\'),
                    Some('\n') => {}
                    Some(letter) => text.extend(['\\', letter]),
                    None => return Err(self.open("quotation")),
                },
                Some(letter) => text.push(letter),
                None => return Err(self.open("quotation")),
            }
        }
    }

    fn html(&mut self) -> Result<String, FormatError> {
        let (mut text, mut depth) = (String::new(), 1usize);
        loop {
            match self.advance() {
                Some('>') if depth == 1 => return Ok(text),
                Some(letter) => {
                    depth += usize::from(letter == '<');
                    depth -= usize::from(letter == '>');
                    text.push(letter);
                }
                None => return Err(self.open("HTML text")),
            }
        }
    }

    /// An arrow, or the sign of a number.
    fn dash(&mut self) -> Token {
        if matches!(self.letters.peek(), Some('-' | '>')) {
            self.advance();
            return Token::Arrow;
        }
        Token::Id(self.word('-'))
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(&letter) = self.letters.peek().filter(|&&letter| is_word(letter)) {
            word.push(letter);
            self.advance();
        }
        word
    }

    fn open(&self, what: &str) -> FormatError {
        let problem = format!("a {what} that does not end");
        FormatError::line(self.line, problem, "close it")
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '.'
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    next: usize,
    graph: Graph,
}

impl Parser<'_> {
    fn header(&mut self) -> Result<(), FormatError> {
        let mut word = self.id();
        if word
            .as_deref()
            .is_some_and(|it| it.eq_ignore_ascii_case("strict"))
        {
            word = self.id();
        }
        let word = word.unwrap_or_default().to_ascii_lowercase();
        match word.as_str() {
            "graph" => {}
            "digraph" => self.graph.is_directed = true,
            _ => return Err(self.error("no 'graph' or 'digraph' at the beginning")),
        }
        if let Some(name) = self.id() {
            self.graph.attributes.insert("name".to_owned(), name);
        }
        self.expect('{')
    }

    fn statements(&mut self) -> Result<(), FormatError> {
        let mut depth = 1;
        while depth > 0 {
            match self.peek().cloned() {
                Some(Token::Mark('{')) => {
                    self.next += 1;
                    depth += 1;
                }
                Some(Token::Mark('}')) => {
                    self.next += 1;
                    depth -= 1;
                    if depth > 0 && self.peek() == Some(&Token::Arrow) {
                        return Err(self.error("an edge from a whole subgraph"));
                    }
                }
                Some(Token::Mark(';' | ',')) => self.next += 1,
                Some(Token::Id(word)) => {
                    self.next += 1;
                    self.statement(word)?;
                }
                Some(_) => return Err(self.error("no statement here")),
                None => return Err(self.error("the text ends inside the graph")),
            }
            if depth > DEPTH_MAX {
                return Err(self.error("subgraphs nested too deep"));
            }
        }
        Ok(())
    }

    fn statement(&mut self, word: String) -> Result<(), FormatError> {
        let is_default = ["graph", "node", "edge"]
            .iter()
            .any(|keyword| word.eq_ignore_ascii_case(keyword));
        if is_default && self.peek() == Some(&Token::Mark('[')) {
            return self.attributes().map(drop);
        }
        if word.eq_ignore_ascii_case("subgraph") {
            let _name = self.id();
            return Ok(());
        }
        if self.accept('=') {
            let value = self.id().ok_or_else(|| self.error("nothing behind '='"))?;
            self.graph.attributes.insert(word, value);
            return Ok(());
        }
        self.chain(word)
    }

    /// A node, or edges from one to the next.
    fn chain(&mut self, first: String) -> Result<(), FormatError> {
        self.port()?;
        let mut places = vec![self.graph.vertex(&first)?];
        while self.peek() == Some(&Token::Arrow) {
            self.next += 1;
            let Some(name) = self.id().filter(|name| name != "subgraph") else {
                return Err(self.error("an edge to no node, or to a whole subgraph"));
            };
            self.port()?;
            places.push(self.graph.vertex(&name)?);
        }
        let attributes = self.attributes()?;
        if let [only] = places.as_slice() {
            if let Some(slot) = self.graph.attributes_mut(*only) {
                slot.extend(attributes);
            }
            return Ok(());
        }
        for (from, to) in places.iter().zip(places.iter().skip(1)) {
            self.graph.edge(*from, *to, attributes.clone())?;
        }
        Ok(())
    }

    fn port(&mut self) -> Result<(), FormatError> {
        while self.accept(':') {
            if self.id().is_none() {
                return Err(self.error("nothing behind ':'"));
            }
        }
        Ok(())
    }

    fn attributes(&mut self) -> Result<Attributes, FormatError> {
        let mut attributes = Attributes::new();
        while self.accept('[') {
            while !self.accept(']') {
                if self.accept(';') || self.accept(',') {
                    continue;
                }
                let name = self.id().ok_or_else(|| self.error("no attribute's name"))?;
                let value = if self.accept('=') {
                    self.id().ok_or_else(|| self.error("nothing behind '='"))?
                } else {
                    "true".to_owned()
                };
                attributes.insert(name, value);
            }
        }
        Ok(attributes)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn accept(&mut self, mark: char) -> bool {
        let is_there = self.peek() == Some(&Token::Mark(mark));
        self.next += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, mark: char) -> Result<(), FormatError> {
        if self.accept(mark) {
            return Ok(());
        }
        Err(self.error(&format!("no '{mark}' here")))
    }

    fn id(&mut self) -> Option<String> {
        let Some(Token::Id(id)) = self.peek() else {
            return None;
        };
        let id = id.clone();
        self.next += 1;
        Some(id)
    }

    fn error(&self, problem: &str) -> FormatError {
        let token = self.tokens.get(self.next).or(self.tokens.last());
        let line = token.map_or(1, |(line, _)| *line);
        FormatError::line(line, excerpt(problem), REMEDY)
    }
}

/// Writes a graph.
pub fn write(graph: &Graph) -> String {
    let (word, arrow) = if graph.is_directed {
        ("digraph", "->")
    } else {
        ("graph", "--")
    };
    let mut out = format!("{word} {{\n");
    for (name, value) in &graph.attributes {
        let _ = writeln!(out, "  {}={};", quote(name), quote(value));
    }
    for vertex in graph.vertices() {
        let _ = writeln!(
            out,
            "  {}{};",
            quote(&vertex.name),
            list(&vertex.attributes)
        );
    }
    for edge in graph.edges() {
        let name = |place: usize| graph.vertices().get(place).map(|it| quote(&it.name));
        let (from, to) = (name(edge.from), name(edge.to));
        let (from, to) = (from.unwrap_or_default(), to.unwrap_or_default());
        let _ = writeln!(out, "  {from} {arrow} {to}{};", list(&edge.attributes));
    }
    out.push_str("}\n");
    out
}

fn list(attributes: &Attributes) -> String {
    if attributes.is_empty() {
        return String::new();
    }
    let items = attributes.iter();
    let items: Vec<String> = items
        .map(|(name, value)| format!("{}={}", quote(name), quote(value)))
        .collect();
    format!(" [{}]", items.join(", "))
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
