//! The hash of a service's configuration, as docker compose computes it: a container whose label has another one is made
//! anew.

use sha2::{Digest, Sha256};

use super::node::Node;
use super::print;

/// Keys that change nothing of a container.
const LEFT_OUT: &[&str] = &["build", "pull_policy", "scale", "depends_on", "profiles"];

/// SHA-256 of the service as compact JSON, without what says how many there are, and when and how its image is made.
pub fn of_service(service: &Node) -> String {
    let mut service = service.clone();
    if let Some(map) = service.as_map_mut() {
        map.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
        if let Some(deploy) = map.get_mut("deploy").and_then(Node::as_map_mut) {
            deploy.remove("replicas");
        }
    }
    Sha256::digest(print::service_json(&service)).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::yaml;

    #[test]
    fn the_hash_is_docker_composes() {
        let hash = |source: &str| of_service(&yaml::read("f", source).unwrap().pop().unwrap());
        // From docker compose 2.40.3.
        let expected = "34bc70c5ecd8cbf05c98b73265e3f07e5f12e42e7e3d39280ce007a069e47855";
        assert_eq!(hash("build: {context: /a}\nnetworks: {back: {aliases: [database]}}\n"), expected);
        assert_eq!(hash("networks: {back: {aliases: [database]}}\nscale: 3\nprofiles: [p]\n"), expected);
        assert_ne!(hash("networks: {back: {aliases: [db]}}\n"), expected);
    }
}
