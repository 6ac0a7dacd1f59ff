//! coracle: a daemonless, rootless container tool. One static binary with which an ordinary user pulls images and runs
//! containers, with docker's and podman's command lines.
//!
//! # Ranks: who may import whom
//!
//! A module imports lower ranks only; siblings in a rank do not know each other, but for the exceptions in parentheses.
//! `tests/tidy.rs` reads this table and fails on a violation, on `unsafe` outside `sys`, on printing outside `cli`, on a
//! file without a `//!` head, and on oversized files (600 lines of code, 800 with tests).
//!
//! ```text
//! 7  roles        role testing                                    which of the programs this process is | the door for tests
//! 6  faces        cli hello init                                  argv <-> engine requests | programs inside containers
//! 5  features     compose                                         documents <-> sequences of engine calls
//! 4  engine       engine                                          one verb per file: typed request in, report out
//! 3  supervision  supervise                                       the per-container process
//! 2  mechanisms   registry archive store union runtime cgroup net logs state rootless (store -> archive)
//! 1  formats      oci spec dockerfile (spec -> oci, dockerfile -> spec)  image formats | what a container and a network is | the Dockerfile language: pure
//! 0  ground       base sys (base -> sys)                          ids, errors, paths, publish, locks | the only unsafe
//! ```
//!
//! Plan, then do: decisions are pure functions over plain values; executors are short loops over steps. The library
//! never prints and never reads argv or the environment: `cli` passes configuration in.
//!
//! Public are the two ways to start the program, the engine, which any process may call, and the door for tests.

mod archive;
mod base;
mod cgroup;
mod cli;
mod compose;
mod dockerfile;
pub mod engine;
mod hello;
mod init;
mod logs;
mod net;
mod oci;
mod registry;
mod rootless;
mod runtime;
mod spec;
mod state;
mod store;
mod supervise;
mod sys;
mod union;

mod role;
pub mod testing;

pub use cli::main;
pub use role::dispatch;
