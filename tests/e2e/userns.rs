//! `--userns`, `--uidmap`, `--gidmap`: whose ids a container has, and that the image's files, volumes and bind mounts have
//! the right owners in it.

use std::os::unix::fs::MetadataExt;

use crate::support::env::Env;
use crate::support::is_root;

/// The user that the tests run as: uid and gid.
fn me() -> (u32, u32) {
    (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw())
}

/// An environment for tests of modes that are for ordinary users.
macro_rules! as_user {
    () => {{
        let env = ready!(busybox);
        if is_root() {
            return;
        }
        env
    }};
}

#[test]
fn the_user_keeps_its_ids() {
    let env = as_user!();
    let (uid, gid) = me();
    let output = env.coracle("run --rm --userns=keep-id IMAGE sh -c 'id -u; id -g; stat -c %u:%g / /bin/busybox /etc'");
    output.succeeds().stdout_is(&format!("{uid}\n{gid}\n0:0\n0:0\n0:0\n"));
    let name = std::env::var("USER").expect("the tests set it");
    env.coracle("run --rm --userns=keep-id -w /tmp IMAGE sh -c 'tail -n 1 /etc/passwd; id -un; echo $HOME; pwd'")
        .succeeds()
        .stdout_is(&format!("{name}:*:{uid}:{gid}:{name}:/tmp:/bin/sh\n{name}\n/tmp\n/tmp\n"));
    // Root is somebody else, and rules inside only.
    env.coracle("run --rm --userns=keep-id -u 0 IMAGE sh -c 'id -u; touch /root/x; stat -c %u:%g /root/x'")
        .succeeds()
        .stdout_is("0\n0:0\n");
}

#[test]
fn the_user_takes_other_ids() {
    let env = as_user!();
    let output =
        env.coracle("run --rm --userns=keep-id:uid=4321,gid=1234 IMAGE sh -c 'id -u; id -g; tail -n 1 /etc/passwd'");
    output.succeeds().stdout_is("4321\n1234\n4321:*:4321:1234:container user:/:/bin/sh\n");
}

#[test]
fn the_map_is_told() {
    let env = as_user!();
    env.coracle("create --name one --userns=keep-id:uid=5,gid=0 IMAGE true").succeeds();
    let told = env.inspect("one", "{{.HostConfig.UsernsMode}} {{json .HostConfig.IDMappings.UidMap}}");
    assert!(told.starts_with(r#"private ["0:1:5","5:0:1","6:6:"#), "{told}");
    let told = env.inspect("one", "{{json .HostConfig.IDMappings.GidMap}}");
    assert!(told.starts_with(r#"["0:0:1","1:1:"#), "{told}");
    env.coracle("create --name two IMAGE true").succeeds();
    assert!(!env.coracle("inspect two").succeeds().stdout.contains("IDMappings"));
}

#[test]
fn the_users_group_has_a_name_too() {
    let env = as_user!();
    let name = |option: &str| env.tool("id", &[option]).run().succeeds().line().to_owned();
    let (user, group) = (name("-un"), name("-gn"));
    let output = env.coracle("run --rm --userns=keep-id IMAGE sh -c 'id -un; id -gn; tail -n 1 /etc/group'").succeeds();
    let gid = me().1;
    assert_eq!(output.lines(), [user.clone(), group.clone(), format!("{group}:x:{gid}:{user}")], "{}", output.stdout);
    // Where the image knows the number, its name stays.
    env.coracle("run --rm --userns=keep-id:uid=1000,gid=50 IMAGE sh -c 'id -gn; grep -c :50: /etc/group'")
        .succeeds()
        .stdout_is("staff\n1\n");
    env.coracle("run --rm --userns=keep-id:uid=7,gid=8 IMAGE tail -n 1 /etc/group").succeeds().stdout_is("8:x:8:7\n");
}

#[test]
fn files_in_bind_mounts_are_the_users() {
    let env = as_user!();
    let (uid, gid) = me();
    let project = env.mkdir("project");
    env.write("project/given", "from the host");
    let script = "stat -c %u:%g /p/given; echo made >/p/made; mkdir /p/dir; echo more >>/p/given";
    let mount = format!("{}:/p", project.display());
    env.argv(&["run", "--rm", "--userns=keep-id", "-v", &mount, &env.image(), "sh", "-c", script])
        .succeeds()
        .stdout_is(&format!("{uid}:{gid}\n"));
    for name in ["given", "made", "dir"] {
        let metadata = std::fs::metadata(project.join(name)).expect("it was made");
        assert_eq!((metadata.uid(), metadata.gid()), (uid, gid), "{name}");
    }
    assert_eq!(std::fs::read_to_string(project.join("given")).expect("ours"), "from the hostmore\n");
}

#[test]
fn what_a_container_changes_keeps_its_owners() {
    let env = as_user!();
    let (uid, gid) = me();
    env.run_detached("--name one --userns=keep-id IMAGE sh -c 'sleep 1000'");
    env.coracle("exec one id -u").succeeds().stdout_is(&format!("{uid}\n"));
    env.coracle("exec one touch /etc/mine").fails();
    let script =
        "chown 5:6 /etc/hostname.new; mkdir -m 755 /theirs; chown 7:8 /theirs; touch /root/a; chmod 4755 /root/a";
    env.argv(&[
        "exec",
        "-u",
        "0",
        "one",
        "sh",
        "-c",
        &format!("echo x >/etc/hostname.new; {script}; chown {uid} /var"),
    ])
    .succeeds();
    // What the image has, changed by root and by the user, in the container's own ids.
    env.coracle("exec one sh -c 'touch /var/mine && echo ok'").succeeds().stdout_is("ok\n");
    let look = "stat -c '%n %u:%g %a' /etc/hostname.new /theirs /root/a /var /var/mine";
    let seen = env.argv(&["exec", "-u", "0", "one", "sh", "-c", look]).succeeds().stdout.clone();
    let wanted = format!(
        "/etc/hostname.new 5:6 644\n/theirs 7:8 755\n/root/a 0:0 4755\n/var {uid}:0 755\n/var/mine {uid}:{gid} 644\n"
    );
    assert_eq!(seen, wanted);
    env.coracle("restart -t 0 one").succeeds();
    env.argv(&["exec", "-u", "0", "one", "sh", "-c", look]).succeeds().stdout_is(&wanted);
    env.coracle("exec one sh -c 'grep -c $(id -un) /etc/passwd'").succeeds().stdout_is("1\n");
}

#[test]
fn volumes_belong_to_whom_the_image_says() {
    let env = as_user!();
    let (uid, gid) = me();
    // Filled from the image: root's. Where the image has nothing: usable.
    let script = "stat -c %u:%g /etc /new; touch /new/x; stat -c %u:%g /new/x";
    env.argv(&[
        "run",
        "--rm",
        "--userns=keep-id",
        "-v",
        "etc:/etc",
        "-v",
        "new:/new",
        &env.image(),
        "sh",
        "-c",
        script,
    ])
    .succeeds()
    .stdout_is(&format!("0:0\n{uid}:{gid}\n{uid}:{gid}\n"));
    env.argv(&[
        "run",
        "--rm",
        "--userns=nomap",
        "-v",
        "other:/new",
        &env.image(),
        "sh",
        "-c",
        "touch /new/x; stat -c %u:%g /new/x",
    ])
    .succeeds()
    .stdout_is("0:0\n");
}

#[test]
fn the_user_is_nobody() {
    let env = as_user!();
    env.write("given", "x");
    let mount = format!("{}:/given", env.file("given").display());
    let script = "id -u; awk '$1 == 0 {print $2}' /proc/self/uid_map; stat -c %u /given; stat -c %u:%g /bin/busybox; touch /root/x && echo ok";
    env.argv(&["run", "--rm", "--userns=nomap", "-v", &mount, &env.image(), "sh", "-c", script])
        .succeeds()
        .stdout_is("0\n1\n65534\n0:0\nok\n");
    env.run_detached("--name one --userns=nomap IMAGE sleep 1000");
    env.coracle("exec one sh -c 'id -u; id -g'").succeeds().stdout_is("0\n0\n");
    assert_eq!(env.inspect("one", "{{.HostConfig.UsernsMode}}"), "private");
}

/// First and count of the ids that a container has, by its own map.
fn ids_of(env: &Env, container: &str) -> (u32, u32) {
    let output = env.coracle(&format!("exec {container} cat /proc/self/uid_map")).succeeds();
    let numbers: Vec<u32> = output.line().split_whitespace().map(|word| word.parse().expect("a number")).collect();
    assert_eq!(numbers[0], 0);
    (numbers[1], numbers[2])
}

#[test]
fn containers_have_ids_of_their_own() {
    let env = as_user!();
    env.run_detached("--name one --userns=auto IMAGE sleep 1000");
    env.run_detached("--name two --userns=auto:size=3000 IMAGE sleep 1000");
    let (one, two) = (ids_of(&env, "one"), ids_of(&env, "two"));
    assert_eq!((one.1, two.1), (1024, 3000));
    assert!(one.0 + one.1 <= two.0 || two.0 + two.1 <= one.0, "{one:?} and {two:?} overlap");
    env.coracle("exec one sh -c 'touch /root/x; stat -c %u:%g /root/x /bin/busybox'")
        .succeeds()
        .stdout_is("0:0\n0:0\n");
    // The ids of a removed container are free again, those of a stopped one are not.
    env.coracle("stop -t 0 two").succeeds();
    env.coracle("rm -f one").succeeds();
    env.run_detached("--name three --userns=auto IMAGE sleep 1000");
    assert_eq!(ids_of(&env, "three"), one);
    env.coracle("start two").succeeds();
    assert_eq!(ids_of(&env, "two"), two);
    env.coracle("run --rm --userns=auto:size=70000000 IMAGE true").fails_with(125).explains();
}

#[test]
fn explicit_maps() {
    let env = as_user!();
    let script = "cat /proc/self/uid_map | tr -s ' '; stat -c %u:%g /bin/busybox; touch /x; chown 9:9 /x; stat -c %u:%g /x; chown 10:10 /x";
    env.argv(&["run", "--rm", "--uidmap", "0:100:10", "--gidmap", "0:200:10", &env.image(), "sh", "-c", script])
        .fails_with(1)
        .stdout_is(" 0 100 10\n0:0\n9:9\n");
    env.coracle("run --rm --uidmap 0:1:90000000 IMAGE true").fails_with(125).explains();
    env.coracle("run --rm --uidmap 0:1:10 --userns=keep-id IMAGE true").fails_with(125);
}

#[test]
fn maps_may_name_ids_of_the_host() {
    let env = as_user!();
    let (uid, gid) = me();
    env.write("given", "x");
    let mount = format!("{}:/given", env.file("given").display());
    let both = [
        "--uidmap",
        "0:1:10",
        "--uidmap",
        &format!("10:@{uid}"),
        "--gidmap",
        "0:1:10",
        "--gidmap",
        &format!("10:@{gid}"),
    ];
    let rest = ["-v", &mount, &env.image(), "stat", "-c", "%u:%g", "/given"];
    env.argv(&[&["run", "--rm"], &both[..], &rest].concat()).succeeds().stdout_is("10:10\n");
    env.coracle("run --rm --uidmap 5:1:10 IMAGE true").fails_with(125).explains();
}

/// `userns = "auto-own"`: what a container's user makes in a directory of the user belongs to the user, whoever that is.
#[test]
fn files_in_your_directories_stay_yours() {
    use std::os::unix::fs::MetadataExt;
    let env = ready!(busybox);
    let directory = env.home().join("project");
    std::fs::create_dir(&directory).expect("ours");
    std::fs::write(directory.join("mine"), "x").expect("ours");
    let me = std::fs::metadata(&directory).expect("ours").uid();
    env.coracle("run --name made IMAGE sh -c 'echo app:x:33:44::/:/bin/sh >>/etc/passwd'").succeeds();
    env.coracle("commit --change 'USER app' made withuser").succeeds();
    let config = env.config().join("coracle");
    std::fs::create_dir_all(&config).expect("ours");
    std::fs::write(config.join("config.toml"), "userns = \"auto-own\"\n").expect("ours");
    let see = |options: &str, image: &str, file: &str| {
        let line = format!(
            "run --rm {options} -v {}:/w {image} sh -c 'echo new >/w/{file}; stat -c %u:%g /w/mine /w/{file}; id -u'",
            directory.display()
        );
        let seen = env.coracle(&line).succeeds().stdout;
        let made = std::fs::metadata(directory.join(file)).expect("made");
        assert_eq!(made.uid(), me, "{options} {image}");
        std::fs::remove_file(directory.join(file)).expect("the user's");
        seen
    };
    assert_eq!(see("", "withuser", "a"), "33:44\n33:44\n33\n");
    assert_eq!(see("--user 1234:5", "IMAGE", "b"), "1234:5\n1234:5\n1234\n");
    assert_eq!(see("", "IMAGE", "c"), "0:0\n0:0\n0\n");
    // Without such a mount nothing changes, and an option counts more.
    let inside = "cat /proc/self/uid_map";
    let usual = env.coracle(&format!("run --rm --userns=host withuser {inside}")).succeeds().stdout;
    env.coracle(&format!("run --rm withuser {inside}")).succeeds().stdout_is(&usual);
    env.coracle(&format!("run --rm -v /etc:/w:ro withuser {inside}")).succeeds().stdout_is(&usual);
    let line = format!("run --rm --userns=host -v {}:/w withuser touch /w/refused", directory.display());
    env.coracle(&line).fails_with(1).stderr_has("denied");
    std::fs::write(config.join("config.toml"), "userns = \"frob\"\n").expect("ours");
    env.coracle("run --rm IMAGE true").fails_with(125).stderr_has("frob");
}
