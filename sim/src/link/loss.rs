//! Loss as delay: a lost packet arrives when its sender's transport has sent it again.
//!
//! A lost packet is sent again after a tail-loss probe (RFC 8985 section 7: two round trips), and
//! from then on after a time-out of at least 200 ms that doubles (RFC 6298 sections 2.4 and 5.5) up
//! to 1.6 s: a session that goes on sending is told by selective acknowledgements what is missing
//! (RFC 6675), so its wait does not double for ever.

use std::time::Duration;

use crate::random::Random;

/// The longest wait for the next attempt.
const TIMEOUT_MAX: Duration = Duration::from_millis(1_600);
/// Times a packet is lost in a row before the simulator lets it pass.
const LOSSES_MAX: u32 = 12;

/// How much later a packet arrives because it was lost, `probe` being two round trips.
pub(crate) fn retransmission(millionths: u32, probe: Duration, random: &mut Random) -> Duration {
    let mut timeout = (probe * 2).max(Duration::from_millis(200));
    let mut waited = Duration::ZERO;
    for loss in 0..LOSSES_MAX {
        if !random.chance(millionths) {
            break;
        }
        if loss == 0 {
            waited += probe;
        } else {
            waited += timeout;
            timeout = (timeout * 2).min(TIMEOUT_MAX.max(probe));
        }
    }
    waited
}
