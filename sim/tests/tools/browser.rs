//! Reports as a real browser shows them: everything has a size, nothing sticks out, texts can be read
//! by day and by night, and nothing complains. Skips, and says so, where no browser is installed.
//!
//! `ARCHIPELAGO_BROWSER` names another program than those that are looked for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use archipelago_sim::report;
use archipelago_sim::run::{Experiment, RunOptions, RunResult};
use archipelago_sim::scenario::Scenario;

const SCENARIO: &str = r#"
name = "as a browser shows it"
duration = "20s"
[topology.flat]
groups = 3
size = 5
reflectors = 2
[[workload]]
between = "across"
pairs = 4
messages = 20
[[fault]]
kind = "partition"
at = "4s"
lasting = "5s"
share = 0.5
"#;

/// Measures the page from within, and writes what it found to its end.
const PROBE: &str = r##"
const errors = [];
addEventListener('error', event => errors.push(event.message || event.target.tagName), true);
addEventListener('load', () => {
  const channel = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = colour.match(/[\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const ground = element => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (!/, 0\)$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const contrast = element => {
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const texts = [...document.querySelectorAll('h1,h2,p,td,th,figcaption,figcaption b,.card b,.card span,footer,code')];
  const plots = [...document.querySelectorAll('svg')];
  const flat = plots.filter(plot => {
    const [outer, inner] = [plot.getBoundingClientRect(), plot.getBBox()];
    return outer.width < 100 || outer.height < 30 || inner.width < 20 || inner.height < 10;
  });
  const root = document.documentElement;
  const measured = document.createElement('pre');
  measured.id = 'measured';
  measured.textContent = [plots.length, flat.length, root.scrollWidth - innerWidth, errors.length,
    Math.min(...texts.map(contrast)).toFixed(2), matchMedia('(prefers-color-scheme: dark)').matches ? 1 : 0].join(' ');
  document.body.append(measured);
});
"##;

#[test]
fn reports_are_whole_and_readable_in_a_browser() {
    let Some(browser) = browser() else {
        println!("skipped: no browser is installed (ARCHIPELAGO_BROWSER names one)");
        return;
    };
    let result = result();
    let pages = [
        ("run", report::run_page(&result), 10),
        (
            "compare",
            report::compare_page(&[result.clone(), result]),
            5,
        ),
    ];
    for (name, page, plots_min) in pages {
        for (width, is_dark) in [(1_200, false), (1_200, true), (500, false)] {
            let seen = show(&browser, name, &page, (width, is_dark));
            let what = format!("{name} at {width} pixels, dark {is_dark}: {seen:?}");
            assert!(seen.plots >= plots_min, "{what}");
            assert_eq!((seen.flat, seen.errors), (0, 0), "{what}");
            assert!(seen.overhang <= 0, "{what}");
            // WCAG 2.1, 1.4.3.
            assert!(seen.contrast_min >= 4.5, "{what}");
            assert_eq!(seen.is_dark, is_dark, "{what}");
        }
    }
}

/// What the probe found.
#[derive(Debug)]
struct Seen {
    plots: usize,
    /// Plots without a size, or with nothing in them.
    flat: usize,
    /// How many pixels the page is wider than its window.
    overhang: i64,
    errors: usize,
    contrast_min: f64,
    is_dark: bool,
}

fn show(browser: &Path, name: &str, page: &str, (width, is_dark): (u32, bool)) -> Seen {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let file = folder.join(format!("{name}.html"));
    let probed = page.replacen("<head>", &format!("<head><script>{PROBE}</script>"), 1);
    assert_ne!(probed, page, "the page has a head");
    std::fs::write(&file, probed).expect("the folder is writable");
    let scheme = i32::from(!is_dark);
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--window-size={width},2000"))
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("the browser runs");
    let dom = String::from_utf8_lossy(&output.stdout);
    let measured = dom.split("<pre id=\"measured\">").nth(1);
    let measured = measured.and_then(|rest| rest.split('<').next());
    let measured = measured.unwrap_or_else(|| {
        let complaint = String::from_utf8_lossy(&output.stderr);
        panic!("the browser showed nothing: {complaint}")
    });
    let figures: Vec<f64> = measured
        .split(' ')
        .map(|figure| figure.parse().expect("the probe writes numbers"))
        .collect();
    let [plots, flat, overhang, errors, contrast_min, is_dark] = figures[..] else {
        panic!("six figures, not {measured}");
    };
    Seen {
        plots: plots as usize,
        flat: flat as usize,
        overhang: overhang as i64,
        errors: errors as usize,
        contrast_min,
        is_dark: is_dark > 0.0,
    }
}

fn result() -> RunResult {
    let scenario = Scenario::parse(SCENARIO).expect("the scenario is sound");
    let stop = AtomicBool::new(false);
    let mut experiment =
        Experiment::new(&scenario, RunOptions::new(&stop)).expect("the experiment is sound");
    experiment.form(&mut |_| {});
    experiment.run(&mut |_| {});
    experiment.finish()
}

/// The first browser of those that can be asked for a page's tree.
fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ARCHIPELAGO_BROWSER") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let all = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|program| program.is_file())
}
