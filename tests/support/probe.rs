//! `probe`, a small static program that tries what no command does (`probe.c`).

use std::path::PathBuf;

use super::env::Env;

/// Compiles it; `None`, and the test is skipped, where there is no compiler.
pub fn build(env: &Env) -> Option<PathBuf> {
    if let Some(reason) = super::missing_tool(&["gcc"]) {
        super::skip(&reason);
        return None;
    }
    let (source, program) = (env.write("probe.c", include_str!("probe.c")), env.file("probe"));
    let (source, output) = (source.to_string_lossy().into_owned(), program.to_string_lossy().into_owned());
    // At a low address: what a 32-bit system call is given must lie below 4 GiB.
    env.tool("gcc", &["-static", "-no-pie", "-o", &output, &source]).run().succeeds();
    Some(program)
}
