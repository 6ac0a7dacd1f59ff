//! What docker and podman have and coracle has not: commands, and engines in other places. Both are refused by name, so
//! that a command line that means something else never does something here.

use std::path::Path;

use super::context::Persona;
use super::environment::Environment;
use crate::base::{Error, Kind, Result, text};

/// Commands of docker 28 and podman 5.8 that coracle has not, by their first words. Some are planned.
const COMMANDS: &[&str] = &[
    "artifact",
    "buildx bake",
    "buildx create",
    "buildx dial-stdio",
    "buildx history",
    "buildx rm",
    "buildx stop",
    "buildx use",
    "checkpoint",
    "compose publish",
    "config create",
    "config inspect",
    "config ls",
    "config rm",
    "container checkpoint",
    "container cleanup",
    "container init",
    "container restore",
    "container runlabel",
    "context",
    "farm",
    "generate kube",
    "generate spec",
    "image sign",
    "init",
    "kube",
    "machine",
    "network reload",
    "node",
    "play",
    "plugin",
    "pod clone",
    "service",
    "stack",
    "swarm",
    "system connection",
    "system renumber",
    "system reset",
    "trust",
    "volume reload",
    "volume update",
];

/// Whether docker or podman has the command `words`, with `noun` before it if there is one.
pub fn is_known(noun: Option<&str>, word: &str) -> bool {
    let called = noun.map_or_else(|| word.to_owned(), |noun| format!("{noun} {word}"));
    COMMANDS.contains(&called.as_str())
}

/// Commands that take something away. A suggestion is not to be one of them: it may be run without a second look.
const REMOVING: &[&str] = &["prune", "remove", "rm", "rmi"];

/// Whether `word` may be suggested.
pub fn is_harmless(word: &str) -> bool {
    !REMOVING.contains(&word)
}

/// Variables that name another engine, and whose they are.
const ENGINES: &[(&str, &[Persona])] = &[
    ("DOCKER_HOST", &[Persona::Coracle, Persona::Docker]),
    ("DOCKER_CONTEXT", &[Persona::Coracle, Persona::Docker]),
    ("CONTAINER_HOST", &[Persona::Coracle, Persona::Podman]),
    ("CONTAINER_CONNECTION", &[Persona::Coracle, Persona::Podman]),
];

/// Refuses to work here when the user's environment says that another engine is meant: a `docker rm -f` for another
/// machine must not hit this one. `config` is docker's client configuration directory.
pub fn refuse_other_engines(persona: Persona, environment: &Environment, config: &Path) -> Result<()> {
    for (variable, personas) in ENGINES {
        let value = environment.get(variable).filter(|value| !value.is_empty());
        // The local engine has this name among docker's contexts.
        let value = value.filter(|value| !(*variable == "DOCKER_CONTEXT" && *value == "default"));
        if let (Some(value), true) = (value, personas.contains(&persona)) {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "{variable} is set to `{}`: that is another engine, and coracle works on this machine alone",
                    text::clean(value)
                ),
            )
            .hint(format!("for this command: {variable}= {} …; for good: unset {variable}", persona.program())));
        }
    }
    let overridden = environment.get("DOCKER_HOST").is_some() || environment.get("DOCKER_CONTEXT").is_some();
    if persona != Persona::Docker || overridden {
        return Ok(());
    }
    match remote_context(config) {
        None => Ok(()),
        Some((name, host)) => Err(Error::new(
            Kind::Unsupported,
            format!(
                "docker's current context `{}` is at `{}`, and coracle works on this machine alone",
                text::clean(&name),
                text::clean(&host)
            ),
        )
        .hint("for this command: DOCKER_CONTEXT=default docker …; for good: remove `currentContext` from ~/.docker/config.json")),
    }
}

/// The most bytes that are read of one of docker's files.
const MAX_FILE: u64 = 1 << 20;

/// docker's current context and its address, if that is on another machine. Contexts lie in
/// `contexts/meta/<SHA-256 of the name>/meta.json` (docker/cli, cli/context/store).
fn remote_context(config: &Path) -> Option<(String, String)> {
    use sha2::{Digest, Sha256};
    let name = docker_configuration(config)?.get("currentContext")?.as_str()?.to_owned();
    if matches!(name.as_str(), "" | "default") {
        return None;
    }
    let id: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let meta = read_json(&config.join("contexts/meta").join(id).join("meta.json"))?;
    let host = meta.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned();
    let is_local = host.is_empty() || host.starts_with("unix://");
    (!is_local).then_some((name, host))
}

/// `config.json` of docker's client configuration directory, if it can be read.
pub fn docker_configuration(config: &Path) -> Option<serde_json::Value> {
    read_json(&config.join("config.json"))
}

fn read_json(path: &Path) -> Option<serde_json::Value> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn commands_of_others_are_known() {
        assert!(is_known(None, "swarm") && is_known(Some("image"), "sign") && is_known(Some("system"), "reset"));
        assert!(!is_known(None, "run") && !is_known(Some("image"), "ls") && !is_known(None, "frob"));
        let own = super::super::tree::TOP.iter().flat_map(|entry| entry.names);
        assert_eq!(own.filter(|name| COMMANDS.contains(name)).count(), 0, "a command that coracle has by now");
        for noun in super::super::tree::NOUNS {
            assert!(!COMMANDS.contains(&noun.name), "{}", noun.name);
            for name in noun.entries.iter().flat_map(|entry| entry.names) {
                assert!(!is_known(Some(noun.name), name), "{} {name}", noun.name);
            }
        }
    }

    #[test]
    fn other_engines_are_refused_by_the_variables_name() {
        let refused = |persona, variables: &[(&str, &str)]| {
            refuse_other_engines(persona, &Environment::of(variables), Path::new("/nowhere")).err()
        };
        for (persona, variable) in [
            (Persona::Docker, "DOCKER_HOST"),
            (Persona::Docker, "DOCKER_CONTEXT"),
            (Persona::Podman, "CONTAINER_HOST"),
            (Persona::Coracle, "DOCKER_HOST"),
            (Persona::Coracle, "CONTAINER_HOST"),
        ] {
            let error = refused(persona, &[(variable, "tcp://192.0.2.1:2375")]).unwrap();
            assert!(error.message().contains(variable) && error.message().contains("192.0.2.1"), "{error}");
            assert!(refused(persona, &[(variable, "")]).is_none());
        }
        assert!(refused(Persona::Podman, &[("DOCKER_HOST", "tcp://x")]).is_none());
        assert!(refused(Persona::Docker, &[("CONTAINER_HOST", "tcp://x")]).is_none());
        assert!(refused(Persona::Docker, &[("DOCKER_CONTEXT", "default")]).is_none());
    }

    #[test]
    fn dockers_current_context_counts_when_it_is_remote() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let config = scratch.path();
        let set = |context: &str, host: &str| {
            use sha2::{Digest, Sha256};
            let id: String = Sha256::digest(context.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            let meta = config.join("contexts/meta").join(id);
            std::fs::create_dir_all(&meta).unwrap();
            let text = format!(r#"{{"Name":"{context}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
            std::fs::write(meta.join("meta.json"), text).unwrap();
            std::fs::write(config.join("config.json"), format!(r#"{{"currentContext":"{context}"}}"#)).unwrap();
        };
        let refused = |persona| refuse_other_engines(persona, &Environment::default(), config).is_err();
        set("server", "ssh://user@192.0.2.1");
        assert!(refused(Persona::Docker) && !refused(Persona::Coracle) && !refused(Persona::Podman));
        let overridden = Environment::of(&[("DOCKER_CONTEXT", "default")]);
        assert!(refuse_other_engines(Persona::Docker, &overridden, config).is_ok());
        set("rootless", "unix:///run/user/1000/docker.sock");
        assert!(!refused(Persona::Docker));
    }
}
