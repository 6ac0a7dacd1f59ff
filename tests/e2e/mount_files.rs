//! `mount`, `umount`, `image mount` and `image unmount`: files of containers and images for programs of the host, below
//! `unshare`, or as root.

use crate::support::env::Env;
use crate::support::images::{Image, Tar};
use crate::support::is_root;
use crate::support::output::Output;
use crate::support::registry::Registry;

/// Runs a script in which `C` is coracle, where it may mount.
fn script(env: &Env, script: &str) -> Output {
    let program = env.program().display().to_string();
    let script = format!("set -e; C={program}; {script}");
    match is_root() {
        true => env.tool("sh", &["-c", &script]).run(),
        false => env.argv(&["unshare", "sh", "-c", &script]),
    }
}

#[test]
fn a_stopped_container_is_mounted_changed_and_started() {
    let env = ready!(busybox);
    env.coracle("create --name one IMAGE cat /new").succeeds();
    let id = env.inspect("one", "{{.Id}}");
    let output = script(
        &env,
        "m=$($C mount one); test -x $m/bin/busybox; echo changed >$m/new; rm $m/bin/ls; $C mount; $C mount --no-trunc; \
         $C mount --format json; $C umount one; ! test -e $m/new; $C mount",
    );
    let output = output.succeeds();
    let lines = output.lines();
    let path = env.runtime().join(format!("mounts/containers/{id}/files")).display().to_string();
    assert_eq!(lines[0], format!("{}  {path}", &id[..12]));
    assert_eq!(lines[1], format!("{id}  {path}"));
    let json = output.stdout.split_once('[').expect("a list").1.rsplit_once(']').expect("a list").0;
    let json: serde_json::Value = serde_json::from_str(&format!("[{json}]")).expect("JSON");
    assert_eq!(json, serde_json::json!([{"id": id, "Names": ["one"], "mountpoint": path}]));
    assert!(output.stdout.trim_end().ends_with(&id), "umount tells the id, mount then nothing: {}", output.stdout);
    env.coracle("start -a one").succeeds().stdout_is("changed\n");
    env.coracle("diff one").succeeds().stdout_has("A /new\n").stdout_has("D /bin/ls\n");
}

#[test]
fn a_mounted_container_is_not_started() {
    let env = ready!(busybox);
    env.coracle("create --name one IMAGE true").succeeds();
    let refused = script(&env, "$C mount one >/dev/null; $C start one; echo started").fails();
    refused.stderr_has("are mounted").stdout_lacks("started");
    if is_root() {
        script(&env, "$C umount one").succeeds();
    }
    let output = script(&env, "$C mount one >/dev/null; $C umount one; $C start -a one; echo started");
    output.succeeds().stdout_has("started");
    if !is_root() {
        // A session that ends without umount takes its mounts along.
        script(&env, "$C mount one").succeeds();
        env.coracle("start -a one").succeeds();
    }
}

#[test]
fn mounts_are_counted() {
    let env = ready!(busybox);
    env.coracle("create --name one IMAGE true").succeeds();
    env.coracle("create --name two IMAGE true").succeeds();
    let output = script(
        &env,
        "m=$($C mount one); test $m = $($C mount one); $C umount one; ls $m/bin >/dev/null; $C umount one; \
         ! test -e $m/bin; ! $C umount one; $C mount one two; $C mount one >/dev/null; $C umount -f one; ! test -e $m/bin; \
         $C mount -a; $C umount -a; $C mount --all --format json >/dev/null; $C umount -a -f; $C mount; echo end",
    );
    let output = output.succeeds();
    output.stderr_has("not mounted here").stdout_has("\nend\n");
    // A container may go while it is mounted.
    let output = script(
        &env,
        "$C mount two >/dev/null; i=$($C inspect -f '{{.Id}}' two); $C rm two; $C umount $i; $C mount; echo end",
    );
    output.succeeds().stdout_has("\nend\n");
    let gone = script(&env, "$C mount one >/dev/null; $C rm one; $C umount -a; $C mount; echo end");
    gone.succeeds().stdout_has("\nend\n");
    assert!(!env.runtime().join("mounts/containers").read_dir().is_ok_and(|mut left| left.next().is_some()));
}

#[test]
fn a_running_container_is_seen_as_it_sees_itself() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'echo first >/file; while :; do test -e /stop && exit; sleep 0.05; done'");
    let output = script(
        &env,
        "m=$($C mount one); until test -s $m/file; do sleep 0.05; done; cat $m/file; echo more >$m/other; \
         $C exec one cat /other; ls $m/proc; touch $m/stop; $C wait one; $C umount one >/dev/null",
    );
    output.succeeds().stdout_is("first\nmore\n0\n");
    env.coracle("start one").succeeds();
}

#[test]
fn an_image_is_mounted_read_only_and_stays() {
    let env = ready!();
    let registry = Registry::start();
    let image = Image::busybox()
        .layer(Tar::new().file("kept", "kept\n").file("gone", "gone").directory("opaque/").file("opaque/below", ""))
        .layer(Tar::new().file(".wh.gone", "").file("opaque/.wh..wh..opq", "").file("opaque/above", ""));
    let name = registry.push(&image, "layers:v1");
    env.coracle(&format!("pull -q {name}")).succeeds();
    let id = env.inspect(&name, "{{.Id}}").trim_start_matches("sha256:").to_owned();
    let output = script(
        &env,
        &format!(
            "m=$($C image mount {name}); cat $m/kept; ls $m/opaque; ! test -e $m/gone; ! touch $m/new 2>/dev/null; \
             $C image mount; $C image mount --format json; ! $C rmi -f {name}; ! $C rmi -a; $C image prune -af >/dev/null; \
             $C images -q | wc -l; $C image unmount {name}; ! test -e $m/kept; $C image mount"
        ),
    );
    let output = output.succeeds();
    let path = env.runtime().join(format!("mounts/images/{id}/files")).display().to_string();
    assert_eq!(output.lines()[..3], ["kept", "above", &format!("{name}  {path}")]);
    output
        .stdout_has(&format!("\"mountpoint\": \"{path}\""))
        .stdout_has("\n1\n")
        .stderr_has("its files are mounted")
        .stdout_has(&format!("{id}\n"));
    // An image of one layer, and one that nobody has.
    let one = registry.push(&Image::busybox(), "one:v1");
    env.coracle(&format!("pull -q {one}")).succeeds();
    script(
        &env,
        &format!("m=$($C image mount {one}); $m/bin/busybox echo runs; ! $C image mount nosuch; $C image umount -a"),
    )
    .succeeds()
    .stdout_has("runs\n")
    .stderr_has("no such image");
    env.coracle(&format!("rmi {name} {one}")).succeeds();
}

/// Nothing can be mounted where the user may not; and that says how.
#[test]
fn who_may_not_mount_is_told_how() {
    let env = ready!(busybox);
    if is_root() {
        return;
    }
    env.coracle("create --name one IMAGE true").succeeds();
    for line in ["mount one", "mount", "umount one", "image mount IMAGE", "image unmount -a", "container mount one"] {
        env.coracle(line).fails_with(1).explains().stderr_has("coracle unshare");
        env.called("podman", line).run().fails_with(125).explains();
    }
    assert!(!env.runtime().join("mounts").exists());
}

mod as_root {
    /// Root needs no session: what it mounts, all of the machine sees.
    #[test]
    fn root_mounts_containers_and_images() {
        if !super::is_root() {
            return crate::support::skip("this test is for root");
        }
        super::a_stopped_container_is_mounted_changed_and_started();
        super::a_mounted_container_is_not_started();
        super::mounts_are_counted();
        super::a_running_container_is_seen_as_it_sees_itself();
        super::an_image_is_mounted_read_only_and_stays();
    }
}

/// Links in a container lead nowhere else: what is mounted is its tree, and places are the user's own.
#[test]
fn a_container_cannot_lead_its_mount_elsewhere() {
    let env = ready!(busybox);
    env.coracle("run --name one IMAGE sh -c 'ln -s / /root/up; ln -sfn /etc /files'").succeeds();
    let output =
        script(&env, "m=$($C mount one); readlink $m/root/up; test -d $m/bin; findmnt -n -o FSTYPE $m; $C umount one");
    assert_eq!(output.succeeds().lines()[..2], ["/", "overlay"]);
}
