//! Secrets: containers have them, and nothing else shows them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::env::Env;
use crate::support::eventually;

/// A value that is nowhere else.
const VALUE: &str = "hush-7f3a91";

fn make(env: &Env, name: &str, value: &str) {
    env.command(&format!("secret create {name} -")).stdin(value).run().succeeds();
}

/// All files below a directory that hold the value.
fn holding(directory: &std::path::Path, value: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(holding(&entry.path(), value)),
            Ok(kind) if kind.is_file() => {
                let holds = fs::read(entry.path())
                    .is_ok_and(|bytes| bytes.windows(value.len()).any(|at| at == value.as_bytes()));
                found.extend(holds.then(|| entry.path().display().to_string()));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_secret_lives_from_create_to_rm() {
    let env = ready!(busybox);
    let file = env.write("value", "from a file\n");
    let id = env.coracle(&format!("secret create --label tier=db one {}", file.display())).succeeds().line().to_owned();
    assert!(id.len() == 25 && id.bytes().all(|digit| digit.is_ascii_hexdigit()), "{id}");
    make(&env, "two", "from stdin");
    env.command("secret create --env three MINE").var("MINE", "from a variable").run().succeeds();
    let value = |name: &str| {
        let shown = env.coracle(&format!("secret inspect --showsecret -f '{{{{.SecretData}}}}' {name}")).succeeds();
        shown.stdout.trim_end_matches('\n').to_owned()
    };
    assert_eq!([value("one"), value("two"), value(&id[..8])], ["from a file", "from stdin", "from a file"]);
    assert_eq!(value("three"), "from a variable");
    env.coracle("secret ls -q").succeeds().stdout_has(&id);
    env.coracle("secret ls --format '{{.Name}} {{.Driver}}'").succeeds().stdout_is("one file\nthree file\ntwo file\n");
    env.coracle("secret ls -f name=tw -f name=thr --format '{{.Name}}'").succeeds().stdout_is("three\ntwo\n");
    env.coracle("secret ls --noheading -f label=tier=db").succeeds().stdout_has(&id);
    env.coracle("secret ls").succeeds().stdout_has("ID ").stdout_has("UPDATED\n");
    env.coracle("secret inspect one").succeeds().stdout_has("\"Name\": \"one\"").stdout_lacks("from a file");
    env.coracle("secret inspect --pretty one")
        .succeeds()
        .stdout_has("Labels:\n - tier=db\n")
        .stdout_lacks("from a file");
    env.coracle("secret create one /etc/passwd").fails_with(1).stderr_has("name in use");
    assert_eq!(env.coracle(&format!("secret create --ignore one {}", file.display())).succeeds().line(), id);
    env.command("secret create --replace one -").stdin("newer").run().succeeds();
    assert_eq!(value("one"), "newer");
    env.coracle("secret exists one").succeeds();
    env.coracle("secret exists absent").fails_with(1);
    env.coracle("secret inspect absent").fails_with(1).stdout_is("[]\n").stderr_has("no such secret");
    env.coracle("secret rm absent two").fails_with(1).stderr_has("no such secret");
    env.coracle("secret rm --ignore absent").succeeds().stdout_is("");
    assert_eq!(env.coracle("secret rm --all").succeeds().stdout.lines().count(), 2);
    env.coracle("secret ls -q").succeeds().stdout_is("");
    for wrong in ["secret create a/b /etc/passwd", "secret create x /nowhere", "secret create -d pass x /etc/passwd"] {
        env.coracle(wrong).fails().explains();
    }
    env.command("secret create x -").stdin("").run().fails().stderr_has("larger than 0");
    env.command("secret create x -").stdin(vec![b'x'; 512_000]).run().fails().stderr_has("less than 512000");
    env.coracle("secret create --env x UNSET").fails().stderr_has("UNSET is not set");
    for persona in ["docker", "podman"] {
        let failed = env.persona(persona, "secret rm absent").run();
        assert_eq!(failed.code(), 1, "{persona}: {failed:?}");
    }
}

#[test]
fn a_container_has_it_as_a_file_or_a_variable() {
    let env = ready!(busybox);
    make(&env, "key", VALUE);
    let see = "stat -c '%a %u:%g' /run/secrets/key; cat /run/secrets/key; echo x >/run/secrets/key";
    let seen = env.coracle(&format!("run --rm --secret key IMAGE sh -c \"{see}\"")).fails_with(1);
    assert_eq!(seen.stdout, format!("444 0:0\n{VALUE}"));
    seen.stderr_has("Read-only");
    let line = "run --rm --user 33 --secret key,target=/srv/k,uid=33,gid=34,mode=0400 IMAGE sh -c 'stat -c \"%a %u:%g\" /srv/k; cat /srv/k'";
    env.coracle(line).succeeds().stdout_is(&format!("400 33:34\n{VALUE}"));
    env.coracle("run --rm --user 34 --secret key,uid=33,mode=0400 IMAGE cat /run/secrets/key").fails_with(1);
    env.coracle("run --rm --read-only --tmpfs /run --secret source=key,target=deep/er IMAGE cat /run/secrets/deep/er")
        .succeeds()
        .stdout_is(VALUE);
    env.coracle("run -d --name one --secret key,type=env,target=KEY -e KEY=other IMAGE sleep 1000").succeeds();
    env.coracle("exec one sh -c 'echo $KEY'").succeeds().stdout_is(&format!("{VALUE}\n"));
    env.coracle("exec -e KEY=mine one sh -c 'echo $KEY'").succeeds().stdout_is("mine\n");
    // The container keeps the value that it was created with.
    env.command("secret create --replace key -").stdin("newer").run().succeeds();
    env.coracle("secret rm key").succeeds();
    env.coracle("restart -t 0 one").succeeds();
    env.coracle("exec one sh -c 'echo $KEY'").succeeds().stdout_is(&format!("{VALUE}\n"));
    env.coracle("run --rm --secret key IMAGE true").fails_with(125).stderr_has("no such secret");
    make(&env, "binary", "a\0b");
    env.coracle("run --rm --secret binary,type=env IMAGE true").fails_with(125).stderr_has("not text");
    assert_eq!(env.coracle("run --rm --secret binary IMAGE cat /run/secrets/binary").succeeds().stdout, "a\0b");
    let both = "run --rm -v /etc/passwd:/run/secrets/binary --secret binary IMAGE true";
    env.coracle(both).fails_with(125).stderr_has("duplicate mount point");
    env.coracle("run --rm --secret binary,mode=9 IMAGE true").fails_with(125).explains();
}

/// An owner as the container's user namespace numbers it.
#[test]
fn owners_are_the_containers() {
    let env = ready!(busybox);
    make(&env, "key", VALUE);
    let see = "sh -c 'stat -c \"%a %u:%g\" /run/secrets/key; cat /run/secrets/key'";
    for (options, owner) in [
        ("--userns=keep-id:uid=7,gid=8 --secret key,uid=7,gid=8,mode=0400", "400 7:8"),
        ("--userns=nomap --secret key", "444 0:0"),
    ] {
        let line = format!("run --rm {options} IMAGE {see}");
        env.coracle(&line).succeeds().stdout_is(&format!("{owner}\n{VALUE}"));
    }
}

#[test]
fn nothing_shows_the_value() {
    let env = ready!(busybox);
    make(&env, "key", VALUE);
    let line = "run -d --name one --secret key --secret key,type=env,target=KEY IMAGE sh -c 'echo up; exec sleep 1000'";
    env.coracle(line).succeeds();
    eventually("it is up", || env.coracle("logs one").stdout == "up\n");
    for (persona, line) in [("coracle", "inspect one"), ("docker", "inspect one"), ("podman", "inspect one")] {
        let shown = env.persona(persona, line).run().succeeds();
        shown.stdout_has("KEY=*******").stdout_lacks(VALUE);
    }
    env.persona("podman", "inspect one").run().succeeds().stdout_has("\"Secrets\": [");
    env.coracle("commit one made").succeeds();
    for line in [
        "image inspect made",
        "history --no-trunc made",
        "events --since 1h --until 0s",
        "diff one",
        "ps -a --no-trunc",
    ] {
        env.coracle(line).succeeds().stdout_lacks(VALUE);
    }
    env.coracle("run --rm made sh -c 'echo $KEY; cat /run/secrets/key'").succeeds().stdout_lacks(VALUE);
    let exported = env.coracle("export one").succeeds();
    assert!(!exported.stdout.contains(VALUE));
    let traced = env.coracle("--debug exec one true").succeeds();
    assert!(!traced.stderr.contains(VALUE), "{traced:?}");
    let id = env.inspect("one", "{{.Id}}");
    let files = holding(&env.data(), VALUE);
    assert!(files.len() == 2, "{files:?}");
    assert!(
        files.iter().any(|file| file.contains(&id)) && files.iter().any(|file| file.ends_with("/value")),
        "{files:?}"
    );
    for file in &files {
        assert_eq!(fs::metadata(file).expect("ours").permissions().mode() & 0o7777, 0o600, "{file}");
    }
    env.coracle("secret rm key").succeeds();
    env.coracle("rm -f one").succeeds();
    eventually("the files are gone", || holding(&env.data(), VALUE).is_empty());
    env.coracle("events --since 1h --until 0s --filter type=secret --format '{{.Action}} {{.Actor.Attributes.name}}'")
        .succeeds()
        .stdout_is("create key\nremove key\n");
}

/// An image that has links at the place of a secret changes where the container sees it, and nothing outside.
#[test]
fn links_of_an_image_lead_nowhere_else() {
    let env = ready!(busybox);
    make(&env, "key", VALUE);
    let outside = env.mkdir("outside");
    let links =
        format!("rm -rf /run/secrets; mkdir -p /run; ln -s ../../../../../..{} /run/secrets", outside.display());
    env.coracle(&format!("run --name one IMAGE sh -c '{links}'")).succeeds();
    env.coracle("commit one trap").succeeds();
    env.coracle("run --rm --secret key trap cat /run/secrets/key").succeeds().stdout_is(VALUE);
    assert_eq!(fs::read_dir(&outside).expect("ours").count(), 0);
}
