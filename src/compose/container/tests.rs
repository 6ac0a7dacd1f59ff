//! Services and the requests that they become.

use super::*;
use crate::compose::fixtures::project_of;
use crate::spec::image::PullPolicy;
use crate::spec::namespaces::NetworkRequest;
use crate::spec::storage::MountSource;

fn of_source(source: &str, service: &str) -> Result<CreateRequest> {
    let project = project_of(source, &[("TOKEN", "secret")])?;
    refused::check(&project)?;
    let node = project.service(service).unwrap();
    let instance = Instance {
        service,
        name: "p-web-1".parse().unwrap(),
        labels: BTreeMap::new(),
        has_aliases: true,
        remove: false,
        others: &|other| match other {
            Other::Service("db") => {
                let mut db = crate::engine::fixtures::container("p-db-1", 0, crate::spec::container::Status::Created);
                let data = MountSource::Volume { name: "p_data".parse().unwrap(), anonymous: false, no_copy: false };
                db.config.storage.mounts = vec![Mount::plain(data, "/data".into())];
                Some(db)
            }
            _ => None,
        },
        inherited: &[],
        volume_names: &|| "anonymous".parse(),
        profile: &|_| Err(Error::not_found("no profile")),
    };
    request(&project, node, &instance, &Usual::default())
}

fn web(keys: &str) -> Result<CreateRequest> {
    let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    of_source(
        &format!(
            "services:\n  db: {{image: d}}\n  web:\n    image: i\n{keys}volumes: {{data: {{}}}}\nnetworks: {{default: {{}}, back: {{}}}}\n"
        ),
        "web",
    )
}

#[test]
fn a_service_becomes_a_request() {
    let got = web(
        "command: [serve, -x]\nentrypoint: /entry --now\nenvironment: {A: 1, B: two}\nworking_dir: /srv\nuser: '1:2'\nhostname: box\ninit: true\ntty: true\nrestart: on-failure:3\nstop_signal: INT\nstop_grace_period: 1500ms\ncap_add: [NET_ADMIN]\nread_only: true\nshm_size: 1m\nextra_hosts: ['me=192.0.2.7']\ndns: 192.0.2.1\nexpose: [99]\nports: ['8080:80', '127.0.0.1:53:53/udp', '[::1]:81:81']\nmem_limit: 64m\ncpus: 0.5\nulimits: {nofile: {soft: 10, hard: 20}, nproc: 5}\nhealthcheck: {test: 'curl x', interval: 1m, retries: 2}",
    )
    .unwrap();
    assert_eq!(got.name.unwrap().as_str(), "p-web-1");
    assert_eq!((got.image.name.as_str(), got.image.pull), ("i", PullPolicy::Missing));
    assert_eq!(
        (got.process.command, got.process.entrypoint),
        (vec!["serve".into(), "-x".into()], Some(vec!["/entry".into(), "--now".into()]))
    );
    assert_eq!(got.process.env, ["A=1", "B=two"]);
    assert_eq!(
        (got.process.cwd.as_deref(), got.identity.user.as_deref(), got.identity.hostname.as_deref()),
        (Some("/srv"), Some("1:2"), Some("box"))
    );
    assert_eq!((got.lifecycle.stop_signal.map(|signal| signal.0), got.lifecycle.stop_timeout), (Some(libc::SIGINT), 2));
    assert_eq!(got.lifecycle.restart, RestartPolicy::OnFailure(3));
    assert!(got.lifecycle.init && got.process.tty && got.storage.read_only && got.storage.shm_size == 1 << 20);
    let ports: Vec<_> = got
        .networking
        .ports
        .iter()
        .map(|publish| {
            (publish.port.host_ip.map(|ip| ip.to_string()), publish.port.host_port, publish.port.container())
        })
        .collect();
    assert_eq!(
        ports,
        [
            (None, 8080, "80/tcp".into()),
            (Some("127.0.0.1".into()), 53, "53/udp".into()),
            (Some("::1".into()), 81, "81/tcp".into())
        ]
    );
    assert_eq!((got.resources.memory, got.resources.nano_cpus), (Some(64 << 20), Some(500_000_000)));
    let limits: Vec<_> =
        got.resources.ulimits.iter().map(|limit| (limit.name.as_str(), limit.soft, limit.hard)).collect();
    assert_eq!(limits, [("nofile", 10, 20), ("nproc", 5, 5)]);
    let check = got.health.check.unwrap();
    assert_eq!(
        (check.test, check.interval, check.retries),
        (vec!["CMD-SHELL".into(), "curl x".into()], 60_000_000_000, 2)
    );
    assert_eq!(got.networking.exposed, ["99/tcp"]);
}

#[test]
fn networks_are_in_the_order_of_their_priority() {
    let got =
        web("networks: {default: {priority: 1}, back: {priority: 2, aliases: [b], ipv4_address: 10.0.0.9}}").unwrap();
    let names: Vec<_> = got
        .namespaces
        .networks
        .iter()
        .map(|network| match network {
            NetworkRequest::Named(name, wish) => format!("{name} {} {:?}", wish.aliases.join(","), wish.ipv4),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["p_back web,b Some(10.0.0.9)", "p_default web None"]);
    assert!(matches!(
        &web("network_mode: 'service:db'").unwrap().namespaces.networks[..],
        [NetworkRequest::Container(_)]
    ));
    assert_eq!(web("network_mode: host").unwrap().namespaces.networks, [NetworkRequest::Host]);
    assert!(web("network_mode: 'service:nobody'").is_err());
    let linked = of_source("services: {web: {image: i}, a: {image: i, links: ['web:www']}}\n", "web").unwrap();
    assert!(
        matches!(&linked.namespaces.networks[..], [NetworkRequest::Named(_, wish)] if wish.aliases == ["web", "www"])
    );
}

#[test]
fn mounts_of_all_kinds() {
    let got = web(
        "volumes: ['data:/d:ro', './src:/src', '/anonymous', {type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0700}}]\ntmpfs: ['/run:size=1m']\nvolumes_from: ['db:ro']",
    )
    .unwrap();
    let shown: Vec<_> = got
        .storage
        .mounts
        .iter()
        .map(|request| {
            let source = match &request.mount.source {
                MountSource::Bind { path } => {
                    format!("{}{}", path.display(), if request.create_source { " made" } else { "" })
                }
                MountSource::Volume { name, anonymous, .. } => {
                    format!("{name}{}", if *anonymous { " anonymous" } else { "" })
                }
                MountSource::Tmpfs { options, .. } => options.clone(),
                other => format!("{other:?}"),
            };
            format!("{source}:{}{}", request.mount.target, if request.mount.read_only { ":ro" } else { "" })
        })
        .collect();
    assert_eq!(
        shown,
        [
            "p_data:/d:ro",
            "/p/src made:/src",
            "anonymous anonymous:/anonymous",
            "size=1048576,mode=700:/t",
            "size=1048576:/run",
            "p_data:/data:ro"
        ]
    );
}

#[test]
fn secrets_and_configs_are_bound_or_copied() {
    let source = "services:\n  web:\n    image: i\n    secrets: [key, {source: token, target: other, uid: '7', mode: 0400}]\n    configs: [{source: conf, target: /etc/conf}]\nsecrets: {key: {file: ./key}, token: {environment: TOKEN}}\nconfigs: {conf: {content: 'a = ${TOKEN}'}}\n";
    let project = project_of(source, &[("TOKEN", "secret")]).unwrap();
    let node = project.service("web").unwrap();
    let bound = of_source(source, "web").unwrap().storage.mounts;
    assert_eq!(bound.iter().map(|request| request.mount.target.as_str()).collect::<Vec<_>>(), ["/run/secrets/key"]);
    let copied = injected(&project, node).unwrap();
    let text = |content: &str| Content::Text(content.into());
    assert_eq!(
        copied,
        [
            Injected { target: "/run/secrets/other".into(), uid: 7, gid: 0, mode: 0o400, content: text("secret") },
            Injected { target: "/etc/conf".into(), uid: 0, gid: 0, mode: 0o444, content: text("a = secret") },
        ]
    );
    let one = digest(&copied, &|_| Ok(Vec::new())).unwrap();
    assert_ne!(one, digest(&copied[..1], &|_| Ok(Vec::new())).unwrap());
    assert_eq!(digest(&[], &|_| Ok(Vec::new())).unwrap(), None);
    let unset = project_of(source, &[]).map(|project| injected(&project, project.service("web").unwrap()));
    assert!(unset.unwrap().unwrap_err().message().contains("required by secret \"token\" is not set"));
}

#[test]
fn mistakes_have_their_place() {
    for keys in [
        "ports: ['80/sctp']",
        "user: x\nrestart: sometimes",
        "cap_add: [NOTHING]",
        "ulimits: {frob: 1}",
        "stop_signal: NONE",
        "devices: ['/dev/x:relative']",
        "networks: {back: {ipv4_address: '::1'}}",
        "scale: -1\nworking_dir: relative",
        "healthcheck: {test: [WRONG, x]}",
        "volumes: [{type: bind, source: /x, target: /y, bind: {propagation: wild}}]",
        "volumes_from: [nobody]",
        "mem_limit: 1b\nmem_reservation: 2g",
    ] {
        let error = web(keys).map(drop).unwrap_err();
        assert!(error.message().contains("/p/compose.yaml:"), "{keys}: {}", error.chain());
    }
}

#[test]
fn how_many_containers() {
    let of = |keys: &str| {
        let project = project_of(&format!("services: {{web: {{image: i, {keys}}}}}\n"), &[]).unwrap();
        scale(project.service("web").unwrap())
    };
    assert_eq!((of("tty: true").unwrap(), of("scale: 3").unwrap(), of("deploy: {replicas: 2}").unwrap()), (1, 3, 2));
    assert_eq!(of("scale: 0").unwrap(), 0);
    assert!(of("scale: -1").is_err() && of("scale: 1000000").is_err());
}
