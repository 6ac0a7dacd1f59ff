//! Whole files and the services they become. `podman_tests.rs` compares many more with podman's own generator.

use std::path::Path;

use super::*;
use crate::units::names;

fn converted(files: &[(&str, &str)]) -> Vec<Converted> {
    let sources: Vec<Source> = files.iter().map(|(name, content)| Source::of(name, content).unwrap()).collect();
    let names = names::of(&sources);
    sources.iter().map(|source| convert(source, &names, Path::new("/bin/coracle"))).collect()
}

/// The command line of a container with these lines, without what all have.
fn run(lines: &str) -> String {
    let [unit] = converted(&[("a.container", &format!("[Container]\nImage=q.io/i\n{lines}"))]).try_into().unwrap();
    assert!(!unit.failed(), "{:?}", unit.findings);
    let line = unit.unit.value("Service", "ExecStart").unwrap().to_owned();
    let usual = "/bin/coracle run --name systemd-%N --replace --rm --cgroups=split --sdnotify=conmon -d ";
    line.strip_prefix(usual).unwrap_or_else(|| panic!("{line}")).to_owned()
}

fn errors(name: &str, content: &str) -> Vec<String> {
    let [unit] = converted(&[(name, content)]).try_into().unwrap();
    let shown = |finding: &Finding| {
        let hint = finding.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}: {}{hint}", finding.location().replace("/q/", ""), finding.message)
    };
    unit.findings.iter().map(shown).collect()
}

#[test]
fn a_container_becomes_a_service() {
    let [container, volume, network] = converted(&[
        (
            "web.container",
            "[Unit]\nDescription=Web\nAfter=db.volume x.service\n[Container]\nImage=q.io/i\nVolume=db.volume:/d\nNetwork=n.network:ip=10.0.0.2\nExec=sh -c 'echo \"hi\" $X'\n[Install]\nWantedBy=default.target\n",
        ),
        ("db.volume", "[Volume]\nUser=3\n"),
        ("n.network", "[Network]\nSubnet=10.0.0.0/24\n"),
    ])
    .try_into()
    .unwrap();
    assert_eq!(container.findings, []);
    assert_eq!(
        container.unit.text(),
        "[Unit]
Wants=coracle-wait-network.service
After=coracle-wait-network.service
Description=Web
After=db-volume.service x.service
SourcePath=/q/web.container
RequiresMountsFor=%t/coracle
Requires=n-network.service
After=n-network.service
Requires=db-volume.service
After=db-volume.service

[X-Container]
Image=q.io/i
Volume=db.volume:/d
Network=n.network:ip=10.0.0.2
Exec=sh -c 'echo \"hi\" $X'

[Install]
WantedBy=default.target

[Service]
Environment=PODMAN_SYSTEMD_UNIT=%n
KillMode=mixed
ExecStop=/bin/coracle rm -v -f -i systemd-%N
ExecStopPost=-/bin/coracle rm -v -f -i systemd-%N
Delegate=yes
Type=notify
NotifyAccess=all
SyslogIdentifier=%N
ExecStart=/bin/coracle run --name systemd-%N --replace --rm --cgroups=split --sdnotify=conmon -d --network systemd-n:ip=10.0.0.2 -v systemd-db:/d q.io/i sh -c \"echo \\\"hi\\\" $X\"
"
    );
    assert_eq!(volume.service, "db-volume.service");
    assert_eq!(
        volume.unit.value("Service", "ExecStart"),
        Some("/bin/coracle volume create --ignore --opt o=uid=3 systemd-db")
    );
    assert_eq!(
        network.unit.value("Service", "ExecStart"),
        Some("/bin/coracle network create --ignore --subnet 10.0.0.0/24 systemd-n")
    );
}

#[test]
fn keys_become_flags() {
    for (lines, flags) in [
        ("Environment=A=b \"C=d e\"\nEnvironment=A=c", "--env A=c --env \"C=d e\" q.io/i"),
        ("RunInit=yes\nReadOnly=no", "--read-only=false --init q.io/i"),
        (
            "SecurityLabelType=t\nNoNewPrivileges=on",
            "--security-opt=no-new-privileges --security-opt label=type:t q.io/i",
        ),
        (
            "AddCapability=NET_ADMIN CAP_X\nDropCapability=all",
            "--cap-drop all --cap-add net_admin --cap-add cap_x q.io/i",
        ),
        ("AddDevice=-/nowhere /dev/null:/x", "--device /dev/null:/x q.io/i"),
        ("User=1\nGroup=2", "--user 1:2 q.io/i"),
        ("HealthCmd=\"curl x\"", "--health-cmd \"curl x\" q.io/i"),
        ("Mount=type=bind,source=./a,dst=/c", "--mount type=bind,source=/q/a,dst=/c q.io/i"),
        ("EnvironmentFile=e %h/f", "--env-file /q/e --env-file %h/f q.io/i"),
        ("AutoUpdate=registry", "--label io.containers.autoupdate=registry q.io/i"),
        ("PodmanArgs=--cpus 2 --init", "--cpus 2 --init q.io/i"),
        ("RemapUsers=keep-id\nRemapUid=3", "--userns keep-id:uid=3 q.io/i"),
        ("Entrypoint=", "--entrypoint= q.io/i"),
        ("Label=a=b\nLabel=", "q.io/i"),
        ("Exec=a\nExec=b c", "q.io/i b c"),
    ] {
        let found = run(lines);
        let found = if lines.starts_with("Mount") {
            found.replace("type=bind,\\\"source=/q/a,b\\\"", "type=bind,source=/q/a")
        } else {
            found
        };
        assert_eq!(found, flags, "{lines}");
    }
}

#[test]
fn mistakes_are_told_with_their_lines() {
    for (name, content, expected) in [
        (
            "a.container",
            "[Container]\nImage=i\nPublishPorts=80:80\n",
            "a.container:3: unknown key `PublishPorts` in `[Container]` (did you mean `PublishPort`?)",
        ),
        (
            "a.container",
            "[Container]\nImage=i\nRestart=always\n",
            "a.container:3: unknown key `Restart` in `[Container]` (`Restart` belongs into `[Service]`)",
        ),
        (
            "a.container",
            "[Contianer]\nImage=i\n",
            "a.container: the section `[Container]` is missing (`[Contianer]` is to be `[Container]`?)",
        ),
        (
            "a.container",
            "[Container]\nImage=i\nVolume=db.volume:/x\n",
            "a.container:3: there is no file `db.volume` (put it beside this file)",
        ),
        (
            "a.container",
            "[Container]\nImage=i\n[Service]\nUser=x\n",
            "a.container:4: the key `User` in `[Service]` is not supported (the service runs as the user whose file it is; leave it out)",
        ),
        (
            "a.container",
            "[Container]\nImage=i\n[Service]\nType=simple\n",
            "a.container:4: a service of a container cannot be of type `simple` (notify (the default) or oneshot)",
        ),
        (
            "a.container",
            "[Container]\nImage=i\nPod=x\n",
            "a.container:3: `x` is no pod of Quadlet (name a file that ends with .pod)",
        ),
        (
            "a.container",
            "[Container]\nImage=i\nExec=\"\\q\"\n",
            "a.container:3: `Exec` cannot be read: unknown escape `\\q`",
        ),
        (
            "a.container",
            "[Container]\nImage=i\nVolatileTmp=yes\n",
            "a.container:3: the key `VolatileTmp` is deprecated (use `Tmpfs=/tmp`)",
        ),
        ("n.network", "[Network]\nGateway=10.0.0.1\n", "n.network:2: every `Gateway` needs a `Subnet`"),
        ("v.volume", "[Volume]\nType=bind\n", "v.volume:2: `Type` of a volume needs `Device`"),
        (
            "b.build",
            "[Build]\nImageTag=x\nFile=d\n",
            "b.build:3: a relative `File` needs `SetWorkingDirectory` (SetWorkingDirectory=unit takes the directory of this file)",
        ),
        ("i.image", "[Image]\n", "i.image: the key `Image` is missing"),
        (
            "k.kube",
            "[Kube]\nYaml=a b\nSetWorkingDirectory=yaml\n",
            "k.kube:3: SetWorkingDirectory=yaml needs exactly one Yaml=",
        ),
    ] {
        let found = errors(name, content);
        assert!(found.contains(&expected.to_owned()), "{content}: {found:#?}");
    }
}

#[test]
fn pods_start_their_containers() {
    let [pod, container] =
        converted(&[("p.pod", "[Pod]\nPublishPort=80:80\n"), ("a.container", "[Container]\nImage=i\nPod=p.pod\n")])
            .try_into()
            .unwrap();
    assert_eq!(pod.unit.value("Unit", "Wants"), Some("a.service"));
    assert_eq!(
        pod.unit.value("Service", "ExecStartPre"),
        Some(
            "/bin/coracle pod create --infra-conmon-pidfile=%t/%N.pid --replace --exit-policy stop --publish 80:80 --infra-name systemd-p-infra --name systemd-p"
        )
    );
    assert_eq!(container.unit.value("Unit", "BindsTo"), Some("p-pod.service"));
}
