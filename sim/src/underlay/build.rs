//! Makes an [`Underlay`] of its description, reading the files that it names.
//!
//! Files are named relative to a folder (the scenario's), read once and bounded.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::config::{
    CoordinatesConfig, GraphConfig, LatencyModel, MatrixConfig, MatrixFormat, Placement,
    RegionsConfig, UnderlayConfig, Way,
};
use super::coordinates::Coordinates;
use super::distribution::{Distribution, micros_exact, whole};
use super::error::UnderlayError;
use super::paths;
use super::rates::Rates;
use super::sites::{Site, Spread, Table, micros};
use super::vary::Factor;
use super::{Access, Inner, LATENCY_LEAST, Model, Underlay};
use crate::formats::{self, FormatError, GraphFormat, SITES_MAX, king, matrix, points, regions};
use crate::random::Random;

impl UnderlayConfig {
    /// Reads the files, which are named relative to `folder`, and builds the underlay. `seed`
    /// places nodes and draws what is drawn once.
    ///
    /// # Errors
    /// [`UnderlayError`], naming the parameter, or the file and line, and what is allowed.
    pub fn build(&self, seed: u64, folder: &Path) -> Result<Underlay, UnderlayError> {
        let (model, sites, rates) = self.model(seed, folder)?;
        let access = self.access.map(|it| access(&it, seed)).transpose()?;
        let jitter = self.jitter.map(|it| it.sampler()).transpose()?;
        let factor = self.varying.as_ref().map(Factor::new).transpose()?;
        if let Placement::Given(places) = &self.placement
            && places.is_empty()
        {
            let problem = "a placement of no node: give at least one site";
            return Err(UnderlayError::Contradiction(problem.to_owned()));
        }
        let mut inner = Inner {
            model,
            sites: sites.into(),
            rates: rates.map(Arc::new),
            placement: self.placement.clone(),
            draw: self.draw,
            seed,
            access,
            jitter,
            factor,
            loss_millionths: millionths("loss_percent", self.loss_percent)?,
            duplication_millionths: millionths("duplication_percent", self.duplication_percent)?,
            bandwidth: rate("bandwidth_mbit", self.bandwidth_mbit)?,
            uplink: rate("uplink_mbit", self.uplink_mbit)?,
            undialable_millionths: millionths("undialable_percent", self.undialable_percent)?,
            undialable: self.undialable.clone(),
            latency_min: LATENCY_LEAST,
        };
        inner.latency_min = inner.least();
        Ok(Underlay {
            inner: Arc::new(inner),
        })
    }

    fn model(&self, seed: u64, folder: &Path) -> Result<Found, UnderlayError> {
        let drawn = |distribution: Distribution| {
            let sampler = distribution.sampler()?;
            Ok((Model::Drawn(sampler), Vec::new(), None))
        };
        match &self.latency {
            LatencyModel::Constant(it) => drawn(Distribution::Constant(*it)),
            LatencyModel::Uniform(it) => drawn(Distribution::Uniform(*it)),
            LatencyModel::Normal(it) => drawn(Distribution::Normal(*it)),
            LatencyModel::Lognormal(it) => drawn(Distribution::Lognormal(*it)),
            LatencyModel::Pareto(it) => drawn(Distribution::Pareto(*it)),
            LatencyModel::Matrix(it) => matrices(it, folder),
            LatencyModel::Regions(it) => cloud(it, folder),
            LatencyModel::Coordinates(it) => coordinates(it, seed, folder),
            LatencyModel::Graph(it) => graph(it, folder),
        }
    }
}

/// Latencies, the sites that they are between, and what the paths carry if that is known.
type Found = (Model, Vec<Site>, Option<Rates>);

fn matrices(config: &MatrixConfig, folder: &Path) -> Result<Found, UnderlayError> {
    let range = (0.001, 3_600_000.0);
    let unit_ms = UnderlayError::check("unit_ms", config.unit_ms, range, "0.001 to 3600000")?;
    let range = (0.001, 31_536_000.0);
    let slice_s = UnderlayError::check("slice_s", config.slice_s, range, "0.001 to a year")?;
    let local = micros(micros_exact("local_ms", config.local_ms)?);
    let mut slices = Vec::new();
    let mut names = Vec::new();
    for file in &config.files {
        let (text, file) = load(folder, file)?;
        let read = match config.format {
            MatrixFormat::Square => matrix::read(&text).map(|square| (square, Vec::new())),
            MatrixFormat::King => king::read(&text),
        };
        let (square, found) = read.map_err(|source| UnderlayError::Format { file, source })?;
        names = found;
        slices.push(square);
        let cells: usize = slices.iter().map(|square| square.cells.len()).sum();
        if cells > SITES_MAX * SITES_MAX {
            let problem = "these matrices have more than 16 million numbers: leave slices out";
            return Err(UnderlayError::Contradiction(problem.to_owned()));
        }
    }
    let unit = match config.format {
        MatrixFormat::Square => unit_ms * 1_000.0,
        MatrixFormat::King => 1.0,
    };
    let scale = match config.way {
        Way::RoundTrip => unit / 2.0,
        Way::OneWay => unit,
    };
    let slice = std::time::Duration::from_secs_f64(slice_s);
    let table = Table::measured(&slices, scale, local, slice)?;
    names.extend((names.len()..table.sites() as usize).map(|site| site.to_string()));
    let sites = names.into_iter().map(|name| Site {
        name,
        position: None,
    });
    nonempty(table, sites.collect())
}

fn cloud(config: &RegionsConfig, folder: &Path) -> Result<Found, UnderlayError> {
    let names = if config.only.is_empty() {
        region_names(&folder.join(&config.folder))?
    } else {
        config.only.clone()
    };
    let (mut cells, mut spread) = (Vec::new(), Vec::new());
    for from in &names {
        let path = config.folder.join(format!("{from}.dat"));
        let (text, file) = load(folder, &path)?;
        let format = |source| UnderlayError::Format {
            file: file.clone(),
            source,
        };
        let pings = regions::read(&text).map_err(format)?;
        for to in &names {
            let Some(ping) = pings.get(to) else {
                let problem = format!("no ping to {to}");
                let remedy = "add a line for it, or leave it out by 'only'";
                return Err(format(FormatError::whole(problem, remedy)));
            };
            // There and back, in milliseconds.
            cells.push(micros(ping.min * 500.0));
            spread.push(Spread {
                mean: narrow(ping.avg * 500.0),
                deviation: narrow(ping.mdev * 500.0),
                most: micros(ping.max * 500.0),
            });
        }
    }
    let sites = names.into_iter().map(|name| Site {
        name,
        position: None,
    });
    let sites: Vec<Site> = sites.collect();
    nonempty(Table::of(sites.len(), cells).with_spread(spread), sites)
}

fn region_names(folder: &Path) -> Result<Vec<String>, UnderlayError> {
    let read = |source| UnderlayError::Read {
        file: folder.display().to_string(),
        source,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let is_region = path.extension().is_some_and(|extension| extension == "dat");
        if let (true, Some(name)) = (is_region, path.file_stem().and_then(|it| it.to_str())) {
            names.push(name.to_owned());
        }
        if names.len() > SITES_MAX {
            let problem = format!("more than {SITES_MAX} regions");
            return Err(UnderlayError::Contradiction(problem));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn coordinates(
    config: &CoordinatesConfig,
    seed: u64,
    folder: &Path,
) -> Result<Found, UnderlayError> {
    let Some(file) = &config.file else {
        let model = Coordinates::by_chance(config, seed)?;
        return Ok((Model::Coordinates(model), Vec::new(), None));
    };
    let (text, file) = load(folder, file)?;
    let points = points::read(&text).map_err(|source| UnderlayError::Format { file, source })?;
    let (model, sites) = Coordinates::given(points, config)?;
    Ok((Model::Coordinates(model), sites, None))
}

fn graph(config: &GraphConfig, folder: &Path) -> Result<Found, UnderlayError> {
    let (text, file) = load(folder, &config.file)?;
    let Some(format) = config.format.or_else(|| GraphFormat::of(&config.file)) else {
        let problem = format!("{file}: no known ending; give format");
        return Err(UnderlayError::Contradiction(problem));
    };
    let graph = format
        .read(&text)
        .map_err(|source| UnderlayError::Format { file, source })?;
    let paths = paths::find(&graph, config)?;
    let (model, sites, _) = nonempty(paths.table, paths.sites)?;
    Ok((model, sites, paths.rates))
}

fn nonempty(table: Table, sites: Vec<Site>) -> Result<Found, UnderlayError> {
    if table.sites() == 0 {
        let problem = "no site: name at least one file with one site";
        return Err(UnderlayError::Contradiction(problem.to_owned()));
    }
    Ok((Model::Sites(Arc::new(table)), sites, None))
}

/// A file's text and its name for messages.
fn load(folder: &Path, file: &Path) -> Result<(String, String), UnderlayError> {
    let path = folder.join(file);
    let name = path.display().to_string();
    let read = |source| UnderlayError::Read {
        file: name.clone(),
        source,
    };
    let text = formats::load(&path).map_err(read)?;
    Ok((text, name))
}

/// Delays of access links: drawn once, and each node takes one of them.
fn access(distribution: &Distribution, seed: u64) -> Result<Access, UnderlayError> {
    let sampler = distribution.sampler()?;
    let mut random = Random::split(seed, 0xacce);
    let draws = (0..Access::DRAWS).map(|_| sampler.draw(&mut random));
    Ok(Access {
        draws: draws
            .map(|micros| u32::try_from(micros).unwrap_or(u32::MAX))
            .collect(),
        least: sampler.least(),
    })
}

fn millionths(name: &'static str, percent: f64) -> Result<u32, UnderlayError> {
    let percent = UnderlayError::check(name, percent, (0.0, 100.0), "0 to 100")?;
    Ok(u32::try_from(whole(percent * 10_000.0)).unwrap_or(u32::MAX))
}

/// Bytes per second.
fn rate(name: &'static str, mbit: Option<f64>) -> Result<Option<u64>, UnderlayError> {
    let Some(mbit) = mbit else { return Ok(None) };
    let mbit = UnderlayError::check(name, mbit, (0.001, 10_000_000.0), "0.001 to 10000000")?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let bytes = (mbit * 125_000.0) as u64;
    Ok(Some(bytes.max(1)))
}

#[expect(clippy::cast_possible_truncation)]
const fn narrow(value: f64) -> f32 {
    value as f32
}
