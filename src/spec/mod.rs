//! Rank 1: plain values and what is written of them. What a container, a network and a mount are, as users ask for them, as
//! records keep them, and as mechanisms carry them out; and the grammars of options that become such values. Nothing here
//! looks at the machine.
//!
//! Values: [`container`] what a container is, [`ids`] whose ids it has, [`network`] networks, members and ports, [`range`] a
//! part of a network's addresses, [`asked`] what a user asks for before it is decided.
//!
//! Grammars: [`mounts`] `-v`, `--mount` and `--tmpfs`; [`ports`] `-p` and `--expose`; [`attachment`] `--network` and what
//! belongs to it; [`userns`] `--userns` and id maps; [`units`] sizes; [`times`] instants and durations.

pub mod asked;
pub mod attachment;
pub mod container;
mod csv;
pub mod ids;
pub mod mounts;
pub mod network;
pub mod ports;
pub mod range;
pub mod times;
pub mod units;
pub mod userns;
