//! `cargo xtask soak`: hosts of every kind and their servers for a long time, while what is between them and the servers
//! themselves break every few seconds.

mod call;
mod dice;
mod player;
mod process;
mod report;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcp_mtls_testkit::Pki;
use tokio::task::JoinSet;

use crate::programs::{Outcome, release_binary};
use dice::Dice;
use player::Player;
use report::Report;
use world::World;

/// Plays for ten minutes, or as many as the options say, and prints what came of it.
pub(crate) fn run(options: &[&str]) -> Outcome {
    let (mut minutes, mut seed) = (10.0, seed());
    for option in options.chunks(2) {
        match option {
            ["--minutes", number] => minutes = number.parse()?,
            ["--seed", number] => seed = number.parse()?,
            _ => return Err("the options are --minutes N and --seed N".into()),
        }
    }
    let time = Duration::try_from_secs_f64(minutes * 60.0)?;
    let binary = release_binary("mcp-mtls")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(play(&binary, &Pki::new(), time, seed))?);
    Ok(())
}

/// A seed of this moment.
pub(crate) fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs())
}

/// Plays for so long; an error tells everything that was not as it should be, below the figures.
pub(crate) async fn play(binary: &Path, pki: &Pki, time: Duration, seed: u64) -> Outcome<String> {
    println!("        seed {seed}");
    let alice = pki.client("alice");
    let mut hosts = JoinSet::new();
    for (number, kind) in (0..).zip(world::kinds()) {
        let world = Arc::new(World::start(pki, kind).await);
        let args = [world.relay.url(world.path()), "--ca".to_owned(), pki.server_ca_file().display().to_string()];
        let identity =
            ["--cert", &alice.cert_file.display().to_string(), "--key", &alice.key_file.display().to_string()]
                .map(str::to_owned);
        let args = [&args[..], &identity].concat();
        let player = Player::start(binary, &args, world, Dice::new(seed, 2 * number), &alice.fingerprint).await?;
        hosts.spawn(one(player, time, Dice::new(seed, 2 * number + 1)));
    }
    let mut reports = Vec::new();
    while let Some(report) = hosts.join_next().await {
        reports.push(report??);
    }
    report::all(reports, seed)
}

/// One host and its server.
async fn one(mut player: Player, time: Duration, mut dice: Dice) -> Outcome<Report> {
    let world = player.world();
    let trouble = async {
        let calls = Dice::new(dice.within(0..=u64::MAX - 1), 0);
        tokio::select! {
            troubles = world.trouble(time, &mut dice) => troubles,
            never = world.speak(calls) => match never {},
        }
    };
    let (troubles, ()) = tokio::join!(trouble, player.play(time));
    player.calm_down().await;
    player.end(troubles).await
}

/// What the play takes beyond its time: until all is answered, and the last look at everything.
pub(crate) const CALM: Duration = Duration::from_secs(3 * 60);
