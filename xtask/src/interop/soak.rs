//! Two minutes of everything at once, with trouble: `cargo xtask soak` in short.

use std::time::Duration;

use super::Case;
use crate::soak;

pub(super) fn cases() -> Vec<Case> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let case = Case::new("soak: calls and troubles, many at once", |stage| {
        Box::pin(async {
            let told = soak::play(&stage.binary, &stage.pki, TIME, soak::seed()).await;
            println!("{}", told.unwrap_or_else(|e| panic!("{e}")));
        })
    });
    vec![case.within(TIME + soak::CALM)]
}

const TIME: Duration = Duration::from_secs(2 * 60);
