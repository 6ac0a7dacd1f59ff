//! Proxy variables that a new container gets without being asked: behind a company's proxy nothing works without them.
//!
//! podman passes its own on (`--http-proxy`, on by default); docker those of `proxies` in its client's configuration.
//! coracle does both, docker's last. A value often has a password in it: what may read the container's environment may
//! read that, as with docker and podman; `--http-proxy=false` passes nothing on.

use std::path::Path;

use serde_json::Value;

use crate::cli::context::Persona;
use crate::cli::elsewhere::docker_configuration;
use crate::cli::environment::Environment;

/// What podman passes on (containers/common, pkg/config, `ProxyEnv`), in both cases.
const PASSED_ON: [&str; 4] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy"];

/// The keys of docker's `proxies`, and the variables they become, in both cases (docker/cli, cli/config/configfile).
const DOCKERS: [(&str, &str); 5] = [
    ("httpProxy", "http_proxy"),
    ("httpsProxy", "https_proxy"),
    ("noProxy", "no_proxy"),
    ("ftpProxy", "ftp_proxy"),
    ("allProxy", "all_proxy"),
];

/// The variables, as `NAME=value`. `config` is docker's client configuration directory.
pub fn variables(persona: Persona, environment: &Environment, config: &Path) -> Vec<String> {
    let mut found = Vec::new();
    if persona != Persona::Docker {
        for name in PASSED_ON.iter().flat_map(|name| [(*name).to_owned(), name.to_uppercase()]) {
            found.extend(environment.get(&name).map(|value| format!("{name}={value}")));
        }
    }
    if persona != Persona::Podman
        && let Some(proxies) = docker_configuration(config).as_ref().and_then(|file| file.pointer("/proxies/default"))
    {
        for (key, name) in DOCKERS {
            let value = proxies.get(key).and_then(Value::as_str).filter(|value| !value.is_empty());
            let both = value
                .into_iter()
                .flat_map(|value| [format!("{}={value}", name.to_uppercase()), format!("{name}={value}")]);
            found.extend(both);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn each_persona_has_its_own_and_coracle_both() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let config = r#"{"proxies":{"default":{"httpProxy":"http://d:1","noProxy":"","allProxy":"socks://d"}}}"#;
        std::fs::write(scratch.path().join("config.json"), config).unwrap();
        let environment = Environment::of(&[("http_proxy", "http://p:2"), ("NO_PROXY", "a,b"), ("OTHER", "x")]);
        let of = |persona| variables(persona, &environment, scratch.path());
        let dockers = ["HTTP_PROXY=http://d:1", "http_proxy=http://d:1", "ALL_PROXY=socks://d", "all_proxy=socks://d"];
        assert_eq!(of(Persona::Podman), ["http_proxy=http://p:2", "NO_PROXY=a,b"]);
        assert_eq!(of(Persona::Docker), dockers);
        assert_eq!(of(Persona::Coracle), [&["http_proxy=http://p:2", "NO_PROXY=a,b"][..], &dockers].concat());
        assert!(variables(Persona::Docker, &environment, Path::new("/nowhere")).is_empty());
    }
}
