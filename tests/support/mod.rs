//! What the end-to-end tests stand on: an environment per test, a real registry, images that other tools made, a
//! terminal, and the rules for waiting and for skipping.
//!
//! Nothing here sleeps in the hope that something is ready: [`eventually`] polls a condition within a stated time.

pub mod bad_registry;
pub mod env;
pub mod images;
pub mod line;
pub mod output;
pub mod probe;
pub mod registry;
pub mod terminal;

use std::time::{Duration, Instant};

/// How long anything may take before a test calls it stuck. Generous: two cores may run many tests at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, and fails the test with `what` when it does not within [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    assert!(holds_within(PATIENCE, &mut condition), "waited in vain until {what}");
}

/// Polls `condition` for at most `limit`.
pub fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What this machine lacks for a test. `REQUIRE=all` (CI) turns it into a failure.
pub fn skip(reason: &str) {
    assert!(std::env::var("REQUIRE").as_deref() != Ok("all"), "REQUIRE=all, but this machine cannot: {reason}");
    eprintln!("skipped: {reason}");
}

/// The first of `tools` that is not installed.
pub fn missing_tool(tools: &[&str]) -> Option<String> {
    tools.iter().find(|tool| which(tool).is_none()).map(|tool| format!("`{tool}` is not installed"))
}

/// Where a program is: on PATH or in the directories of the administrator's programs.
pub fn which(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .map(|directory| std::path::Path::new(directory).join(program))
        .find(|file| file.is_file())
}

/// True for tests that the caller runs as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Begins a test: an [`env::Env`], with the named images pulled from the shared registry. Where the machine lacks what
/// that needs, the test ends here as skipped.
#[macro_export]
macro_rules! ready {
    ($($image:ident)?) => {
        match $crate::support::env::Env::with(&[$(stringify!($image))?]) {
            Ok(env) => env,
            Err(reason) => return $crate::support::skip(&reason),
        }
    };
}
