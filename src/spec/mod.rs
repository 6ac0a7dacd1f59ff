//! Rank 1: plain values and what is written of them. What a container, a network and a mount are, as users ask for them, as
//! records keep them, and as mechanisms carry them out; and the grammars of options that become such values. Nothing here
//! looks at the machine.
//!
//! Values: [`container`] what a container is, [`capabilities`], [`ids`] whose ids it has, [`idmap`] maps of ids, [`network`]
//! networks, members and ports, [`range`] a part of a network's addresses, [`volume`] volumes, [`logs`] what a container printed,
//! [`credentials`] who the user is to a registry, [`asked`] what a user asks for before it is decided.
//!
//! Grammars: [`mounts`] `-v`, `--mount` and `--tmpfs`; [`ports`] `-p` and `--expose`; [`attachment`] `--network` and what
//! belongs to it; [`userns`] `--userns` and id maps; [`units`] sizes; [`times`] instants and durations; [`signal`] signals;
//! [`variables`] environment and labels; [`filter`] `--filter`, with the [`pattern`]s of names.

pub mod asked;
pub mod attachment;
pub mod capabilities;
pub mod container;
pub mod credentials;
mod csv;
pub mod filter;
pub mod idmap;
pub mod ids;
pub mod logs;
pub mod mounts;
pub mod network;
pub mod pattern;
pub mod ports;
pub mod range;
pub mod signal;
pub mod times;
pub mod units;
pub mod userns;
pub mod variables;
pub mod volume;
