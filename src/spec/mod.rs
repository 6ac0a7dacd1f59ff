//! Rank 1: plain values and what is written of them. What a container, a network and a mount are, as users ask for them, as
//! records keep them, and as mechanisms carry them out; and the grammars of options that become such values. Nothing here
//! looks at the machine.
//!
//! [`container`] the records of a container, [`ids`] whose ids it has, [`network`] networks, members and ports, [`range`] a
//! part of a network's addresses.

pub mod container;
pub mod ids;
pub mod network;
pub mod range;
