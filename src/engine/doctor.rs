//! `doctor`: what [`crate::rootless::doctor`] finds about this machine, and whether containers have a network on it.

use std::ffi::{OsStr, OsString};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::worker::{self, Given, Job, Place};
use crate::base::Result;
use crate::net::trial;
use crate::rootless::doctor as machine;
use crate::rootless::doctor::probe::{self, Refusal};
pub use crate::rootless::doctor::{Check, Status, verdict};

const NAME: &str = "container networks";
const OUT: &str = "make a TUN device";
const GATE: &str = "hand connections to sockets with nf_tables";
const GUARD: &str = "check the frames of containers with nf_tables";

/// Checks everything. `search_path` is the user's `PATH`.
pub fn examine(engine: &Engine, search_path: &OsStr) -> Result<Vec<Check>> {
    worker::call_silently(engine, Examine { search_path: search_path.to_owned() })
}

/// Whether containers have a way out on this machine; none where not even that can be tried.
pub fn networks(engine: &Engine) -> Result<Option<Check>> {
    worker::call_silently(engine, TryNetworks {})
}

/// See [`examine`]: the trials fork.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Examine {
    search_path: OsString,
}

impl Job for Examine {
    const NAME: &'static str = "doctor";
    const PLACE: Place = Place::Here;
    type Report = Vec<Check>;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<Vec<Check>> {
        let mut checks = machine::examine(&engine.paths, &self.search_path);
        checks.extend(try_networks());
        Ok(checks)
    }
}

/// See [`networks`]: the trials fork.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TryNetworks {}

impl Job for TryNetworks {
    const NAME: &'static str = "info";
    const PLACE: Place = Place::Here;
    type Report = Option<Check>;

    fn run(self, _engine: &Engine, _given: Given<'_>) -> Result<Option<Check>> {
        Ok(try_networks())
    }
}

fn try_networks() -> Option<Check> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let refusal = probe::in_child(&[
        ("make a user namespace", &probe::unshare_user),
        ("map root in a user namespace", &|| probe::map_root(uid, gid)),
        (OUT, &|| trial::way_out().map_err(probe::errno_of)),
        (GATE, &|| trial::tproxy().map_err(probe::errno_of)),
        (GUARD, &|| trial::guard().map_err(probe::errno_of)),
    ]);
    judge(refusal.ok()?)
}

/// What is left without the guard.
const UNGUARDED: &str = "a container can use IP addresses of its neighbours on the same network, not their hardware addresses, nor addresses of other networks";

fn judge(refusal: Option<Refusal>) -> Option<Check> {
    let Some(refusal) = refusal else { return Some(Check::ok(NAME, "reach the outside by sockets of the kernel")) };
    let what = refusal.sentence();
    match (refusal.step, refusal.errno) {
        (OUT, errno) => {
            let check = Check::warning(NAME, format!("{what}: containers reach each other, but not the outside"));
            Some(match errno {
                // The check of the device says what to do about these.
                Some(Errno::ENOENT | Errno::EACCES) => check,
                _ => check.fix("sudo modprobe tun && echo tun | sudo tee /etc/modules-load.d/tun.conf"),
            })
        }
        (GATE, _) => Some(
            Check::warning(NAME, format!("{what}: TCP between containers and the outside works, but is slower; {UNGUARDED}"))
                .fix("sudo modprobe -a nf_tables nft_tproxy nft_socket && printf 'nf_tables\\nnft_tproxy\\nnft_socket\\n' | sudo tee /etc/modules-load.d/coracle.conf"),
        ),
        (GUARD, _) => Some(Check::warning(NAME, format!("{what} (CONFIG_NF_TABLES_NETDEV, CONFIG_NETFILTER_INGRESS): {UNGUARDED}"))),
        // Another check says that there are no user namespaces.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_apart() {
        let refused = |step, errno| judge(Some(Refusal { step, errno: Some(errno) }));
        assert_eq!(judge(None).unwrap().status, Status::Ok);
        let absent = refused(OUT, Errno::ENOENT).unwrap();
        assert!(absent.detail.ends_with("but not the outside") && absent.fix.is_none(), "{absent:?}");
        let module = refused(OUT, Errno::ENODEV).unwrap();
        assert!(module.fix.unwrap().starts_with("sudo modprobe tun"));
        let slow = refused(GATE, Errno::EPROTONOSUPPORT).unwrap();
        assert_eq!(slow.status, Status::Warning);
        assert!(slow.detail.contains("is slower") && slow.fix.unwrap().contains("nft_tproxy"));
        let unguarded = refused(GUARD, Errno::EOPNOTSUPP).unwrap();
        assert!(unguarded.status == Status::Warning && unguarded.detail.contains("neighbours"), "{unguarded:?}");
        assert_eq!(refused("make a user namespace", Errno::EPERM), None);
    }

    /// What it says of this machine is what can be done here: a device that can be opened is one that can be made.
    #[test]
    fn this_machine_is_judged() {
        let has_device = std::fs::File::options().read(true).write(true).open("/dev/net/tun").is_ok();
        if let Some(check) = try_networks() {
            assert_eq!(has_device, !check.detail.ends_with("but not the outside"), "{check:?}");
        }
    }
}
