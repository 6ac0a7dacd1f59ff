//! Tables of what is wanted, what is there, and what follows.

use super::*;
use crate::compose::fixtures::project;
use crate::compose::labels;
use crate::compose::project::Project;
use crate::engine::fixtures::container;
use crate::spec::container::Status;

fn wanted<'a>(project: &'a Project, recreate: Recreate) -> Vec<Wanted<'a>> {
    let order = project.ordered_services();
    let one = |name: &String| {
        let (name, service) = project.services().find(|(other, _)| *other == name).unwrap();
        Wanted {
            name,
            service,
            hash: format!("hash-{name}"),
            image: "sha256:1".into(),
            files: None,
            scale: crate::compose::container::scale(service).unwrap(),
            recreate,
        }
    };
    order.iter().map(one).collect()
}

/// `name service number state`: a container whose labels are up to date, unless `state` says `old`.
fn there(lines: &[&str]) -> Vec<Container> {
    let one = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, service, number, state] = words[..] else { panic!("{line}") };
        let status = match state {
            "exited" => Status::Exited { code: 0, started: Default::default(), finished: None, error: String::new() },
            _ => Status::Running { started: Default::default(), pid: 1 },
        };
        let mut container = container(name, 0, status);
        let hash = if state == "old" { "other".to_owned() } else { format!("hash-{service}") };
        for (label, value) in [
            (labels::SERVICE, service),
            (labels::NUMBER, number),
            (labels::CONFIG_HASH, hash.as_str()),
            (labels::IMAGE, "sha256:1"),
            (labels::ONE_OFF, if number == "run" { "True" } else { "False" }),
        ] {
            container.config.labels.insert(label.into(), value.into());
        }
        container
    };
    lines.iter().map(one).collect()
}

fn shown(plans: &[OfService]) -> Vec<String> {
    let step = |step: &Step| match step {
        Step::Keep { name, runs, restart, .. } => {
            format!("keep {name}{}{}", if *runs { "" } else { " stopped" }, if *restart { " restart" } else { "" })
        }
        Step::Create { name, .. } => format!("create {name}"),
        Step::Replace { old, name, .. } => format!("replace {old} by {name}"),
        Step::Adopt { from, name, .. } => format!("adopt {from} as {name}"),
        Step::Remove { name, .. } => format!("remove {name}"),
    };
    plans.iter().flat_map(|plan| plan.steps.iter().map(step)).collect()
}

const TWO: &str =
    "services:\n  web: {image: i, depends_on: {db: {condition: service_started, restart: true}}}\n  db: {image: i}\n";

#[test]
fn only_what_changed_is_made_anew() {
    let old = "p-web-1";
    let temporary = format!("{}_{old}", "0123456789ab");
    for (source, present, recreate, expected) in [
        (TWO, &[][..], Recreate::Diverged, &["create p-db-1", "create p-web-1"][..]),
        (TWO, &["p-web-1 web 1 up", "p-db-1 db 1 up"], Recreate::Diverged, &["keep p-db-1", "keep p-web-1"]),
        (
            TWO,
            &["p-web-1 web 1 exited", "p-db-1 db 1 up"],
            Recreate::Diverged,
            &["keep p-db-1", "keep p-web-1 stopped"],
        ),
        (
            TWO,
            &["p-web-1 web 1 up", "p-db-1 db 1 old"],
            Recreate::Diverged,
            &["replace p-db-1 by p-db-1", "keep p-web-1 restart"],
        ),
        (TWO, &["p-web-1 web 1 old", "p-db-1 db 1 old"], Recreate::Never, &["keep p-db-1", "keep p-web-1"]),
        (
            TWO,
            &["p-web-1 web 1 up", "p-db-1 db 1 up"],
            Recreate::Force,
            &["replace p-db-1 by p-db-1", "replace p-web-1 by p-web-1"],
        ),
        // Of a command that was killed: the old one is there, or has gone already.
        (
            "services: {web: {image: i}}\n",
            &["p-web-1 web 1 old", &format!("{temporary} web 1 up")],
            Recreate::Diverged,
            &[&format!("remove {temporary}"), "replace p-web-1 by p-web-1"],
        ),
        (
            "services: {web: {image: i}}\n",
            &[&format!("{temporary} web 1 exited")],
            Recreate::Diverged,
            &[&format!("adopt {temporary} as p-web-1"), "keep p-web-1 stopped"],
        ),
        // Scaled up and down: the numbers that stay are the lowest of those that are up to date.
        (
            "services: {web: {image: i, scale: 3}}\n",
            &["p-web-2 web 2 up"],
            Recreate::Diverged,
            &["keep p-web-2", "create p-web-3", "create p-web-4"],
        ),
        (
            "services: {web: {image: i, deploy: {replicas: 1}}}\n",
            &["p-web-1 web 1 old", "p-web-2 web 2 up", "p-web-3 web 3 up"],
            Recreate::Diverged,
            &["keep p-web-2", "remove p-web-3", "remove p-web-1"],
        ),
        ("services: {web: {image: i, scale: 0}}\n", &["p-web-1 web 1 up"], Recreate::Diverged, &["remove p-web-1"]),
        // Containers of `run` are nobody's business.
        ("services: {web: {image: i}}\n", &["x web run up"], Recreate::Diverged, &["create p-web-1"]),
        ("services: {web: {image: i, container_name: own}}\n", &[], Recreate::Diverged, &["create own"]),
    ] {
        let project = project(source);
        let plans = plan("p", &wanted(&project, recreate), &there(present)).unwrap();
        assert_eq!(shown(&plans), expected, "{source} {present:?}");
    }
}

#[test]
fn who_shares_a_network_follows_its_owner() {
    let project = project("services: {a: {image: i}, b: {image: i, network_mode: 'service:a'}}\n");
    let mut present = there(&["p-a-1 a 1 up", "p-b-1 b 1 up"]);
    present[1].config.namespaces.network = NetworkMode::Container(present[0].config.id.clone());
    let steps = |present: &[Container]| shown(&plan("p", &wanted(&project, Recreate::Diverged), present).unwrap());
    assert_eq!(steps(&present), ["keep p-a-1", "keep p-b-1"]);
    assert_eq!(steps(&present[1..]), ["create p-a-1", "replace p-b-1 by p-b-1"]);
    present[0].config.labels.insert(labels::CONFIG_HASH.into(), "other".into());
    assert_eq!(steps(&present), ["replace p-a-1 by p-a-1", "replace p-b-1 by p-b-1"]);
}

#[test]
fn a_name_is_one_containers() {
    let project = project("services: {web: {image: i, container_name: own}}\n");
    let mut wanted = wanted(&project, Recreate::Diverged);
    wanted[0].scale = 2;
    assert!(plan("p", &wanted, &[]).unwrap_err().message().contains("`own`"));
}

#[test]
fn orphans_and_the_order_of_stops() {
    let mut present =
        there(&["p-web-1 web 1 up", "p-db-1 db 1 up", "gone old 1 up", "r web run exited", "s web run up"]);
    let services = ["web", "db"].map(str::to_owned).into();
    let names = |containers: &[&Container]| containers.iter().map(|c| c.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&orphans(&present, &services)), ["gone", "r"]);
    present.truncate(2);
    present[0].config.labels.insert(labels::DEPENDS_ON.into(), "db:service_started:false".into());
    let order: Vec<_> = stop_order(&present).iter().map(|level| names(level)).collect();
    assert_eq!(order, [["p-web-1"], ["p-db-1"]]);
    // Labels that nobody can follow still end.
    present[1].config.labels.insert(labels::DEPENDS_ON.into(), "web:x:y".into());
    assert_eq!(stop_order(&present).len(), 1);
}
