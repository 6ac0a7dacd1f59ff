//! The types of Quadlet files, their keys, and the flags that the keys become: those of podman 5.8, and `Umask`,
//! `ImageVolume`, `UID` and `GID`, which came after it.

/// What a Quadlet file describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileType {
    /// An artifact that is pulled.
    Artifact,
    /// An image that is built.
    Build,
    /// A container.
    Container,
    /// An image that is pulled.
    Image,
    /// Kubernetes YAML.
    Kube,
    /// A network.
    Network,
    /// A pod.
    Pod,
    /// A volume.
    Volume,
}

impl FileType {
    /// All of them. Those that others refer to come first.
    pub const ALL: [FileType; 8] = [
        FileType::Volume,
        FileType::Network,
        FileType::Image,
        FileType::Build,
        FileType::Artifact,
        FileType::Container,
        FileType::Kube,
        FileType::Pod,
    ];

    /// By the name of a file.
    pub fn of(name: &str) -> Option<Self> {
        let (stem, extension) = name.rsplit_once('.')?;
        Self::ALL.into_iter().find(|known| known.extension() == extension && !stem.is_empty())
    }

    /// What its files' names end with.
    pub fn extension(self) -> &'static str {
        match self {
            FileType::Artifact => "artifact",
            FileType::Build => "build",
            FileType::Container => "container",
            FileType::Image => "image",
            FileType::Kube => "kube",
            FileType::Network => "network",
            FileType::Pod => "pod",
            FileType::Volume => "volume",
        }
    }

    /// The section that is about it.
    pub fn section(self) -> &'static str {
        match self {
            FileType::Artifact => "Artifact",
            FileType::Build => "Build",
            FileType::Container => "Container",
            FileType::Image => "Image",
            FileType::Kube => "Kube",
            FileType::Network => "Network",
            FileType::Pod => "Pod",
            FileType::Volume => "Volume",
        }
    }

    /// What the name of its service has behind the name of the file.
    pub fn service_suffix(self) -> &'static str {
        match self {
            FileType::Container | FileType::Kube => "",
            FileType::Artifact => "-artifact",
            FileType::Build => "-build",
            FileType::Image => "-image",
            FileType::Network => "-network",
            FileType::Pod => "-pod",
            FileType::Volume => "-volume",
        }
    }

    /// The keys of its section.
    pub fn keys(self) -> &'static [Key] {
        match self {
            FileType::Artifact => ARTIFACT,
            FileType::Build => BUILD,
            FileType::Container => CONTAINER,
            FileType::Image => IMAGE,
            FileType::Kube => KUBE,
            FileType::Network => NETWORK,
            FileType::Pod => POD,
            FileType::Volume => VOLUME,
        }
    }
}

/// A key of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// How its value becomes words of a command line.
    pub form: Form,
    /// The flag, with its dashes; empty where the form says nothing of one.
    pub flag: &'static str,
}

/// How a value becomes words of a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The last value, if it is not empty: `FLAG VALUE`.
    Text,
    /// The last value, in one word with the flag: `FLAG=VALUE`, or `FLAG` and a stem: `label=type:VALUE`.
    Joined,
    /// Each line: `FLAG VALUE`.
    Lines,
    /// Each word: `FLAG WORD`. Backslashes are part of it.
    Words,
    /// Each word of a command line: `FLAG WORD`.
    Arguments,
    /// Pairs of `KEY=VALUE`, the last of each key: `FLAG KEY=VALUE`.
    Pairs,
    /// Yes or no: `FLAG` or `FLAG=false`.
    Switch,
    /// `FLAG` if the value is yes.
    Only,
    /// `convert` knows what it means.
    Special,
    /// As `Special`, and podman calls it deprecated: the word says what replaces it.
    Deprecated(&'static str),
}

const fn key(name: &'static str, form: Form, flag: &'static str) -> Key {
    Key { name, form, flag }
}

const fn special(name: &'static str) -> Key {
    Key { name, form: Form::Special, flag: "" }
}

const fn deprecated(name: &'static str, instead: &'static str) -> Key {
    Key { name, form: Form::Deprecated(instead), flag: "" }
}

/// Keys of `[Quadlet]`, in every type.
pub const QUADLET: &[&str] = &["DefaultDependencies"];

/// Keys of `[Install]` that the generator carries out.
pub const INSTALL: &[&str] = &["Alias", "WantedBy", "RequiredBy", "UpheldBy", "DefaultInstance"];

/// Keys of `[Service]` that cannot work: a rootless container is the user's own.
pub const NOT_IN_SERVICE: &[&str] = &["User", "Group", "DynamicUser"];

/// Keys of `[Unit]` whose values may name other Quadlet files.
pub const DEPENDENCIES: &[&str] = &[
    "After",
    "Before",
    "BindsTo",
    "Conflicts",
    "OnFailure",
    "OnSuccess",
    "PartOf",
    "PropagatesReloadTo",
    "PropagatesStopTo",
    "ReloadPropagatedFrom",
    "Requires",
    "Requisite",
    "StopPropagatedFrom",
    "Upholds",
    "Wants",
];

const CONTAINER: &[Key] = &[
    key("AddHost", Form::Lines, "--add-host"),
    key("Annotation", Form::Pairs, "--annotation"),
    key("AppArmor", Form::Joined, "--security-opt apparmor="),
    special("AddCapability"),
    special("AddDevice"),
    special("AutoUpdate"),
    special("CgroupsMode"),
    special("ContainerName"),
    special("ContainersConfModule"),
    key("DNS", Form::Lines, "--dns"),
    key("DNSOption", Form::Lines, "--dns-option"),
    key("DNSSearch", Form::Lines, "--dns-search"),
    special("DropCapability"),
    special("Entrypoint"),
    key("Environment", Form::Pairs, "--env"),
    special("EnvironmentFile"),
    key("EnvironmentHost", Form::Switch, "--env-host"),
    special("Exec"),
    special("ExposeHostPort"),
    key("GIDMap", Form::Words, "--gidmap"),
    special("GlobalArgs"),
    special("Group"),
    key("GroupAdd", Form::Lines, "--group-add"),
    key("HealthCmd", Form::Text, "--health-cmd"),
    key("HealthInterval", Form::Text, "--health-interval"),
    key("HealthLogDestination", Form::Text, "--health-log-destination"),
    key("HealthMaxLogCount", Form::Text, "--health-max-log-count"),
    key("HealthMaxLogSize", Form::Text, "--health-max-log-size"),
    key("HealthOnFailure", Form::Text, "--health-on-failure"),
    key("HealthRetries", Form::Text, "--health-retries"),
    key("HealthStartPeriod", Form::Text, "--health-start-period"),
    key("HealthStartupCmd", Form::Text, "--health-startup-cmd"),
    key("HealthStartupInterval", Form::Text, "--health-startup-interval"),
    key("HealthStartupRetries", Form::Text, "--health-startup-retries"),
    key("HealthStartupSuccess", Form::Text, "--health-startup-success"),
    key("HealthStartupTimeout", Form::Text, "--health-startup-timeout"),
    key("HealthTimeout", Form::Text, "--health-timeout"),
    key("HostName", Form::Text, "--hostname"),
    key("HttpProxy", Form::Switch, "--http-proxy"),
    key("IP", Form::Text, "--ip"),
    key("IP6", Form::Text, "--ip6"),
    special("Image"),
    key("ImageVolume", Form::Text, "--image-volume"),
    key("Label", Form::Pairs, "--label"),
    key("LogDriver", Form::Text, "--log-driver"),
    key("LogOpt", Form::Words, "--log-opt"),
    key("Mask", Form::Arguments, "--security-opt mask="),
    key("Memory", Form::Text, "--memory"),
    special("Mount"),
    special("Network"),
    key("NetworkAlias", Form::Lines, "--network-alias"),
    key("NoNewPrivileges", Form::Only, "--security-opt=no-new-privileges"),
    special("Notify"),
    key("PidsLimit", Form::Text, "--pids-limit"),
    special("Pod"),
    special("PodmanArgs"),
    key("PublishPort", Form::Lines, "--publish"),
    key("Pull", Form::Text, "--pull"),
    key("ReadOnly", Form::Switch, "--read-only"),
    key("ReadOnlyTmpfs", Form::Switch, "--read-only-tmpfs"),
    special("ReloadCmd"),
    special("ReloadSignal"),
    deprecated("RemapGid", "GIDMap"),
    deprecated("RemapUid", "UIDMap"),
    deprecated("RemapUidSize", "UserNS=auto:size="),
    deprecated("RemapUsers", "UserNS"),
    key("Retry", Form::Text, "--retry"),
    key("RetryDelay", Form::Text, "--retry-delay"),
    special("Rootfs"),
    key("RunInit", Form::Switch, "--init"),
    key("SeccompProfile", Form::Joined, "--security-opt seccomp="),
    key("Secret", Form::Arguments, "--secret"),
    key("SecurityLabelDisable", Form::Only, "--security-opt label=disable"),
    key("SecurityLabelFileType", Form::Joined, "--security-opt label=filetype:"),
    key("SecurityLabelLevel", Form::Joined, "--security-opt label=level:"),
    key("SecurityLabelNested", Form::Only, "--security-opt label=nested"),
    key("SecurityLabelType", Form::Joined, "--security-opt label=type:"),
    special("ServiceName"),
    key("ShmSize", Form::Text, "--shm-size"),
    special("StartWithPod"),
    key("StopSignal", Form::Text, "--stop-signal"),
    key("StopTimeout", Form::Text, "--stop-timeout"),
    key("SubGIDMap", Form::Text, "--subgidname"),
    key("SubUIDMap", Form::Text, "--subuidname"),
    key("Sysctl", Form::Words, "--sysctl"),
    key("Timezone", Form::Text, "--tz"),
    key("Tmpfs", Form::Lines, "--tmpfs"),
    key("UIDMap", Form::Words, "--uidmap"),
    key("Ulimit", Form::Lines, "--ulimit"),
    key("Umask", Form::Text, "--umask"),
    key("Unmask", Form::Arguments, "--security-opt unmask="),
    special("User"),
    key("UserNS", Form::Text, "--userns"),
    deprecated("VolatileTmp", "Tmpfs=/tmp"),
    special("Volume"),
    key("WorkingDir", Form::Text, "--workdir"),
];

const VOLUME: &[Key] = &[
    special("ContainersConfModule"),
    special("Copy"),
    special("Device"),
    key("Driver", Form::Text, "--driver"),
    key("GID", Form::Text, "--gid"),
    special("GlobalArgs"),
    special("Group"),
    special("Image"),
    key("Label", Form::Pairs, "--label"),
    special("Options"),
    special("PodmanArgs"),
    special("ServiceName"),
    special("Type"),
    key("UID", Form::Text, "--uid"),
    special("User"),
    special("VolumeName"),
];

const NETWORK: &[Key] = &[
    special("ContainersConfModule"),
    key("DNS", Form::Lines, "--dns"),
    key("DisableDNS", Form::Switch, "--disable-dns"),
    key("Driver", Form::Text, "--driver"),
    special("Gateway"),
    special("GlobalArgs"),
    key("IPAMDriver", Form::Text, "--ipam-driver"),
    special("IPRange"),
    key("IPv6", Form::Switch, "--ipv6"),
    key("InterfaceName", Form::Text, "--interface-name"),
    key("Internal", Form::Switch, "--internal"),
    key("Label", Form::Pairs, "--label"),
    special("NetworkDeleteOnStop"),
    special("NetworkName"),
    key("Options", Form::Pairs, "--opt"),
    special("PodmanArgs"),
    special("ServiceName"),
    special("Subnet"),
];

const KUBE: &[Key] = &[
    special("AutoUpdate"),
    special("ConfigMap"),
    special("ContainersConfModule"),
    key("ExitCodePropagation", Form::Joined, "--service-exit-code-propagation="),
    special("GlobalArgs"),
    special("KubeDownForce"),
    key("LogDriver", Form::Text, "--log-driver"),
    key("LogOpt", Form::Words, "--log-opt"),
    special("Network"),
    special("PodmanArgs"),
    key("PublishPort", Form::Lines, "--publish"),
    deprecated("RemapGid", "UserNS"),
    deprecated("RemapUid", "UserNS"),
    deprecated("RemapUidSize", "UserNS=auto:size="),
    deprecated("RemapUsers", "UserNS"),
    special("ServiceName"),
    special("SetWorkingDirectory"),
    key("UserNS", Form::Text, "--userns"),
    special("Yaml"),
];

const IMAGE: &[Key] = &[
    key("AllTags", Form::Switch, "--all-tags"),
    key("Arch", Form::Text, "--arch"),
    key("AuthFile", Form::Text, "--authfile"),
    key("CertDir", Form::Text, "--cert-dir"),
    special("ContainersConfModule"),
    key("Creds", Form::Text, "--creds"),
    key("DecryptionKey", Form::Text, "--decryption-key"),
    special("GlobalArgs"),
    special("Image"),
    special("ImageTag"),
    key("OS", Form::Text, "--os"),
    special("PodmanArgs"),
    key("Policy", Form::Text, "--policy"),
    key("Retry", Form::Text, "--retry"),
    key("RetryDelay", Form::Text, "--retry-delay"),
    special("ServiceName"),
    key("TLSVerify", Form::Switch, "--tls-verify"),
    key("Variant", Form::Text, "--variant"),
];

const BUILD: &[Key] = &[
    key("Annotation", Form::Pairs, "--annotation"),
    key("Arch", Form::Text, "--arch"),
    key("AuthFile", Form::Text, "--authfile"),
    key("BuildArg", Form::Pairs, "--build-arg"),
    special("ContainersConfModule"),
    key("DNS", Form::Lines, "--dns"),
    key("DNSOption", Form::Lines, "--dns-option"),
    key("DNSSearch", Form::Lines, "--dns-search"),
    key("Environment", Form::Pairs, "--env"),
    special("File"),
    key("ForceRM", Form::Switch, "--force-rm"),
    special("GlobalArgs"),
    key("GroupAdd", Form::Lines, "--group-add"),
    key("IgnoreFile", Form::Text, "--ignorefile"),
    key("ImageTag", Form::Lines, "--tag"),
    key("Label", Form::Pairs, "--label"),
    special("Network"),
    special("PodmanArgs"),
    key("Pull", Form::Joined, "--pull="),
    key("Retry", Form::Text, "--retry"),
    key("RetryDelay", Form::Text, "--retry-delay"),
    key("Secret", Form::Arguments, "--secret"),
    special("ServiceName"),
    special("SetWorkingDirectory"),
    key("Target", Form::Text, "--target"),
    key("TLSVerify", Form::Switch, "--tls-verify"),
    key("Variant", Form::Text, "--variant"),
    special("Volume"),
];

const ARTIFACT: &[Key] = &[
    special("Artifact"),
    key("AuthFile", Form::Text, "--authfile"),
    key("CertDir", Form::Text, "--cert-dir"),
    special("ContainersConfModule"),
    key("Creds", Form::Text, "--creds"),
    key("DecryptionKey", Form::Text, "--decryption-key"),
    special("GlobalArgs"),
    special("PodmanArgs"),
    key("Quiet", Form::Switch, "--quiet"),
    key("Retry", Form::Text, "--retry"),
    key("RetryDelay", Form::Text, "--retry-delay"),
    special("ServiceName"),
    key("TLSVerify", Form::Switch, "--tls-verify"),
];

const POD: &[Key] = &[
    key("AddHost", Form::Lines, "--add-host"),
    special("ContainersConfModule"),
    key("DNS", Form::Lines, "--dns"),
    key("DNSOption", Form::Lines, "--dns-option"),
    key("DNSSearch", Form::Lines, "--dns-search"),
    special("ExitPolicy"),
    key("GIDMap", Form::Words, "--gidmap"),
    special("GlobalArgs"),
    key("HostName", Form::Lines, "--hostname"),
    key("IP", Form::Text, "--ip"),
    key("IP6", Form::Text, "--ip6"),
    key("Label", Form::Pairs, "--label"),
    special("Network"),
    key("NetworkAlias", Form::Lines, "--network-alias"),
    special("PodName"),
    special("PodmanArgs"),
    key("PublishPort", Form::Lines, "--publish"),
    deprecated("RemapGid", "GIDMap"),
    deprecated("RemapUid", "UIDMap"),
    deprecated("RemapUidSize", "UserNS=auto:size="),
    deprecated("RemapUsers", "UserNS"),
    special("ServiceName"),
    key("ShmSize", Form::Text, "--shm-size"),
    special("StopTimeout"),
    key("SubGIDMap", Form::Text, "--subgidname"),
    key("SubUIDMap", Form::Text, "--subuidname"),
    key("UIDMap", Form::Words, "--uidmap"),
    key("UserNS", Form::Text, "--userns"),
    special("Volume"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_types_are_told_by_the_name() {
        assert_eq!(FileType::of("web.container"), Some(FileType::Container));
        assert_eq!(FileType::of("a@b.pod"), Some(FileType::Pod));
        assert_eq!(FileType::of(".container"), None);
        assert_eq!(FileType::of("web.service"), None);
        assert_eq!(FileType::of("container"), None);
    }

    #[test]
    fn keys_are_told_once_and_have_flags_where_their_form_takes_one() {
        for file_type in FileType::ALL {
            for key in file_type.keys() {
                let times = file_type.keys().iter().filter(|other| other.name == key.name).count();
                assert_eq!(times, 1, "{}", key.name);
                let without = matches!(key.form, Form::Special | Form::Deprecated(_));
                assert_eq!(key.flag.is_empty(), without, "{}", key.name);
            }
        }
    }
}
