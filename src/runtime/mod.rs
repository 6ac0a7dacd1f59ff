//! The OCI runtime: how a container's process is made, what it may do, and in what order it is confined. `plan` decides,
//! `launch` and `child` carry it out from both sides of the clone, `enter` adds a process to a running container.
//!
//! # Threat model
//!
//! **Hostile:** the image (its files, links and configuration), every process in a container, and what either left in a
//! volume, also while another container starts. **Trusted:** the user, the command line, the user's own files, and the
//! processes of coracle: `supervise` above all, which forks what this module runs. A container's root is root over its own
//! namespaces only; outside, it is the user. Whatever a container reaches with the user's rights is therefore lost.
//!
//! | boundary | what would cross it | which line holds it |
//! |---|---|---|
//! | descriptors of the supervisor | `/proc/self/fd/N` as a path of the image, between clone and exec | `close_all_but`, first in `child::start` and `enter::Entry`; `close_on_exec_from` last in `process` |
//! | paths of the image | links that lead out, while the child has more rights than the program | `rootfs`, the only place where they are resolved: openat2(2) below the root without magic links, then by descriptor |
//! | mount points in shared volumes | another container exchanges them meanwhile | the same; a missing path is made downwards from the root (`sys::beneath`) |
//! | the old root | anything that still refers to it | `child::enter_root`: pivot_root(2), then the old root is detached; `enter_directory` asks the kernel where it is |
//! | `/proc`, `/sys` | settings of the kernel, keys, addresses; writes that are redirected | `kernel_fs`: masked by descriptor before anything of the image is mounted; `rootfs::allows` for mounts on them |
//! | `/dev` | devices of the host | `launch::devices`: six devices, checked by number; `nodev` everywhere else by the user namespace |
//! | coracle's own program | overwriting it through `/proc/PID/exe` | it runs from a read-only mount or a sealed memfd (`supervise::spawn`) |
//! | the process before its exec | ptrace and `/proc/PID` of its memory and descriptors | a new pid namespace; for `exec`, not dumpable before it joins |
//! | the kernel | system calls and capabilities | `seccomp`, `spec::capabilities`, `no_new_privs` on request; a user namespace of its own |
//! | ids | an id that means "unchanged" or root | `user`: 0 to 2,147,483,647; supplementary groups complete |
//! | hooks | programs that an image chose, descriptors that they inherit | named by the user's own files alone; every descriptor but their three closes at their exec |
//! | what others run in it | a `start` or `exec` that a container prepared for | the same steps in the same order, each time from the beginning |
//!
//! What is *not* promised: a container with `--privileged`, `--security-opt seccomp=unconfined` or added capabilities has
//! more of the kernel to attack; a bind mount gives what it gives; run by root, a container's root has root's ids on bind
//! mounts, and no profile of a security module stands behind these lines.

pub mod child;
pub mod enter;
pub mod foreign;
pub mod hooks;
pub mod kernel_fs;
pub mod launch;
pub mod loopback;
pub mod ownership;
pub mod plan;
pub mod populate;
pub mod process;
mod rootfs;
pub mod seccomp;
mod sources;
pub mod user;
mod userns;
