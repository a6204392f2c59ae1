//! Listens to the Workload API, and goes on listening whatever happens to it.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::grpc::{Lost, Stream};
use super::update::Update;
use super::{Shared, trouble};

/// Opens the stream again and again; never returns.
pub(super) async fn listen(shared: &Shared) {
    let settings = &shared.settings;
    let mut failures: u32 = 0;
    loop {
        let began = Instant::now();
        let lost = match timeout(FIRST_ANSWER, begin(shared)).await {
            Ok(Ok(mut stream)) => loop {
                match stream.message().await {
                    Ok(message) => shared.receive(Update::read(&message, settings)),
                    Err(lost) => break lost,
                }
            },
            Ok(Err(lost)) => lost,
            Err(_) => Lost::Silent,
        };
        // An agent that ends every stream at once is not asked ever so often.
        if began.elapsed() > LONGEST_PAUSE {
            failures = 0;
        }
        shared.lost(trouble::explain(&lost, settings), lost.is_final());
        loop {
            sleep(pause(failures)).await;
            failures = failures.saturating_add(1);
            match settings.guard.ask() {
                Ok(()) => break,
                Err(failure) => shared.lost(failure, true),
            }
        }
    }
}

/// Opens a stream and takes its first message, which comes without delay (SPIFFE Workload API, section 4.3).
async fn begin(shared: &Shared) -> Result<Stream, Lost> {
    let mut stream = Stream::open(&shared.settings.socket, METHOD).await?;
    let message = stream.message().await?;
    shared.receive(Update::read(&message, &shared.settings));
    Ok(stream)
}

/// Doubled each time, and drawn between half and all of that, so that the workloads of a restarted
/// agent do not come back together.
fn pause(failures: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    let draw = u32::try_from(RandomState::new().hash_one(failures) % 512).unwrap_or(0);
    full / 2 + full / 2 * draw / 512
}

const METHOD: &str = "/SpiffeWorkloadAPI/FetchX509SVID";
const FIRST_ANSWER: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!((FIRST_PAUSE / 2..=FIRST_PAUSE).contains(&pause(0)));
        for failures in [20, u32::MAX] {
            assert!((LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(&pause(failures)));
        }
    }
}
