//! Under which names the registry shows what the store has. Pure.
//!
//! | in the store | in the registry |
//! |---|---|
//! | `localhost/team/app` | `team/app` |
//! | `docker.io/library/alpine` | `alpine`, `docker.io/library/alpine` |
//! | `quay.io/team/app` | `quay.io/team/app` |
//! | `10.0.0.7:5000/app` | `10.0.0.7_5000/app`: the protocol has no colons in names |
//!
//! The user's own images come first: `app` is `localhost/app` if there is one.

use crate::oci::Reference;
use crate::registry::server::Repository;

/// The shortest name of an image's repository; none for what cannot be written, which is left out.
pub fn shown(name: &Reference) -> Option<Repository> {
    let text = match name.registry() {
        "localhost" => name.repository().to_owned(),
        registry => match registry.rsplit_once(':') {
            Some((host, port)) => format!("{host}_{port}/{}", name.repository()),
            None => name.familiar_repository(),
        },
    };
    Repository::parse(&text).ok()
}

/// What a repository may be in the store, the likeliest first. The references have docker's default tag.
pub fn meanings(repository: &Repository) -> Vec<Reference> {
    let name = repository.as_str();
    let with_port = name.split_once('/').and_then(|(host, rest)| {
        let (host, port) = host.rsplit_once('_')?;
        Some(format!("{host}:{}/{rest}", port.parse::<u16>().ok()?))
    });
    let texts = [Some(format!("localhost/{name}")), Some(name.to_owned()), with_port];
    let mut found: Vec<Reference> = Vec::new();
    for reference in texts.into_iter().flatten().filter_map(|text| text.parse::<Reference>().ok()) {
        if !found.contains(&reference) {
            found.push(reference);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_image() {
        for (store, registry) in [
            ("localhost/team/app", Some("team/app")),
            ("docker.io/library/alpine", Some("alpine")),
            ("docker.io/team/app", Some("team/app")),
            ("quay.io/team/app", Some("quay.io/team/app")),
            ("10.0.0.7:5000/app", Some("10.0.0.7_5000/app")),
            ("localhost:5000/a/b", Some("localhost_5000/a/b")),
            ("[::1]:5000/app", None),
        ] {
            let reference: Reference = store.parse().unwrap();
            let name = shown(&reference);
            assert_eq!(name.as_ref().map(Repository::as_str), registry, "{store}");
            if let Some(name) = name {
                assert!(meanings(&name).contains(&reference), "{store}: {:?}", meanings(&name));
            }
        }
        let names = |name: &str| {
            let meanings = meanings(&Repository::parse(name).unwrap());
            meanings.iter().map(Reference::name).collect::<Vec<_>>()
        };
        assert_eq!(names("alpine"), ["localhost/alpine", "docker.io/library/alpine"]);
        assert_eq!(
            names("docker.io/library/alpine"),
            ["localhost/docker.io/library/alpine", "docker.io/library/alpine"]
        );
        assert_eq!(names("a_b/c"), ["localhost/a_b/c", "docker.io/a_b/c"]);
    }
}
