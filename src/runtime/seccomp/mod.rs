//! Seccomp: the default profile (`default`: docker's, and each difference with its reason), profile files, and their compilation to the filter that the kernel loads.
//!
//! Everything is a pure function: [`compile`] returns instructions, and whoever starts the container's process installs
//! them with seccomp(2) and [`Profile::flags`].
//!
//! What is promised, measured against runc with libseccomp (the reference of docker and podman):
//!
//! - A call is judged by number, per architecture of the profile; other architectures kill the process.
//! - An unconditional rule for a call decides it, whatever conditional rules say of it (libseccomp merges so). Among
//!   conditional rules the first whose conditions hold decides; libseccomp's order is its own, which only shows where
//!   rules for one call overlap and have different actions.
//! - Several conditions on one argument in one rule are alternatives, each a rule of its own, as in runc.
//! - With a default action that refuses, calls newer than every call that the profile names fail with ENOSYS, so that
//!   libc falls back to what it did before they existed (runc `libcontainer/seccomp/patchbpf`).
//!
//! Not promised: `SCMP_ACT_NOTIFY` (there is no agent to notify), and libseccomp's rewriting of `socket` and its like to
//! `socketcall` for 32-bit x86: a profile that wants programs to work that know only that call names `socketcall`, as the
//! file of docker's does, and cannot judge the families of their sockets.

mod bpf;
mod compile;
mod default;
mod parse;
mod profile;
mod syscalls;
#[cfg(test)]
mod tests;

pub use compile::compile;
pub use profile::Profile;
