//! Rank 5: Quadlet files and the systemd units that they become.
//!
//! # Theory of operation
//!
//! A Quadlet file (`web.container`, `data.volume`, …) describes a container, pod, volume, network, image, build or
//! artifact in systemd's syntax. systemd runs a generator at login and at each `daemon-reload`; it reads the files and
//! writes services whose `ExecStart` is a command line of coracle. The file types, keys, search directories and names
//! are those of podman-systemd.unit(5), podman 5.8, so that files work for both.
//!
//! 1. [`sources`] finds the files in the search directories, with their drop-ins, templates and links ([`unit_file`] is the
//!    syntax, [`words`] the quoting).
//! 2. [`names`] decides for every file which service and which resource it stands for, so that files can refer to each
//!    other.
//! 3. [`convert`] makes a service of a file: pure. [`keys`] is the table of keys and of the flags that they become.
//! 4. [`install`] makes the links that an `[Install]` section asks for, [`output`] writes all of it.
//!
//! [`check`] looks for mistakes with the same code and names their lines: the generator of systemd reports errors to the
//! journal alone, where nobody looks.

pub mod auto_update;
pub mod check;
pub mod convert;
pub mod install;
pub mod keys;
pub mod names;
pub mod of_container;
pub mod output;
pub mod sources;
pub mod systemctl;
pub mod unit_file;
pub mod user_units;
pub mod words;

#[cfg(test)]
mod podman_tests;
