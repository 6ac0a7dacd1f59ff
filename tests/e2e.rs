//! End-to-end tests: the real binary on the real kernel, against a real registry, as an unprivileged user.
//!
//! `sh tests/run` prepares the machine and runs them. `cargo test --test e2e` does as an ordinary user; what the machine
//! lacks is said and skipped (a failure with `REQUIRE=all`). One file per subject below `e2e/`; `support/` has the
//! environment that each test gets.

// A test may panic and print.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

#[macro_use]
mod support;

#[path = "e2e/archives.rs"]
mod archives;
#[path = "e2e/as_root.rs"]
mod as_root;
#[path = "e2e/build.rs"]
mod build;
#[path = "e2e/build_attacks.rs"]
mod build_attacks;
#[path = "e2e/build_cache.rs"]
mod build_cache;
#[path = "e2e/build_flags.rs"]
mod build_flags;
#[path = "e2e/build_peer.rs"]
mod build_peer;
#[path = "e2e/build_remote.rs"]
mod build_remote;
#[path = "e2e/bundles.rs"]
mod bundles;
#[path = "e2e/completion.rs"]
mod completion;
#[path = "e2e/compose.rs"]
mod compose;
#[path = "e2e/compose_up.rs"]
mod compose_up;
#[path = "e2e/configuration.rs"]
mod configuration;
#[path = "e2e/confinement.rs"]
mod confinement;
#[path = "e2e/container_files.rs"]
mod container_files;
#[path = "e2e/copy.rs"]
mod copy;
#[path = "e2e/crash.rs"]
mod crash;
#[path = "e2e/escape.rs"]
mod escape;
#[path = "e2e/events.rs"]
mod events;
#[path = "e2e/exec_attach.rs"]
mod exec_attach;
#[path = "e2e/failpoints.rs"]
mod failpoints;
#[path = "e2e/failures.rs"]
mod failures;
#[path = "e2e/health.rs"]
mod health;
#[path = "e2e/image_scp.rs"]
mod image_scp;
#[path = "e2e/image_views.rs"]
mod image_views;
#[path = "e2e/images.rs"]
mod images;
#[path = "e2e/inspect_format.rs"]
mod inspect_format;
#[path = "e2e/isolation.rs"]
mod isolation;
#[path = "e2e/kills.rs"]
mod kills;
#[path = "e2e/lifecycle.rs"]
mod lifecycle;
#[path = "e2e/limits.rs"]
mod limits;
#[path = "e2e/log_drivers.rs"]
mod log_drivers;
#[path = "e2e/login.rs"]
mod login;
#[path = "e2e/manifests.rs"]
mod manifests;
#[path = "e2e/migrate.rs"]
mod migrate;
#[path = "e2e/mount_files.rs"]
mod mount_files;
#[path = "e2e/mounts.rs"]
mod mounts;
#[path = "e2e/namespaces.rs"]
mod namespaces;
#[path = "e2e/network.rs"]
mod network;
#[path = "e2e/network_commands.rs"]
mod network_commands;
#[path = "e2e/options.rs"]
mod options;
#[path = "e2e/parallel.rs"]
mod parallel;
#[path = "e2e/personas.rs"]
mod personas;
#[path = "e2e/pods.rs"]
mod pods;
#[path = "e2e/programs.rs"]
mod programs;
#[path = "e2e/protocol.rs"]
mod protocol;
#[path = "e2e/prune.rs"]
mod prune;
#[path = "e2e/pull.rs"]
mod pull;
#[path = "e2e/push.rs"]
mod push;
#[path = "e2e/quadlet.rs"]
mod quadlet;
#[path = "e2e/registries.rs"]
mod registries;
#[path = "e2e/registry_serve.rs"]
mod registry_serve;
#[path = "e2e/restart.rs"]
mod restart;
#[path = "e2e/rootless.rs"]
mod rootless;
#[path = "e2e/run.rs"]
mod run;
#[path = "e2e/run_terminal.rs"]
mod run_terminal;
#[path = "e2e/secrets.rs"]
mod secrets;
#[path = "e2e/selection.rs"]
mod selection;
#[path = "e2e/services.rs"]
mod services;
#[path = "e2e/settings.rs"]
mod settings;
#[path = "e2e/signatures.rs"]
mod signatures;
#[path = "e2e/soak.rs"]
mod soak;
#[path = "e2e/store.rs"]
mod store;
#[path = "e2e/streams.rs"]
mod streams;
#[path = "e2e/userns.rs"]
mod userns;
#[path = "e2e/vendor_devices.rs"]
mod vendor_devices;
#[path = "e2e/volumes.rs"]
mod volumes;
