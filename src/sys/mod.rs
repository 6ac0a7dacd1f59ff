//! Rank 0: the system calls that neither nix nor rustix offers safely. Each function is one call, takes borrowed fds and
//! returns owned ones, and gives the errno back; decisions are made elsewhere. The only module with `unsafe`.

#![allow(unsafe_code)]

pub mod beneath;
pub mod datagram;
pub mod interrupt;
pub mod keyring;
pub mod memory;
pub mod mount;
pub mod placement;
pub mod process;
pub mod socket;
pub mod tcp;
pub mod tty;
pub mod tun;
pub mod writeback;
