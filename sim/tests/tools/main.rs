//! What the simulator offers beside the protocol: importers, underlays, metrics, pictures.

mod browser;
mod formats;
mod metrics;
mod metrics_independent;
mod pictures;
mod topologies;
mod underlay;
