//! registries.conf(5): search lists, aliases, mirrors, rewriting and blocking; and images that are found by the end of
//! their name.

use std::fs;

use crate::support::bad_registry::{BadRegistry, Content, Reply};
use crate::support::env::Env;
use crate::support::registry::Registry;

/// Writes the user's registries.conf, with which the machine's own is not read.
fn configure(env: &Env, text: &str) {
    let directory = env.config().join("containers");
    fs::create_dir_all(&directory).expect("our directory");
    fs::write(directory.join("registries.conf"), text).expect("our directory");
}

/// A small image of one layer, which need not run.
fn content() -> Content {
    let mut content = Content::default();
    let tar = crate::support::images::Tar::new().file("hello", "hello").finish();
    let digest = crate::support::bad_registry::digest(&tar);
    let config =
        format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{digest}"]}}}}"#);
    content.image("latest", "amd64", &config, &[tar]);
    content
}

#[test]
fn registries_are_searched_in_order() {
    let env = ready!();
    let without = BadRegistry::start(|_| Reply::error(404, "NAME_UNKNOWN", "not here"));
    let with = BadRegistry::good(content());
    configure(&env, &format!("unqualified-search-registries = ['{}', '{}']\n", without.host(), with.host()));
    let name = format!("{}/team/app:latest", with.host());
    env.coracle("pull -q --platform linux/amd64 team/app").succeeds().stdout_is(&format!("{name}\n"));
    assert!(without.count("/v2/team/app/manifests/latest") == 1);
    let said = env.coracle("pull --platform linux/amd64 team/app").succeeds();
    said.stdout_has("unqualified-search registries").stdout_has("registries.conf");
    // Both are named when none has it.
    let failed = env.coracle("pull nosuch/thing:1").fails_with(1).explains();
    failed.stderr_has(&without.host()).stderr_has(&with.host());
    // Here it is found without the registry.
    let id = env.inspect(&name, "{{.Id}}");
    for typed in ["team/app", "app", "app:latest"] {
        assert_eq!(env.inspect(typed, "{{.Id}}"), id, "{typed}");
        env.coracle(&format!("image exists {typed}")).succeeds();
        env.coracle(&format!("images -q --no-trunc {typed}")).succeeds().stdout_is(&format!("{id}\n"));
    }
    env.coracle("image exists pp").fails();
    env.coracle("images -q pp").succeeds().stdout_is("");
    // docker knows whole names and Docker Hub only.
    env.persona("docker", "image inspect app").run().fails_with(1);
    env.persona("docker", "images -q app").run().succeeds().stdout_is("");
    env.coracle("rmi app").succeeds().stdout_has(&format!("Untagged: {name}"));
    env.coracle("images -q").succeeds().stdout_is("");
}

#[test]
fn a_name_that_could_be_in_several_registries_is_asked_for_once() {
    let env = ready!();
    let (one, two) = (BadRegistry::good(content()), BadRegistry::good(content()));
    let search = format!("unqualified-search-registries = ['{}', '{}']\n", one.host(), two.host());
    configure(&env, &format!("{search}short-name-mode = 'enforcing'\n"));
    let refused = env.coracle("pull app").fails().explains();
    refused.stderr_has(&format!("{}/app:latest", one.host())).stderr_has("enforcing");
    assert_eq!(one.count("app") + two.count("app"), 0, "nobody was asked");
    let terminal = env.terminal("pull --platform linux/amd64 app");
    terminal.expects("Please select an image:");
    terminal.expects(&format!("2) {}/app:latest", two.host()));
    terminal.types("7\n2\n");
    terminal.wait().succeeds();
    assert_eq!(one.count("app"), 0, "only the registry that was chosen is asked");
    let aliases = env.home().join(".cache/containers/short-name-aliases.conf");
    assert!(
        fs::read_to_string(aliases).expect("the choice is kept").contains(&format!("app = \"{}/app\"", two.host()))
    );
    env.coracle("pull -q --platform linux/amd64 app").succeeds().stdout_is(&format!("{}/app:latest\n", two.host()));
    assert_eq!(one.count("app"), 0);
}

#[test]
fn aliases_and_rewritten_locations_lead_elsewhere_and_blocked_ones_nowhere() {
    let env = ready!();
    let registry = BadRegistry::good(content());
    let host = registry.host();
    configure(
        &env,
        &format!(
            "unqualified-search-registries = []\n[aliases]\nweb = 'reg.example/team/web'\n\
             [[registry]]\nprefix = 'reg.example/team'\nlocation = '{host}/moved'\n\
             [[registry]]\nprefix = '*.lab.example'\nlocation = '{host}/lab'\n\
             [[registry]]\nprefix = 'docker.io'\nlocation = '{host}/hub'\n\
             [[registry]]\nprefix = 'reg.example/team/secret'\nlocation = '{host}'\nblocked = true\n"
        ),
    );
    let pull = "pull -q --platform linux/amd64";
    env.coracle(&format!("{pull} web")).succeeds().stdout_is("reg.example/team/web:latest\n");
    assert_eq!(registry.count("/v2/moved/web/manifests/latest"), 1);
    env.coracle(&format!("{pull} a.lab.example/x/y")).succeeds().stdout_is("a.lab.example/x/y:latest\n");
    assert_eq!(registry.count("/v2/lab/x/y/manifests/latest"), 1);
    // An empty list allows no other short names; docker's are Docker Hub's whatever is configured.
    env.coracle(&format!("{pull} other")).fails().explains().stderr_has("registries.conf");
    env.persona("docker", &format!("{pull} web")).run().succeeds().stdout_is("docker.io/library/web:latest\n");
    assert_eq!(registry.count("/v2/hub/library/web/manifests/latest"), 1);
    let before = registry.requests().len();
    env.coracle(&format!("{pull} reg.example/team/secret/x")).fails_with(1).explains().stderr_has("blocked");
    assert_eq!(registry.requests().len(), before, "nothing that is blocked is asked for");
    // A drop-in overrides, and an empty alias takes one away.
    let drop_ins = env.config().join("containers/registries.conf.d");
    fs::create_dir(&drop_ins).expect("our directory");
    fs::write(drop_ins.join("10.conf"), "[aliases]\nweb = ''\n").expect("our directory");
    env.coracle(&format!("{pull} web")).fails().explains();
    fs::write(drop_ins.join("20.conf"), "[aliases\n").expect("our directory");
    env.coracle(&format!("{pull} web")).fails().explains().stderr_has("20.conf");
    // Another file by the variable of podman.
    let other = env.write("other.conf", format!("[aliases]\nweb = '{host}/named'\n"));
    fs::remove_dir_all(&drop_ins).expect("our directory");
    let named = env.command(&format!("{pull} web")).var("CONTAINERS_REGISTRIES_CONF", &other).run();
    named.succeeds().stdout_is(&format!("{host}/named:latest\n"));
}

#[test]
fn mirrors_are_asked_first_for_what_they_are_for() {
    let env = ready!();
    let (origin, mirror, pinned) =
        (BadRegistry::good(content()), BadRegistry::good(content()), BadRegistry::good(content()));
    configure(
        &env,
        &format!(
            "[[registry]]\nprefix = 'reg.example'\nlocation = '{}'\n[[registry.mirror]]\nlocation = '{}/cache'\n\
             pull-from-mirror = 'tag-only'\n[[registry.mirror]]\nlocation = '{}'\npull-from-mirror = 'digest-only'\n",
            origin.host(),
            mirror.host(),
            pinned.host()
        ),
    );
    let pull = "pull -q --platform linux/amd64";
    env.coracle(&format!("{pull} reg.example/app")).succeeds();
    let asked = || (origin.count("manifests"), mirror.count("/v2/cache/app/manifests"), pinned.count("manifests"));
    assert_eq!(asked(), (0, 1, 0));
    let digest = env.inspect("reg.example/app", "{{index .RepoDigests 0}}");
    env.coracle(&format!("{pull} {digest}")).succeeds();
    assert_eq!(asked(), (0, 1, 1));
}

#[test]
fn an_image_of_another_repository_runs_by_the_end_of_its_name() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&crate::support::images::Image::busybox(), "team/deep/tool:v1");
    env.coracle(&format!("pull -q {name}")).succeeds();
    env.coracle("run --rm --pull never tool:v1 echo found").succeeds().stdout_is("found\n");
    env.coracle("tag tool:v1 localhost/mine:2").succeeds();
    env.coracle("run --rm --pull never mine:2 echo found").succeeds().stdout_is("found\n");
    env.coracle("untag mine:2 mine:2").succeeds();
    env.coracle("image exists mine:2").fails();
    // Two of them are not guessed among.
    let image = crate::support::images::Image::busybox().set("Cmd", serde_json::json!(["true"]));
    let other = registry.push(&image, "other/tool:v1");
    env.coracle(&format!("pull -q {other}")).succeeds();
    env.coracle("run --rm tool:v1").fails_with(125).explains().stderr_has(&other).stderr_has(&name);
}

#[test]
fn search_shows_what_docker_hub_and_other_registries_find() {
    let env = ready!();
    let hub = BadRegistry::start(|request| match request.path.strip_prefix("/v1/search?q=") {
        Some(rest) if rest.starts_with("alp&n=") => Reply::new(
            200,
            r#"{"results":[{"name":"alpine","description":"A minimal Docker image with a complete package index","star_count":90,"is_official":true},
                {"name":"team/alp\u001b[31m","description":"x","star_count":3}]}"#,
        ),
        Some(_) => Reply::new(200, r#"{"results":[]}"#),
        None => Reply::new(200, "{}"),
    });
    configure(&env, &format!("[[registry]]\nprefix = 'docker.io'\nlocation = '{}'\n", hub.host()));
    let lines = env.coracle("search alp").succeeds();
    let lines = lines.lines();
    assert!(lines[0].starts_with("NAME") && lines[0].ends_with("OFFICIAL"), "{lines:?}");
    assert!(
        lines[1].starts_with("alpine") && lines[1].contains("A minimal Docker image with a complete packa…"),
        "{lines:?}"
    );
    assert!(lines[1].contains("90") && lines[1].ends_with("[OK]"), "{lines:?}");
    env.coracle("search alp").succeeds().stdout_lacks("\u{1b}");
    env.coracle("search --no-trunc alp").succeeds().stdout_has("package index");
    env.coracle("search --filter stars=50 --format {{.Name}} alp").succeeds().stdout_is("alpine\n");
    env.coracle("search --filter is-official=false --format {{.StarCount}} alp").succeeds().stdout_is("3\n");
    env.persona("podman", "search --format {{.Index}}|{{.Name}} --filter stars=50 alp")
        .run()
        .succeeds()
        .stdout_is("docker.io|docker.io/library/alpine\n");
    env.persona("docker", "search --limit 101 alp").run().fails_with(1).stderr_has("between 1 and 100");
    env.coracle("search --filter likes=3 alp").fails().explains();
    env.coracle("search nothing").succeeds();
    // A registry that only has a catalog, and tags.
    let registry = Registry::start();
    let image = crate::support::images::Image::empty();
    for name in ["team/one:v1", "team/one:v2", "other:v1"] {
        registry.push(&image, name);
    }
    let address = registry.address();
    env.coracle(&format!("search --format {{{{.Name}}}} {address}/team"))
        .succeeds()
        .stdout_is(&format!("{address}/team/one\n"));
    let tags =
        env.coracle(&format!("search --list-tags --format {{{{.Name}}}}:{{{{.Tag}}}} {address}/team/one")).succeeds();
    tags.stdout_is(&format!("{address}/team/one:v1\n{address}/team/one:v2\n"));
    env.coracle(&format!("search --list-tags --limit 1 --format {{{{.Tag}}}} {address}/team/one"))
        .succeeds()
        .stdout_is("v1\n");
    env.coracle(&format!("search --list-tags {address}/nosuch")).fails_with(1).explains();
}

#[test]
fn a_pull_follows_its_policy_and_takes_all_tags() {
    let env = ready!();
    let mut registry = Registry::start();
    let name = registry.push(&crate::support::images::Image::empty(), "app:v1");
    let newer = crate::support::images::Image::empty().set("User", serde_json::json!("7"));
    registry.push(&newer, "app:v2");
    let repository = name.trim_end_matches(":v1").to_owned();
    env.coracle(&format!("pull --policy never {name}")).fails_with(1).explains();
    let all = env.coracle(&format!("pull -q --all-tags {repository}")).succeeds();
    assert_eq!(all.lines(), [name.as_str(), &format!("{repository}:v2")]);
    env.coracle(&format!("pull -a {name}")).fails().explains().stderr_has("tag can't be used with --all-tags");
    // What the tag means changes; who is content with what is here does not notice.
    registry.push(&newer, "app:v1");
    let old = env.inspect(&name, "{{.Id}}");
    env.coracle(&format!("pull -q --policy missing {name}")).succeeds();
    assert_eq!(env.inspect(&name, "{{.Id}}"), old);
    env.coracle(&format!("pull -q --policy newer {name}")).succeeds();
    assert_eq!(env.inspect(&name, "{{.Id}}"), env.inspect(&format!("{repository}:v2"), "{{.Id}}"));
    let trusted = env.command(&format!("pull {name}")).var("DOCKER_CONTENT_TRUST", "1").run();
    trusted.fails().explains().stderr_has("DOCKER_CONTENT_TRUST");
    let untrusted =
        env.command(&format!("pull -q --disable-content-trust {name}")).var("DOCKER_CONTENT_TRUST", "1").run();
    untrusted.succeeds();
    registry.stop();
    env.coracle(&format!("pull -q --policy newer {name}")).succeeds();
    env.coracle(&format!("pull -q {name}")).fails_with(1).explains();
    env.coracle(&format!("pull -q --policy newer {repository}:v3")).fails_with(1).explains();
    env.coracle(&format!("pull -q --policy sometimes {name}")).fails().explains();
}

#[test]
fn a_policy_says_from_where_images_are_taken() {
    let env = ready!();
    let registry = BadRegistry::good(content());
    let pull = format!("pull -q --platform linux/amd64 {}", registry.host());
    env.coracle("image trust show").succeeds().stdout_has("all").stdout_has("accept");
    env.coracle(&format!("image trust set -t reject {}/team", registry.host())).succeeds();
    let refused = env.coracle(&format!("{pull}/team/app")).fails_with(1).explains();
    refused.stderr_has("rejected by policy").stderr_has("policy.json");
    assert_eq!(registry.count("team/app"), 0, "it was not even asked for");
    env.coracle(&format!("{pull}/other/app")).succeeds();
    env.coracle("image trust set -t reject default").succeeds();
    env.coracle(&format!("image trust set -t accept {}/team/good", registry.host())).succeeds();
    env.coracle(&format!("{pull}/other/app")).fails_with(1).explains();
    env.coracle(&format!("run --rm {}/other/app:v2", registry.host())).fails_with(125).explains();
    env.coracle(&format!("{pull}/team/good")).succeeds();
    env.coracle("image trust show")
        .succeeds()
        .stdout_has("reject")
        .stdout_has(&format!("{}/team/good", registry.host()));
    assert_eq!(env.coracle("image trust show --json").succeeds().json()[0]["type"], "reject");
    env.coracle("image trust set -t signedBy default").fails().explains().stderr_has("signature");
    // podman reads the same file.
    let file = env.config().join("containers/policy.json");
    let policy: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("it was written")).expect("JSON");
    assert_eq!(policy["default"][0]["type"], "reject");
    // Signatures cannot be verified: what needs one is not taken. A file that makes no sense lets nothing through.
    fs::write(&file, r#"{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/k"}]}"#)
        .expect("our file");
    env.coracle(&format!("{pull}/team/good")).fails_with(1).explains().stderr_has("signedBy");
    fs::write(&file, "{").expect("our file");
    env.coracle(&format!("{pull}/team/good")).fails_with(1).explains().stderr_has("policy.json");
    env.persona("docker", &format!("{pull}/team/good")).run().succeeds();
}
