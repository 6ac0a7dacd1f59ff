//! `--exit-policy stop` of a pod: the container that ends last stops the infra container.

use std::os::fd::AsFd;

use super::protocol::{Request, send_request};
use super::sockets::connect;
use crate::base::{Paths, Result};
use crate::spec::container::ContainerConfig;
use crate::spec::pod::ExitPolicy;
use crate::spec::pod_member::PodRole;
use crate::state::Pods;

/// Milliseconds that an infra container has to end when it is asked to.
const PATIENCE: i64 = 1000;

/// A container has ended, and its record says so: stops the infra container of its pod if it was the last one and the pod
/// wants that.
pub(super) fn left(paths: &Paths, config: &ContainerConfig) -> Result<()> {
    let Some(membership) = config.pod.as_ref().filter(|membership| membership.role == PodRole::Member) else {
        return Ok(());
    };
    let pods = Pods::new(paths);
    let pod = pods.find(membership.pod.as_str())?;
    let (ExitPolicy::Stop, Some(infra)) = (pod.exit_policy, &pod.infra) else { return Ok(()) };
    let is_busy = pods
        .containers(&pod)?
        .iter()
        .any(|other| !other.config.is_infra() && other.config.id != config.id && other.status.is_running());
    if is_busy {
        return Ok(());
    }
    match connect(&paths.container_socket(&infra.id))? {
        Some(supervisor) => {
            let signal = infra.lifecycle.stop_signal.0;
            // One that has just ended needs no request.
            let _ = send_request(supervisor.as_fd(), &Request::Stop(signal, PATIENCE));
            Ok(())
        }
        None => Ok(()),
    }
}
