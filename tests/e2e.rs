//! End-to-end tests: the real binary on the real kernel, against a real registry, as an unprivileged user.
//!
//! `sh tests/run` prepares the machine and runs them. `cargo test --test e2e` does as an ordinary user; what the machine
//! lacks is said and skipped (a failure with `REQUIRE=all`). One file per subject below `e2e/`; `support/` has the
//! environment that each test gets.

// A test may panic and print.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

#[macro_use]
mod support;

#[path = "e2e/isolation.rs"]
mod isolation;
#[path = "e2e/run.rs"]
mod run;
