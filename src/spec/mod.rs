//! Rank 1: plain values and what is written of them. What a container, a network and a mount are, as users ask for them, as
//! records keep them, and as mechanisms carry them out; and the grammars of options that become such values. Nothing here
//! looks at the machine.
//!
//! A container: [`container`] is the whole record, made of the groups [`image`], [`process`], [`identity`], [`namespaces`],
//! [`networking`], [`storage`], [`security`], [`resources`], [`cgroups`], [`lifecycle`] with its [`restart`] policy, and [`health`]. Each has its value as asked for, its value as decided, and
//! the function between them. [`settings`] are what changes of it later.
//!
//! Limits: [`resources`] what is asked for, [`cgroup2`] as files of cgroup v2, [`best_effort`] without control groups.
//!
//! Devices: [`cdi`] what the files of a vendor say, [`hooks`] programs that are run around a container.
//!
//! Other values: [`events`] what has happened, [`capabilities`], [`ids`] whose ids a container has, [`idmap`] maps of ids, [`network`] networks, members
//! and ports, [`range`] a part of a network's addresses, [`volume`] volumes, [`secret`] secrets and the grammar of `--secret`, [`logging`] where the output of a container is kept, [`logs`] what it printed, [`credentials`] who the user is
//! to a registry.
//!
//! Grammars: [`mounts`] `-v`, `--mount` and `--tmpfs`, with the [`mount_words`] of their [`mount_options`]; [`ports`] `-p` and `--expose`; [`attachment`] `--network` and what
//! belongs to it; [`userns`] `--userns` and id maps; [`ulimit`] `--ulimit`; [`units`] sizes; [`times`] instants and durations; [`signal`] signals;
//! [`variables`] environment and labels; [`sysctl`] `--sysctl`; [`change`] `--change`; [`scp`] the ends of `image scp`; [`filter`] `--filter`,
//! with the [`pattern`]s of names; [`yaml`] YAML as JSON.

pub mod attachment;
pub mod best_effort;
pub mod capabilities;
pub mod cdi;
pub mod cgroup2;
pub mod cgroups;
pub mod change;
pub mod container;
pub mod credentials;
pub mod csv;
pub mod events;
pub mod filter;
pub mod health;
pub mod hooks;
pub mod identity;
pub mod idmap;
pub mod ids;
pub mod image;
pub mod lifecycle;
pub mod logging;
pub mod logs;
pub mod mount_options;
pub mod mount_words;
pub mod mounts;
pub mod namespaces;
pub mod network;
pub mod networking;
pub mod pattern;
pub mod pod;
pub mod pod_member;
pub mod ports;
pub mod process;
pub mod range;
pub mod resources;
pub mod restart;
pub mod scp;
pub mod secret;
pub mod security;
pub mod settings;
pub mod signal;
pub mod storage;
pub mod sysctl;
pub mod systemd;
pub mod times;
pub mod ulimit;
pub mod units;
pub mod userns;
pub mod variables;
pub mod volume;
pub mod yaml;
