//! What each Quadlet file stands for: the name of its service, and the name of the container, volume, network, image or pod
//! that the service makes. Files refer to each other by file name.

use std::collections::BTreeMap;

use super::keys::FileType;
use super::sources::Source;

/// What a file stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name of its service, without `.service`.
    pub service: String,
    /// The name of what the service makes, with specifiers of systemd (`%i`) in it. Empty if it has none that others can
    /// use.
    pub resource: String,
    /// Services of containers that start with the pod.
    pub starts: Vec<String>,
}

impl Named {
    /// The file name of the service.
    pub fn service_file(&self) -> String {
        format!("{}.service", self.service)
    }
}

/// All files by their names.
pub type Names = BTreeMap<String, Named>;

/// The names of all files.
pub fn of(sources: &[Source]) -> Names {
    let mut names: Names = sources
        .iter()
        .map(|source| {
            let named = Named { service: service(source), resource: resource(source), starts: Vec::new() };
            (source.name.clone(), named)
        })
        .collect();
    for source in sources.iter().filter(|source| source.file_type == FileType::Container) {
        let starts = source.unit.switch("Container", "StartWithPod").unwrap_or(true) && !source.is_template();
        let service = format!("{}.service", service(source));
        if let (Some(pod), true) = (pod(source), starts)
            && let Some(pod) = names.get_mut(&pod)
        {
            pod.starts.push(service);
        }
    }
    names
}

/// The pod's file that a container names.
pub fn pod(source: &Source) -> Option<String> {
    let pod = source.unit.filled("Container", "Pod")?;
    Some(pod.replace("%N", &service(source)))
}

/// The name of the service, without `.service`.
pub fn service(source: &Source) -> String {
    if let Some(name) = source.unit.filled(source.file_type.section(), "ServiceName") {
        return name.to_owned();
    }
    let suffix = source.file_type.service_suffix();
    match source.stem().strip_suffix('@') {
        Some(stem) => format!("{stem}{suffix}@"),
        None => format!("{}{suffix}", source.stem()),
    }
}

/// The name of the container, as the service itself knows it.
pub fn container(source: &Source) -> String {
    match source.unit.filled("Container", "ContainerName") {
        Some(name) => name.to_owned(),
        None if source.name.contains('@') => "systemd-%p_%i".to_owned(),
        None => "systemd-%N".to_owned(),
    }
}

fn resource(source: &Source) -> String {
    let value = |key| source.unit.filled(source.file_type.section(), key).map(String::from);
    let own = || match source.stem().split_once('@') {
        None => format!("systemd-{}", source.stem()),
        Some((stem, "")) => format!("systemd-{stem}-%i"),
        // podman takes the specifier here too, which in the service of `x@1.volume` is `1-volume`.
        Some((stem, instance)) => format!("systemd-{stem}-{instance}"),
    };
    match source.file_type {
        FileType::Container => {
            // Other services have other specifiers; of them only the service's name can be told.
            let name = container(source).replace("%N", &service(source));
            if name.contains('%') { String::new() } else { name }
        }
        FileType::Volume => value("VolumeName").unwrap_or_else(own),
        FileType::Network => value("NetworkName").unwrap_or_else(own),
        FileType::Pod => value("PodName").unwrap_or_else(|| format!("systemd-{}", source.stem())),
        FileType::Image => value("ImageTag").or_else(|| value("Image")).unwrap_or_default(),
        FileType::Build => {
            source.unit.all("Build", "ImageTag").first().map(|entry| entry.value.clone()).unwrap_or_default()
        }
        FileType::Artifact => value("Artifact").unwrap_or_default(),
        FileType::Kube => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_file_or_what_it_says() {
        for (file, content, service, resource) in [
            ("web.container", "[Container]\n", "web", "systemd-web"),
            ("web.container", "[Container]\nContainerName=c\nServiceName=s\n", "s", "c"),
            ("web@.container", "[Container]\n", "web@", ""),
            ("web@1.container", "[Container]\nContainerName=x-%i\n", "web@1", ""),
            ("db.volume", "[Volume]\n", "db-volume", "systemd-db"),
            ("db@.volume", "[Volume]\n", "db-volume@", "systemd-db-%i"),
            ("db@1.volume", "[Volume]\n", "db@1-volume", "systemd-db-1"),
            ("net.network", "[Network]\nNetworkName=n\n", "net-network", "n"),
            ("p.pod", "[Pod]\n", "p-pod", "systemd-p"),
            ("i.image", "[Image]\nImage=a\nImageTag=b\n", "i-image", "b"),
            ("b.build", "[Build]\nImageTag=one\nImageTag=two\n", "b-build", "one"),
            ("k.kube", "[Kube]\n", "k", ""),
            ("a.artifact", "[Artifact]\nArtifact=q/a:1\n", "a-artifact", "q/a:1"),
        ] {
            let named = &of(&[Source::of(file, content).unwrap()])[file];
            assert_eq!((named.service.as_str(), named.resource.as_str()), (service, resource), "{file} {content}");
        }
    }

    #[test]
    fn pods_know_their_containers() {
        let source = |file, content| Source::of(file, content).unwrap();
        let sources = [
            source("p.pod", "[Pod]\n"),
            source("a.container", "[Container]\nPod=p.pod\n"),
            source("b.container", "[Container]\nPod=p.pod\nStartWithPod=no\n"),
            source("c@.container", "[Container]\nPod=p.pod\n"),
            source("p2.container", "[Container]\nServiceName=p\nPod=%N.pod\n"),
        ];
        assert_eq!(of(&sources)["p.pod"].starts, ["a.service", "p.service"]);
    }
}
