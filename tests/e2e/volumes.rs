//! `volume`: what is made can be found, used and removed again, and what is in use stays.

use crate::support::env::Env;
use crate::support::eventually;

fn listed(env: &Env, options: &str) -> Vec<String> {
    let output = env.coracle(&format!("volume ls -q {options}")).succeeds();
    output.stdout.lines().map(String::from).collect()
}

#[test]
fn a_volume_lives_from_create_to_rm() {
    let env = ready!(busybox);
    assert_eq!(env.coracle("volume create --label tier=db data").succeeds().line(), "data");
    // docker is content with one that is there.
    assert_eq!(env.coracle("volume create data").succeeds().line(), "data");
    env.coracle("run --rm -v data:/d IMAGE sh -c 'echo kept >/d/file'").succeeds();
    env.coracle("run --rm -v data:/d IMAGE cat /d/file").succeeds().stdout_is("kept\n");
    let inspect =
        |format: &str| env.coracle(&format!("volume inspect -f '{format}' data")).succeeds().line().to_owned();
    assert_eq!(inspect("{{.Name}} {{.Driver}} {{.Scope}} {{.Labels.tier}}"), "data local local db");
    assert_eq!(std::fs::read_to_string(format!("{}/file", inspect("{{.Mountpoint}}"))).expect("ours"), "kept\n");
    env.coracle("inspect --type volume data").succeeds().stdout_has("\"Name\": \"data\"");
    env.coracle("inspect -f '{{.Mountpoint}}' data").succeeds();
    env.coracle("volume ls").succeeds().stdout_has("DRIVER    VOLUME NAME\nlocal     data\n");
    env.coracle("volume create cache").succeeds();
    assert_eq!(listed(&env, ""), ["cache", "data"]);
    assert_eq!(listed(&env, "--filter label=tier=db"), ["data"]);
    assert_eq!(listed(&env, "--filter name=ach"), ["cache"]);
    env.coracle("volume rm data cache").succeeds().stdout_is("data\ncache\n");
    assert!(listed(&env, "").is_empty());
    env.coracle("volume rm data").fails_with(1).stderr_has("data");
    env.coracle("volume rm -f data").succeeds();
    env.coracle("volume inspect data").fails_with(1).stdout_is("[]\n").stderr_has("no such volume");
    env.coracle("volume rm").fails_with(1).explains();
    for wrong in ["volume create ../x", "volume create -d nfs x", "volume create -o type=tmpfs -o device=tmpfs x"] {
        env.coracle(wrong).fails().explains();
    }
    env.coracle("volume ls --filter tier").fails_with(125).explains();
    env.coracle("volume ls --filter frob=1").fails_with(1).explains();
}

#[test]
fn what_any_container_has_stays() {
    let env = ready!(busybox);
    env.coracle("create --name one -v data:/d IMAGE true").succeeds();
    let id = env.inspect("one", "{{.Id}}");
    env.coracle("volume rm data").fails_with(1).stderr_has("volume is in use").stderr_has(&id).stderr_has("rm -f one");
    assert_eq!(listed(&env, "--filter dangling=true"), [""; 0]);
    assert_eq!(listed(&env, "--filter dangling=false"), ["data"]);
    env.coracle("volume prune -af").succeeds().stdout_is("Total reclaimed space: 0B\n");
    env.coracle("start -a one").succeeds();
    env.coracle("rm one").succeeds();
    env.coracle("volume rm data").succeeds();
}

/// Files of other owners, in directories that are closed to the user: only the namespace in which they were made may remove
/// them.
#[test]
fn prune_takes_what_nobody_has() {
    let env = ready!(busybox);
    let write = "mkdir /d/x; head -c 1000000 /dev/zero >/d/x/f; chown -R 1234 /d/x; chmod 700 /d/x";
    env.coracle(&format!("run --name one -v named:/e -v /d IMAGE sh -c '{write}'")).succeeds();
    env.coracle("rm one").succeeds();
    let anonymous = listed(&env, "").into_iter().find(|name| name != "named").expect("an anonymous volume");
    let size = format!("volume ls --filter name={anonymous} --format '{{{{.Size}}}}'");
    assert_eq!(env.coracle(&size).succeeds().line(), "1MB");
    let labels = format!("volume inspect -f '{{{{.Labels}}}}' {anonymous}");
    env.coracle(&labels).succeeds().stdout_has("com.docker.volume.anonymous");
    let asked = env.command("volume prune").stdin("n\n").run().succeeds();
    asked.stdout_has("anonymous local volumes");
    assert_eq!(listed(&env, "").len(), 2);
    let expected = format!("Deleted Volumes:\n{anonymous}\n\nTotal reclaimed space: 1MB\n");
    env.coracle("volume prune -f").succeeds().stdout_is(&expected);
    assert_eq!(listed(&env, ""), ["named"]);
    env.coracle("volume prune -f --filter all=true").succeeds().stdout_has("named");
    eventually("the files are gone", || std::fs::read_dir(env.data().join("trash")).map_or(0, Iterator::count) == 0);
}

/// The volume of another container's anonymous directory, by its name.
#[test]
fn an_anonymous_volume_stays_as_long_as_somebody_has_it() {
    let env = ready!(busybox);
    env.run_detached("--rm --name one -v /d IMAGE sh -c 'echo kept >/d/file; exec sleep 1000'");
    let volume = env.inspect("one", "{{(index .Mounts 0).Name}}");
    env.coracle(&format!("create --name two -v {volume}:/d IMAGE cat /d/file")).succeeds();
    env.coracle("stop -t 0 one").succeeds();
    eventually("the first is removed", || env.coracle("inspect one").code() == 1);
    env.coracle("start -a two").succeeds().stdout_is("kept\n");
    env.coracle("rm -v two").succeeds();
    assert_eq!(listed(&env, ""), [volume.as_str()], "two did not make it");
    env.coracle(&format!("volume rm {volume}")).succeeds();
}

#[test]
fn a_directory_of_the_host_can_be_a_volume() {
    let env = ready!(busybox);
    let directory = env.root().join("shared");
    std::fs::create_dir(&directory).expect("ours");
    std::fs::write(directory.join("file"), "host\n").expect("ours");
    let device = directory.display();
    env.coracle(&format!("volume create -o type=none -o o=bind -o device={device} shared")).succeeds();
    env.coracle(&format!("volume create -o type=none -o o=bind,ro -o device={device} fixed")).succeeds();
    env.coracle("run --rm -v shared:/d IMAGE sh -c 'cat /d/file; echo more >/d/other'").succeeds().stdout_is("host\n");
    env.coracle("run --rm -v fixed:/d IMAGE touch /d/x").fails_with(1).stderr_has("Read-only");
    env.coracle("volume rm shared fixed").succeeds();
    assert_eq!(std::fs::read_to_string(directory.join("other")).expect("not removed with the volume"), "more\n");
    env.coracle(&format!("volume create -o type=none -o o=bind -o device={device}/absent gone")).fails().explains();
}

/// Who makes containers and who removes volumes, at the same time: no container misses one that it was made with.
#[test]
fn removing_and_using_at_once() {
    let env = ready!(busybox);
    std::thread::scope(|scope| {
        let removing = scope.spawn(|| {
            for _ in 0..40 {
                let removed = env.coracle("volume rm data");
                assert!(matches!(removed.code(), 0 | 1), "{removed:?}");
            }
        });
        for _ in 0..20 {
            env.coracle("run --rm --network none -v data:/d IMAGE sh -c 'echo x >/d/file'").succeeds();
        }
        removing.join().expect("it does not panic");
    });
}

/// The files with their owners and modes, from one volume into another.
#[test]
fn a_volume_goes_through_an_archive() {
    let env = ready!(busybox);
    let make = "echo kept >/d/file; mkdir /d/x; ln -s ../file /d/x/link; chown -R 33:44 /d/x; chmod 700 /d/x; chmod 4755 /d/file";
    env.coracle(&format!("run --rm -v one:/d IMAGE sh -c '{make}'")).succeeds();
    let file = env.file("one.tar");
    env.coracle(&format!("volume export -o {} one", file.display())).succeeds().stdout_is("");
    env.coracle("volume create two").succeeds();
    env.coracle(&format!("volume import two {}", file.display())).succeeds();
    let look = "sh -c 'cd /d; stat -c \"%n %a %u:%g\" . file x; readlink x/link; cat file'";
    let seen = |name: &str| env.coracle(&format!("run --rm -v {name}:/d IMAGE {look}")).succeeds().stdout;
    assert_eq!(seen("one"), seen("two"));
    assert!(seen("two").contains("x 700 33:44\n"), "{}", seen("two"));
    // From standard input, compressed; files of the same names are replaced.
    let gzip = std::process::Command::new("gzip").arg("-c").arg(&file).output();
    let packed = gzip.expect("gzip is everywhere").stdout;
    env.coracle("run --rm -v two:/d IMAGE sh -c 'echo other >/d/file; echo more >/d/more'").succeeds();
    env.command("volume import two -").stdin(packed).run().succeeds();
    env.coracle("run --rm -v two:/d IMAGE cat /d/file /d/more").succeeds().stdout_is("kept\nmore\n");
    env.command("volume import two").stdin("no archive").run().fails().explains();
    for absent in
        ["volume export absent", "volume import absent /etc/passwd", "volume mount absent", "volume unmount absent"]
    {
        env.coracle(absent).fails_with(1).stderr_has("no such volume");
    }
    let place = env.coracle("volume mount two").succeeds().line().to_owned();
    assert_eq!(std::fs::read_to_string(format!("{place}/file")).expect("ours"), "kept\n");
    env.coracle("volume unmount two").succeeds().stdout_is("two\n");
}

/// An archive that names places outside writes nothing there.
#[test]
fn an_archive_stays_in_its_volume() {
    let env = ready!(busybox);
    let outside = env.mkdir("outside");
    env.coracle("volume create trap").succeeds();
    env.coracle(&format!("run --rm -v trap:/d IMAGE ln -s {} /d/away", outside.display())).succeeds();
    let directory = env.mkdir("packed");
    std::fs::create_dir(directory.join("away")).expect("ours");
    std::fs::write(directory.join("away/file"), "x").expect("ours");
    let archive = env.file("away.tar");
    let line = format!("tar -C {} -cf {} away/file", directory.display(), archive.display());
    env.tool("sh", &["-c", &line]).run().succeeds();
    let _ = env.coracle(&format!("volume import trap {}", archive.display()));
    assert_eq!(std::fs::read_dir(&outside).expect("ours").count(), 0);
}

/// podman's options for whom a volume belongs to, from its first use on.
#[test]
fn a_volume_can_belong_to_a_user() {
    let env = ready!(busybox);
    env.coracle("volume create -o o=uid=33,gid=44 owned").succeeds();
    let see = "run --rm --user 33:44 -v owned:/d IMAGE sh -c 'stat -c %u:%g /d && touch /d/file'";
    env.coracle(see).succeeds().stdout_is("33:44\n");
    env.coracle("run --rm -v owned:/d IMAGE chown 5:6 /d").succeeds();
    env.coracle("run --rm -v owned:/d IMAGE stat -c %u:%g /d").succeeds().stdout_is("5:6\n");
    env.coracle("run --rm --userns=nomap --user 7 -v fresh:/d --mount type=volume,source=mine,target=/e,volume-opt=o=uid=7 IMAGE touch /e/x")
        .succeeds();
    for wrong in ["o=uid=x", "o=uid=1,size=5m", "o=size=5m"] {
        env.coracle(&format!("volume create -o {wrong} no")).fails().explains();
    }
}
