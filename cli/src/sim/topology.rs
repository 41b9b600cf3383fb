//! `archipelago sim topology FILE`: metrics and a picture, and nothing runs.

use std::path::PathBuf;

use archipelago_sim::metrics::{Adjacency, Summary};
use archipelago_sim::picture;
use archipelago_sim::report::{count, topology_page};

use super::{SimError, files, table};

/// Above so many nodes distances and betweenness are taken from a sample.
const EXACT_MAX: usize = 1_000;

/// Look at a scenario's topology without running it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The scenario.
    file: PathBuf,
    /// Replace the scenario's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Replace a value of the file, such as `topology.flat.size=50`; may be repeated.
    #[arg(long, value_name = "PATH=VALUE", value_parser = files::setting)]
    set: Vec<(String, String)>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Write a page with the picture.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) fn main(options: &Options) -> Result<bool, SimError> {
    let scenario = files::scenario(&options.file, &options.set)?;
    let seed = options.seed.unwrap_or(scenario.seed);
    let wrong = || SimError::scenario(&options.file);
    let underlay = scenario
        .underlay
        .build(seed, &scenario.folder)
        .map_err(wrong())?;
    let overlay = scenario
        .topology
        .build(seed, &scenario.folder, underlay.as_ref());
    let overlay = overlay.map_err(wrong())?;
    let graph = overlay
        .session_graph()
        .map_err(|error| SimError::Usage(format!("{}: {error}", options.file.display())))?;
    let graph = Adjacency::of(&graph);
    let summary = Summary::of(&graph, EXACT_MAX, seed);
    if let Some(path) = &options.html {
        let svg = match &underlay {
            Some(underlay) => picture::draw_on_map(&overlay, underlay),
            None => picture::draw(&overlay),
        };
        let command = format!(
            "archipelago sim topology {} --seed {seed}",
            options.file.display()
        );
        let name = (scenario.name.as_str(), scenario.about.as_str());
        files::write(path, &topology_page(name, &command, &summary, &svg))?;
    }
    if options.json {
        println!("{}", serde_json::to_string(&summary)?);
        return Ok(true);
    }
    let mut shown = table::framed();
    shown.add_row(["groups".to_owned(), count(overlay.groups.len() as u64)]);
    for (name, value) in archipelago_sim::report::topology_rows(&summary) {
        shown.add_row([name, value]);
    }
    println!("{shown}");
    Ok(true)
}
