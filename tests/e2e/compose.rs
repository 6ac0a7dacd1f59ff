//! `compose` as a user has it: which files it reads, what it prints where, and what it refuses. What `config` prints is
//! compared with docker compose in `tests/compose.rs`.

use crate::support::env::Env;

const FILE: &str = "services:\n  web:\n    image: nginx:${TAG:-latest}\n    volumes: [\"./data:/data\"]\n";

/// Writes a file of the directory in which commands run.
fn write(env: &Env, name: &str, text: &str) {
    std::fs::write(env.root().join(name), text).expect("our directory");
}

#[test]
fn config_prints_the_project_of_the_directory() {
    let env = ready!(busybox);
    let root = env.root().display().to_string();
    std::fs::create_dir_all(env.root().join("shop/inner")).expect("made");
    write(&env, "shop/compose.yaml", FILE);
    write(&env, "shop/.env", "TAG=1.25\n");
    let at = |line: &str| env.command(line);
    let config = at("compose --project-directory shop config").run().succeeds();
    config
        .stdout_has("name: shop\n")
        .stdout_has("image: nginx:1.25\n")
        .stdout_has(&format!("source: {root}/shop/data\n"));
    let named = at("compose -f shop/compose.yaml -p other config --format json").run().succeeds();
    assert_eq!(named.json()["name"], "other");
    assert_eq!(named.json()["services"]["web"]["image"], "nginx:1.25");
    at("compose config").var("COMPOSE_FILE", "shop/compose.yaml").run().succeeds().stdout_has("name: shop\n");
    at("compose -f shop/compose.yaml config --images").var("TAG", "2").run().succeeds().stdout_is("nginx:2\n");
    at("compose -f - config --services").stdin(FILE).run().succeeds().stdout_is("web\n");
    at("compose -f shop/compose.yaml config -q").run().succeeds().stdout_is("");
    at("compose -f shop/compose.yaml config -o out.yaml").run().succeeds().stdout_is("");
    let written = std::fs::read_to_string(env.root().join("out.yaml")).expect("it was written");
    assert!(written.contains("image: nginx:1.25\n"), "{written}");
}

#[test]
fn personas_have_compose() {
    let env = ready!(busybox);
    write(&env, "compose.yaml", FILE);
    for name in ["docker", "podman"] {
        env.persona(name, "compose config --services").run().succeeds().stdout_is("web\n");
    }
    env.coracle("compose --help").succeeds().stdout_has("--project-name").stdout_has("config");
    env.coracle("compose publish").fails_with(1).stderr_has("no command `coracle compose publish` yet");
    env.coracle("compose confg").fails_with(1).stderr_has("did you mean `coracle compose config`?");
    env.coracle("compose --frob config").fails_with(125).stderr_has("unknown flag: --frob");
    env.coracle("compose config nosuch").fails_with(1).stderr_has("no such service: nosuch");
}

#[test]
fn mistakes_are_shown_with_their_place() {
    let env = ready!(busybox);
    write(&env, "compose.yaml", "services:\n  web:\n    imag: x\n");
    let config = env.coracle("compose config").fails_with(1);
    config
        .stderr_has("compose.yaml:3:5: services.web additional properties 'imag' not allowed")
        .stderr_has("did you mean `image`?");
    // What a file says does not reach the terminal as it is.
    write(&env, "compose.yaml", "services:\n  web:\n    \"im\\e[31mag\": x\n");
    let config = env.coracle("compose config").fails_with(1);
    assert!(!config.stderr.contains('\x1b'), "{}", config.stderr);
}

/// Files that a project names and that are none.
fn hostile(env: &Env, name: &str, compose: &str) {
    write(env, "compose.yaml", compose);
    let config = env.coracle("compose config").fails_with(1);
    config.stderr_has("no regular file").stderr_has(name);
}

#[test]
fn pipes_and_devices_are_not_read() {
    let env = ready!(busybox);
    nix::unistd::mkfifo(&env.root().join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("our directory");
    for name in ["pipe", "/dev/zero"] {
        hostile(&env, name, &format!("services: {{a: {{image: x, env_file: {name}}}}}\n"));
        hostile(&env, name, &format!("include: [{name}]\n"));
        hostile(&env, name, &format!("services: {{a: {{extends: {{file: {name}, service: b}}}}}}\n"));
        env.coracle(&format!("compose -f {name} config")).fails_with(1).stderr_has("no regular file");
        env.coracle(&format!("compose --env-file {name} config")).fails_with(1).stderr_has("no regular file");
    }
}
