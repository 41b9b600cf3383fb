//! The figures as bars, a panel for each workload, on a logarithmic scale: peers are orders of
//! magnitude apart.

use std::path::Path;

use plotters::prelude::*;

use crate::Failure;
use crate::peer::Peer;
use crate::report::{Report, figures};

const WIDTH: u32 = 900;
const PANEL_HEIGHT: u32 = 190;

/// Writes the plot.
pub(crate) fn write(path: &Path, report: &Report) -> Result<(), Failure> {
    let workloads = report.workloads();
    let panels = u32::try_from(workloads.len().max(1))?;
    let root = SVGBackend::new(path, (WIDTH, PANEL_HEIGHT * panels)).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, &workload) in root
        .split_evenly((workloads.len().max(1), 1))
        .iter()
        .zip(&workloads)
    {
        let Some(&figure) = figures(workload).first() else {
            continue;
        };
        let bars: Vec<(usize, f64)> = Peer::ALL
            .iter()
            .enumerate()
            .filter_map(|(place, &peer)| Some((place, report.figure(workload, peer, figure)?)))
            .filter(|&(_, value)| value > 0.0)
            .collect();
        let most = bars.iter().map(|bar| bar.1).fold(1.0, f64::max) * 2.0;
        let least = bars.iter().map(|bar| bar.1).fold(most, f64::min) / 4.0;
        let mut chart = ChartBuilder::on(panel)
            .caption(
                format!("{} {}", workload.key(), figure.0),
                ("sans-serif", 15),
            )
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(70)
            .build_cartesian_2d(
                (0..Peer::ALL.len()).into_segmented(),
                (least..most).log_scale(),
            )?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_label_formatter(&|place| match place {
                SegmentValue::CenterOf(place) => Peer::ALL
                    .get(*place)
                    .map_or("", |peer| peer.name())
                    .to_owned(),
                SegmentValue::Exact(_) | SegmentValue::Last => String::new(),
            })
            .y_label_formatter(&|value| format!("{value:.0}"))
            .draw()?;
        chart.draw_series(bars.iter().map(|&(place, value)| {
            let is_ours = matches!(
                Peer::ALL.get(place),
                Some(Peer::Archipelago | Peer::ArchipelagoCaller)
            );
            let color = if is_ours {
                RGBColor(20, 90, 160)
            } else {
                RGBColor(160, 160, 160)
            };
            let (left, right) = (SegmentValue::Exact(place), SegmentValue::Exact(place + 1));
            let mut bar = Rectangle::new([(left, least), (right, value)], color.filled());
            bar.set_margin(0, 0, 12, 12);
            bar
        }))?;
    }
    root.present()?;
    Ok(())
}
