//! Projects and what docker compose 2.40 prints for them. Each directory of `tests/compose` is one: `commands` has a command
//! line per line, and `01.expected` and so on what docker compose printed for it in `/project`, with `SET=outside`, an empty
//! `EMPTY` and the home directory `/home/u`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use coracle::testing::base::Result;
use coracle::testing::compose::{Files, Machine};
use coracle::testing::compose::{Project, Request, Skip, load};
use coracle::testing::compose::{hash, print};

/// A directory of this source tree as `/project`.
struct Mapped(PathBuf);

impl Files for Mapped {
    fn read(&self, path: &Path) -> Result<Option<String>> {
        match path.strip_prefix("/project") {
            Ok(inside) => Machine.read(&self.0.join(inside)),
            Err(_) => Ok(None),
        }
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.strip_prefix("/project").is_ok_and(|inside| self.0.join(inside).is_dir())
    }
}

/// What a command line of `commands` asks for, and how it is printed.
fn request(line: &str) -> (Request, Vec<String>) {
    let variables = [("SET", "outside"), ("EMPTY", ""), ("HOME", "/home/u")];
    let mut request = Request {
        cwd: "/project".into(),
        environment: variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        ..Request::default()
    };
    let (mut printed, mut is_before) = (Vec::new(), true);
    let mut words = line.split_whitespace().map(str::to_owned);
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("a value");
        match word.as_str() {
            "config" => is_before = false,
            "-f" if is_before => request.files.push(value()),
            "-p" if is_before => request.name = Some(value()),
            "--profile" if is_before => request.profiles.push(value()),
            "--env-file" if is_before => request.env_files.push(value()),
            "--all-resources" if is_before => request.skip.selection = true,
            "--no-interpolate" => {
                request.skip =
                    Skip { interpolation: true, environment: true, selection: true, consistency: true, ..request.skip };
            }
            "--no-normalize" => request.skip.normalization = true,
            "--no-path-resolution" => request.skip.paths = true,
            "--no-env-resolution" => request.skip.environment = true,
            "--format" => printed.extend([word.clone(), value()]),
            "--hash" => {
                request.skip.environment = true;
                printed.extend([word.clone(), value()]);
            }
            flag if flag.starts_with("--") => printed.push(word),
            _ => request.services.push(word),
        }
    }
    (request, printed)
}

fn shown(project: &Project, how: &[String]) -> Option<String> {
    let lines = |names: Vec<String>| names.into_iter().map(|name| name + "\n").collect::<String>();
    let names = |kind: &str| lines(project.model.entries(kind).map(|(name, _)| name.clone()).collect());
    let words: Vec<&str> = how.iter().map(String::as_str).collect();
    Some(match words[..] {
        [] if project.is_interpolated => print::yaml(&project.model, true),
        [] => print::yaml_by_alphabet(&project.model),
        ["--format", "json"] => print::json(&project.model, true) + "\n",
        ["--hash", "*"] => {
            lines(project.services().map(|(name, service)| format!("{name} {}", hash::of_service(service))).collect())
        }
        ["--hash", wanted] => {
            let (name, service) = project.services().find(|(name, _)| *name == wanted)?;
            format!("{name} {}\n", hash::of_service(service))
        }
        ["--services"] => lines(project.ordered_services()),
        ["--volumes"] => names("volumes"),
        ["--networks"] => names("networks"),
        ["--profiles"] => lines(project.profiles.iter().cloned().collect()),
        _ => return None,
    })
}

#[test]
fn projects_are_printed_as_docker_compose_prints_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose");
    let mut compared = 0;
    let mut wrong = Vec::new();
    for directory in fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()) {
        let commands = fs::read_to_string(directory.join("commands")).unwrap();
        for (index, line) in commands.lines().enumerate() {
            let name = format!("{}: {line}", directory.file_name().unwrap().to_string_lossy());
            let Ok(expected) = fs::read_to_string(directory.join(format!("{:02}.expected", index + 1))) else {
                let (request, _) = request(line);
                assert!(load(&request, &Mapped(directory.clone())).is_err(), "{name}: docker compose refuses it");
                continue;
            };
            let (request, how) = request(line);
            let project = load(&request, &Mapped(directory.clone()))
                .unwrap_or_else(|error| panic!("{name}: {} {:?}", error.chain(), error.hints()));
            let Some(shown) = shown(&project, &how) else { continue };
            compared += 1;
            if shown != expected {
                let first = shown.lines().zip(expected.lines()).position(|(a, b)| a != b);
                let at = |text: &str| first.and_then(|line| text.lines().nth(line)).unwrap_or_default().to_owned();
                wrong.push(format!("{name}: line {first:?}: `{}`, expected `{}`", at(&shown), at(&expected)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 40, "{compared}");
}

/// Files that are only in memory.
struct Given(BTreeMap<PathBuf, String>);

impl Files for Given {
    fn read(&self, path: &Path) -> Result<Option<String>> {
        Ok(self.0.get(path).cloned())
    }

    fn is_directory(&self, _: &Path) -> bool {
        false
    }
}

fn refusal(files: &[(&str, &str)]) -> String {
    let files: BTreeMap<PathBuf, String> =
        files.iter().map(|(name, text)| (Path::new("/p").join(name), (*text).to_owned())).collect();
    let request = Request { cwd: "/p".into(), ..Request::default() };
    match load(&request, &Given(files)) {
        Ok(project) => format!("fine: {}", project.name),
        Err(error) => {
            [vec![error.chain()], error.hints().iter().map(|hint| format!("({hint})")).collect()].concat().join(" ")
        }
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (source, expected) in [
        (
            "services:\n  web:\n    imag: x\n",
            "validating /p/compose.yaml:3:5: services.web additional properties 'imag' not allowed (did you mean `image`?)",
        ),
        ("services:\n  web:\n    image: [x]\n", "validating /p/compose.yaml:3:5: services.web.image must be a string"),
        (
            "servces:\n  web:\n    image: x\n",
            "validating /p/compose.yaml:1:1:  additional properties 'servces' not allowed (did you mean `services`?)",
        ),
        (
            "services:\n  web:\n    image: x\n    image: y\n",
            "/p/compose.yaml:4:5: mapping key \"image\" already defined at line 3",
        ),
        (
            "services:\n  web: {}\n",
            "/p/compose.yaml:2:3: service \"web\" has neither an image nor a build context specified: invalid compose project",
        ),
        ("", "empty compose file"),
        ("[]\n", "/p/compose.yaml:1:1: top-level object must be a mapping"),
        ("services:\n  web:\n", "validating /p/compose.yaml:2:3: services.web must be a mapping"),
        (
            "services:\n  web:\n    image: x\n    depends_on: [db]\n",
            "/p/compose.yaml:4:18: service \"web\" depends on undefined service \"db\": invalid compose project",
        ),
        (
            "services: {web: {image: x, networks: [db]}}\n",
            "/p/compose.yaml:1:39: service \"web\" refers to undefined network db: invalid compose project",
        ),
        (
            "services: {web: {image: x, volumes: ['db:/x']}}\n",
            "/p/compose.yaml:1:38: service \"web\" refers to undefined volume db: invalid compose project",
        ),
        (
            "services: {web: {image: x, secrets: [db]}}\n",
            "/p/compose.yaml:1:38: service \"web\" refers to undefined secret db: invalid compose project",
        ),
        (
            "services: {web: {image: x, depends_on: {web: {}}}}\n",
            "validating /p/compose.yaml:1:41: services.web.depends_on.web missing property 'condition'",
        ),
        (
            "services: {web: {image: x, depends_on: [web]}}\n",
            "/p/compose.yaml:1:12: dependency cycle detected: web -> web",
        ),
        (
            "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}\n",
            "/p/compose.yaml:1:12: dependency cycle detected: a -> b -> a",
        ),
        ("services: {web: {image: x, ports: ['a:b']}}\n", "/p/compose.yaml:1:36: Invalid containerPort: b"),
        (
            "services: {web: {image: x, environment: {A: [1]}}}\n",
            "validating /p/compose.yaml:1:42: services.web.environment.A must be a boolean, null, number or string",
        ),
        (
            "services: {web: {image: '${X?need it}'}}\n",
            "/p/compose.yaml:1:18: error while interpolating services.web.image: required variable X is missing a value: need it",
        ),
        (
            "services: {web: {image: '${X'}}\n",
            "/p/compose.yaml:1:18: invalid interpolation format for services.web.image.\nYou may need to escape any $ with another $.\n${X",
        ),
        (
            "services: {web: {image: x, privileged: maybe}}\n",
            "/p/compose.yaml:1:28: error while interpolating services.web.privileged: failed to cast to expected type: invalid boolean: maybe",
        ),
        (
            "services: {web: {image: x, env_file: nope}}\n",
            "/p/compose.yaml:1:28: env file /p/nope not found: no such file or directory (write `required: false` if the project works without it)",
        ),
        (
            "services: {web: {image: x, restart: no, pull_policy: sometimes}}\n",
            "validating /p/compose.yaml:1:41: services.web.pull_policy 'sometimes' does not match pattern 'always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+'",
        ),
        (
            "services: {web: {image: x, extends: base}}\n",
            "/p/compose.yaml:1:28: cannot extend service \"web\" in /p/compose.yaml: service \"base\" not found",
        ),
        (
            "services: {web: {image: x, extends: {service: a, file: b.yml}}}\n",
            "open /p/b.yml: no such file or directory",
        ),
        ("include: [b.yml]\n", "open /p/b.yml: no such file or directory"),
        (
            "services: {web: {image: x, volumes: [{type: foo, target: /x}]}}\n",
            "validating /p/compose.yaml:1:39: services.web.volumes.0.type value must be one of 'bind', 'volume', 'tmpfs', 'cluster', 'npipe', 'image'",
        ),
        (
            "services: {web: {image: x}}\nvolumes: {v: {external: true, driver: local}}\n",
            "/p/compose.yaml:2:31: volumes.v: conflicting parameters \"external\" and \"driver\" specified",
        ),
        (
            "services: {web: {image: x}}\nsecrets: {s: {}}\n",
            "/p/compose.yaml:2:11: secrets.s: one of file|environment must be set",
        ),
        (
            "services: {a: {image: x, deploy: {replicas: 2}, scale: 3}}\n",
            "/p/compose.yaml:1:49: services.a: can't set distinct values on 'scale' and 'deploy.replicas': invalid compose project",
        ),
        (
            "services: {a: {image: x, healthcheck: {interval: 5q}}}\n",
            "/p/compose.yaml:1:40: error while interpolating services.a.healthcheck.interval: failed to cast to expected type: time: unknown unit \"q\" in duration \"5q\"",
        ),
        (
            "services: {'a b': {image: x}}\n",
            "validating /p/compose.yaml:1:12: services additional properties 'a b' not allowed",
        ),
        (
            "services: {a: {image: x, network_mode: host, networks: [default]}}\n",
            "/p/compose.yaml:1:46: service a declares mutually exclusive `network_mode` and `networks`: invalid compose project",
        ),
    ] {
        assert_eq!(refusal(&[("compose.yaml", source)]), expected, "{source}");
    }
    assert!(refusal(&[]).starts_with("no configuration file provided: not found"));
}

#[test]
fn files_that_lead_to_each_other_have_an_end() {
    let include = "include: [a.yaml]\n";
    let seen = refusal(&[("compose.yaml", include), ("a.yaml", "include: [compose.yaml]\n")]);
    assert!(seen.contains("include cycle detected"), "{seen}");
    let extends = |file: &str| format!("services: {{w: {{extends: {{file: {file}, service: w}}}}}}\n");
    let seen = refusal(&[("compose.yaml", &extends("a.yaml")), ("a.yaml", &extends("compose.yaml"))]);
    assert!(seen.contains("Circular reference"), "{seen}");
    let seen = refusal(&[("compose.yaml", "services: {a: {extends: b}, b: {extends: a}}\n")]);
    assert!(seen.contains("Circular reference"), "{seen}");
    // Each file includes the next one twice.
    let doubling = |n: usize| format!("include: [{{path: f{n}.yaml}}, {{path: f{n}.yaml}}]\n");
    let names: Vec<(String, String)> = (0..40)
        .map(|n| (if n == 0 { "compose.yaml".to_owned() } else { format!("f{n}.yaml") }, doubling(n + 1)))
        .collect();
    let files: Vec<(&str, &str)> = names.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let seen = refusal(&files);
    assert!(seen.contains("cycle detected") || seen.contains("more than 5000 files"), "{seen}");
    // Each service repeats the large one.
    let large: String = (0..50_000).map(|n| format!("V{n}: x, ")).collect();
    let heirs: String = (0..100).map(|n| format!("  h{n}: {{extends: a}}\n")).collect();
    let seen =
        refusal(&[("compose.yaml", &format!("services:\n  a: {{image: x, environment: {{{large}}}}}\n{heirs}"))]);
    assert!(seen.contains("more than 2000000 values"), "{seen}");
}

#[test]
fn projects_get_their_names() {
    let name = |source: &str| refusal(&[("compose.yaml", source)]);
    assert_eq!(name("services: {a: {image: x}}\n"), "fine: p");
    assert_eq!(name("name: other_1\nservices: {a: {image: x}}\n"), "fine: other_1");
    let named = |name: &str, variable: &str| {
        let request = Request {
            cwd: "/p".into(),
            name: Some(name.to_owned()).filter(|name| !name.is_empty()),
            environment: BTreeMap::from([("COMPOSE_PROJECT_NAME".to_owned(), variable.to_owned())]),
            ..Request::default()
        };
        let file = (PathBuf::from("/p/compose.yaml"), "services: {a: {image: \"$COMPOSE_PROJECT_NAME\"}}\n".to_owned());
        load(&request, &Given(BTreeMap::from([file]))).map(|project| {
            let (name, service) = project.services().next().unwrap();
            project.image(name, service)
        })
    };
    assert_eq!(named("given", "variable").unwrap(), "given");
    assert_eq!(named("", "variable").unwrap(), "variable");
    assert!(named("A b", "").unwrap_err().message().starts_with("invalid project name \"A b\": must consist only"));
}
