//! U9: every call ends exactly once, by its deadline.

use super::Violation;
use crate::world::World;

/// At every instant: no call ended twice or late, none is open beyond its deadline, and all that
/// began are open or have ended.
pub fn check(world: &World) -> Vec<Violation> {
    let mut found = Vec::new();
    for (from, flow, open, overdue) in world.open_calls() {
        let report = world.call_report(from, flow);
        let is_whole = report.begun == report.ended() + open;
        if report.twice + report.late + overdue > 0 || !is_whole {
            let text = format!(
                "n{}, flow {flow}: {open} open, {overdue} overdue, {report:?}",
                from.0
            );
            found.push(Violation::new("U9", text));
        }
    }
    found
}
