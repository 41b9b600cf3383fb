//! What local health and second votes are worth: one group of a hundred, some of whose processes
//! stall again and again, with both, either and neither; and how soon the truly dead are found.
//! With neither, one member's suspicion that nobody refutes is a death: the rule of plain SWIM.
//!
//! A stalling node is stopped for 0.5 to 4 s, runs for 0.1 to 1 s, and is stopped again, as in the
//! interval experiment of Lifeguard (Dadgar, Phillips, Currey, 2018). *Others* are members that
//! never stall: to declare one dead is a false positive with no excuse.
//! `cargo run --release -p archipelago-sim --example local_health -- 5`

use std::time::Duration;

use archipelago_router::Event;
use archipelago_sgroup::GroupEvent;
use archipelago_sim::check::views;
use archipelago_sim::topology::{Topology, start_all};
use archipelago_sim::{NodeIx, Observation, World, WorldConfig};

const SIZE: u32 = 100;
/// Of the time in which nodes stall.
const SECONDS: u64 = 120;
/// Members that end for good meanwhile, evenly.
const DEATHS: u32 = 5;
/// How long a stalling node is stopped, and runs.
const STOPPED_MS: (u64, u64) = (500, 4_000);
const RUNNING_MS: (u64, u64) = (100, 1_000);

/// Whether members doubt themselves first, and how many votes are a death.
const RULES: [(bool, usize); 4] = [(true, 2), (false, 2), (true, 1), (false, 1)];

/// What the members said.
#[derive(Default)]
struct Said {
    suspicions_of_others: u64,
    deaths_of_others: u64,
    deaths_of_stalling: u64,
    /// From a true end to each word of it, milliseconds.
    found_ms: Vec<f64>,
}

fn main() {
    let seeds = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let seeds: u64 = seeds.unwrap_or(5);
    println!(
        "{SIZE} members, {SECONDS} s, {seeds} seeds; per run, by all members together\n\
         stalling  local health  votes  others suspected  others declared dead  stalling declared dead  \
         found: mean, p50, p99, max ms"
    );
    for stalling in [0, 1, 4, 10, 20] {
        for rule in RULES {
            let mut all = Said::default();
            for seed in 1..=seeds {
                run(seed, stalling, rule, &mut all);
            }
            print(stalling, rule, seeds, all);
        }
    }
}

fn run(seed: u64, stalling: u32, (local_health, votes): (bool, usize), said: &mut Said) {
    let mut world = Topology::group(SIZE).build(WorldConfig::new(seed), |_, config| {
        for group in &mut config.groups {
            let mut other = (**group).clone();
            let mut timing = (*other.timing).clone();
            timing.local_health = local_health;
            timing.votes = votes;
            other.timing = timing.into();
            *group = other.into();
        }
    });
    start_all(&mut world);
    let formed = world.run_until(Duration::from_secs(30), views::all_agree);
    formed.expect("a hundred nodes form");
    world.run_for(Duration::from_secs(5));
    let begun = world.now();
    let ends = stall(&mut world, stalling);
    let seen = world.log().iter().filter(|seen| seen.time >= begun);
    let seen = seen.filter(|seen| seen.node >= stalling);
    for seen in seen {
        let Observation::Event(Event::Group { event, .. }) = &seen.what else {
            continue;
        };
        let (node, is_down) = match event {
            GroupEvent::MemberSuspect(info) => (world.node_of(&info.node).0, false),
            GroupEvent::MemberDown(info, _) => (world.node_of(&info.node).0, true),
            _ => continue,
        };
        let end = ends
            .iter()
            .find(|&&(victim, at)| victim == node && at <= seen.time);
        match (end, is_down) {
            (Some((_, at)), true) => {
                said.found_ms.push(seen.time.since(*at).as_secs_f64() * 1e3);
            }
            (Some(_), false) => {}
            (None, true) if node < stalling => said.deaths_of_stalling += 1,
            (None, true) => said.deaths_of_others += 1,
            (None, false) if node >= stalling => said.suspicions_of_others += 1,
            (None, false) => {}
        }
    }
}

/// The first nodes stall again and again, the last ones lose their power one by one; who, and when.
fn stall(world: &mut World, stalling: u32) -> Vec<(u32, archipelago_core::Time)> {
    let begun = world.now();
    let mut turns: Vec<(archipelago_core::Time, u32, bool)> =
        (0..stalling).map(|node| (begun, node, false)).collect();
    let mut ends = Vec::new();
    let pause = Duration::from_secs(SECONDS) / (DEATHS + 1);
    while world.now().since(begun) < Duration::from_secs(SECONDS) {
        let now = world.now();
        for (at, node, is_stopped) in &mut turns {
            if *at > now {
                continue;
            }
            let (low, high) = if *is_stopped { RUNNING_MS } else { STOPPED_MS };
            let (low, high) = (Duration::from_millis(low), Duration::from_millis(high));
            if *is_stopped {
                world.resume(NodeIx(*node));
            } else {
                world.stop(NodeIx(*node));
            }
            *at = now.after(world.random().duration(low, high));
            *is_stopped = !*is_stopped;
        }
        let count = u32::try_from(ends.len()).unwrap_or(DEATHS);
        if count < DEATHS && now.since(begun) >= pause * (count + 1) {
            let victim = SIZE - 1 - count;
            // A stop, not a crash: no socket closes, so it takes suspicion and votes to find.
            world.stop(NodeIx(victim));
            ends.push((victim, now));
        }
        world.run_for(Duration::from_millis(20));
    }
    ends
}

fn print(stalling: u32, (local_health, votes): (bool, usize), seeds: u64, mut said: Said) {
    said.found_ms.sort_by(f64::total_cmp);
    let count = said.found_ms.len();
    let at = |share: f64| said.found_ms.get((count as f64 * share) as usize);
    let ms = |share| at(share).copied().unwrap_or(f64::NAN);
    let mean = said.found_ms.iter().sum::<f64>() / count.max(1) as f64;
    let each = |what: u64| what as f64 / seeds as f64;
    println!(
        "{stalling:>8}  {:<12}  {votes:>5}  {:>16.1}  {:>20.1}  {:>22.1}  {mean:.0}, {:.0}, {:.0}, {:.0}",
        if local_health { "on" } else { "off" },
        each(said.suspicions_of_others),
        each(said.deaths_of_others),
        each(said.deaths_of_stalling),
        ms(0.5),
        ms(0.99),
        said.found_ms.last().copied().unwrap_or(f64::NAN),
    );
}
