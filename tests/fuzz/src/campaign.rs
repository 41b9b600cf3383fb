//! Feeds a target with its corpus and what changes make of it, for a number of cases or a time.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use archipelago_core::Rng;

use super::{Seen, Target, mutate};

/// Inputs that were news and are kept, at most.
const KEPT_MAX: usize = 4_096;

/// Turns of making a failing input shorter.
const SHRINKING_MAX: usize = 2_000;

/// Many inputs for one target.
#[derive(Debug)]
pub struct Campaign {
    target: &'static Target,
    rng: Rng,
    kept: Vec<Vec<u8>>,
    seen: BTreeSet<(u32, u32)>,
    cases: u64,
}

/// An input for which a promise does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    target: &'static str,
    input: Vec<u8>,
    message: String,
}

impl Campaign {
    /// The same seed gives the same inputs.
    pub fn new(target: &'static Target, seed: u64) -> Self {
        Self {
            target,
            rng: Rng::from_u64(seed),
            kept: Vec::new(),
            seen: BTreeSet::new(),
            cases: 0,
        }
    }

    /// Runs the corpus and every beginning of it, in strides.
    ///
    /// # Errors
    /// [`Failure`]: the first that was found, made short.
    pub fn run_corpus(&mut self) -> Result<(), Failure> {
        for mut input in (self.target.corpus)() {
            input.truncate(self.target.len_max);
            let stride = (input.len() / 32).max(1);
            for len in (0..input.len()).step_by(stride) {
                self.run_one(input[..len].to_vec())?;
            }
            self.run_one(input)?;
        }
        Ok(())
    }

    /// Runs one changed input.
    ///
    /// # Errors
    /// [`Failure`], likewise.
    pub fn run_next(&mut self) -> Result<(), Failure> {
        let mut any = || match self.kept.len() as u64 {
            0 => &[][..],
            len => &self.kept[self.rng.below(len) as usize],
        };
        let (parent, other) = (any(), any());
        let input = mutate::mutated(parent, other, self.target.len_max, &mut self.rng);
        self.run_one(input)
    }

    /// How many inputs were run.
    pub const fn cases(&self) -> u64 {
        self.cases
    }

    /// How many of them were news.
    pub const fn kept(&self) -> usize {
        self.kept.len()
    }

    fn run_one(&mut self, input: Vec<u8>) -> Result<(), Failure> {
        self.cases += 1;
        match run(self.target, &input) {
            Ok(seen) => {
                if seen.is_news_to(&mut self.seen) && self.kept.len() < KEPT_MAX {
                    self.kept.push(input);
                }
                Ok(())
            }
            Err(_) => Err(Failure::shortened(self.target, input)),
        }
    }
}

impl Failure {
    /// Leaves out pieces as long as it still fails.
    fn shortened(target: &'static Target, mut input: Vec<u8>) -> Self {
        let mut turns = 0;
        let mut piece_len = input.len().div_ceil(2);
        while piece_len > 0 {
            let mut at = 0;
            while at < input.len() && turns < SHRINKING_MAX {
                turns += 1;
                let mut shorter = input.clone();
                shorter.drain(at..(at + piece_len).min(input.len()));
                if run(target, &shorter).is_err() {
                    input = shorter;
                } else {
                    at += piece_len;
                }
            }
            piece_len /= 2;
        }
        let message = run(target, &input).map_or_else(text, |_| "it fails at times".to_owned());
        Self {
            target: target.name,
            input,
            message,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            input,
            message,
        } = self;
        writeln!(f, "{target}: {message}")?;
        write!(f, "command=echo ")?;
        for byte in input {
            write!(f, "{byte:02x}")?;
        }
        write!(
            f,
            " | xxd -r -p | cargo run -p archipelago-fuzz -- replay {target}"
        )
    }
}

impl std::error::Error for Failure {}

fn run(target: &Target, input: &[u8]) -> Result<Seen, Box<dyn Any + Send>> {
    let mut seen = Seen::default();
    catch_unwind(AssertUnwindSafe(|| (target.run)(input, &mut seen)))?;
    Ok(seen)
}

/// What a panic says.
fn text(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast_ref::<&str>()
            .map_or("a panic", |text| text)
            .to_owned(),
    }
}
