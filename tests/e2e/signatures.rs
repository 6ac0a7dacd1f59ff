//! Signatures of images: what `push` signs is verified by `pull`, and what a policy or `DOCKER_CONTENT_TRUST` refuses.
//!
//! `CORACLE_TEST_SKOPEO` names a skopeo that knows them, of Debian 13 or later: then it has to say the same of everything, and
//! what it signs is verified here. (In Debian 12's they are disabled.)

use std::path::Path;

use serde_json::{Value, json};

use crate::support::env::Env;
use crate::support::eventually;
use crate::support::images::Image;
use crate::support::output::Output;
use crate::support::registry::Registry;

/// A key pair as cosign writes it; the passphrase is `open sesame`.
const PRIVATE: &str = "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjozMjc2OCwiciI6
OCwicCI6MX0sInNhbHQiOiJtTGpWbXpEdGgwcGQvV2R3UjNsNy9vcDl1R0V4L3B3
T1VLbjM5LzUrTVIwPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJmQk1FYVVzb2dmYzNXNXp5US9RZ1IrU1BoL2phcU1NRSJ9LCJj
aXBoZXJ0ZXh0Ijoic1RzT0FlelFSRlhkYU12dFVsUTBWK3VMNG1sZUxSSzJKang0
S0wvZ2Ftekx2QytNekNNazROdEd4S3RKMGMzVUc2YlJEZlJ2QStxaXdtRWNtcU5V
cmFYTnh2T3NhbHl4emJSNHRwQVNIME40bDNOUS93SmI2R013N0FoeWlNbFR0eXMy
OVlrVkFOUk4rMEord2U2cGl6aEdQcnN4M2s2bEw5NUVtclJzRE8wNVZjK3Q0aW50
SWwwL1NoQ05vSE15T2ZBQ3JLaVdNSVV6eWc9PSJ9
-----END ENCRYPTED COSIGN PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8yh2yW+yKCU3Myhcep01IGKhWZik
qejs7XD1OQZ4GefLIMAK/CdOdelna2r5NispLEW98EfqXP53IUFypDqFMQ==
-----END PUBLIC KEY-----
";
/// Of another key.
const OTHER: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKWQnpKtplfyKpWchyoDhtuaAHxbF
j6zEaXQ2lPA+eFXsq740BNdEGlSRPTBO7MEcFYBYeSNdw1l1VCN8HqU3rg==
-----END PUBLIC KEY-----
";

/// Writes the keys, and gives the options that sign.
fn signing(env: &Env) -> String {
    let key = env.write("cosign.key", PRIVATE);
    let passphrase = env.write("passphrase", "open sesame\n");
    env.write("cosign.pub", PUBLIC);
    env.write("other.pub", OTHER);
    format!("--sign-by-sigstore-private-key {} --sign-passphrase-file {}", key.display(), passphrase.display())
}

/// Sets the user's policy for a scope; everything else is taken.
fn policy(env: &Env, scope: &str, key: &str, identity: Option<&str>) {
    let mut requirement = json!({ "type": "sigstoreSigned", "keyPath": env.file(key) });
    if let Some(kind) = identity {
        requirement["signedIdentity"] = json!({ "type": kind });
    }
    let policy = json!({
        "default": [{ "type": "insecureAcceptAnything" }],
        "transports": { "docker": { scope: [requirement] } },
    });
    let directory = env.config().join("containers");
    std::fs::create_dir_all(&directory).expect("our directory");
    std::fs::write(directory.join("policy.json"), policy.to_string()).expect("our directory");
}

/// skopeo with the same policy, in which registries keep signatures as attachments.
fn skopeo(env: &Env, line: &str) -> Option<Output> {
    let program = std::env::var("CORACLE_TEST_SKOPEO").ok()?;
    let registries = env.mkdir("registries.d");
    std::fs::write(registries.join("all.yaml"), "default-docker:\n  use-sigstore-attachments: true\n").expect("ours");
    let policy = env.config().join("containers/policy.json");
    let place = ["--registries.d", &registries.display().to_string(), "--policy", &policy.display().to_string()]
        .map(str::to_owned);
    let arguments: Vec<&str> = place.iter().map(String::as_str).chain(line.split(' ')).collect();
    Some(env.tool(&program, &arguments).run())
}

#[test]
fn what_is_signed_here_is_verified_here_and_by_skopeo() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let sign = signing(&env);
    let (signed, plain) =
        (format!("{}/team/app:1", registry.address()), format!("{}/team/plain:1", registry.address()));
    env.coracle(&format!("push -q {sign} IMAGE {signed}")).succeeds();
    env.coracle(&format!("push -q IMAGE {plain}")).succeeds();
    policy(&env, &format!("{}/team", registry.address()), "cosign.pub", None);
    env.coracle(&format!("pull -q {signed}")).succeeds();
    env.coracle(&format!("pull -q {plain}")).fails_with(1).explains().stderr_has("it has none");
    let copy =
        |name: &str| format!("copy -q --src-tls-verify=false docker://{name} dir:{}", env.mkdir("copy").display());
    let _ = skopeo(&env, &copy(&signed)).map(Output::succeeds);
    let _ = skopeo(&env, &copy(&plain)).map(Output::fails);
    // The signature says which tag: the same manifest under another is not what was signed.
    let moved = format!("{}/team/app:2", registry.address());
    std::fs::remove_file(env.config().join("containers/policy.json")).expect("ours");
    let file = env.file("digest");
    env.coracle(&format!("push -q --digestfile {} IMAGE {moved}", file.display())).succeeds();
    let name = format!("{}/team/app@{}", registry.address(), read(&file));
    for (key, identity, image, good) in [
        ("cosign.pub", None, &moved, false),
        ("cosign.pub", Some("matchExact"), &moved, false),
        ("cosign.pub", Some("matchRepository"), &moved, true),
        ("cosign.pub", None, &name, true),
        ("other.pub", None, &signed, false),
    ] {
        policy(&env, &format!("{}/team", registry.address()), key, identity);
        let ours = env.coracle(&format!("pull -q {image}"));
        assert_eq!(ours.code() == 0, good, "{key} {identity:?} {image}: {ours:?}");
        if let Some(theirs) = skopeo(&env, &copy(image)) {
            assert_eq!(theirs.code() == 0, good, "{key} {identity:?} {image}: {theirs:?}");
        }
    }
    // Signing again adds a signature; the wrong passphrase sends nothing.
    policy(&env, "unused.example", "cosign.pub", None);
    env.coracle(&format!("push -q {sign} IMAGE {signed}")).succeeds();
    let wrong = env.write("wrong", "shut sesame\n");
    let line = format!("push -q {sign} --sign-passphrase-file {} IMAGE {}", wrong.display(), registry.name("never"));
    env.coracle(&line).fails_with(1).explains().stderr_has("passphrase");
    env.coracle(&format!("pull -q {}", registry.name("never"))).fails_with(1);
}

#[test]
fn signatures_in_our_own_registry() {
    let env = ready!(busybox);
    let sign = signing(&env);
    let layout = env.file("layout");
    Image::busybox().write(&layout);
    let serving = env.command("registry serve --listen 127.0.0.1:0").spawn();
    serving.prints("(end it with ^C)");
    let said = serving.stdout();
    let place = said.split("://").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address").to_owned();
    let other = Env::with(&["busybox"]).expect("ready before");
    signing(&other);
    policy(&other, &place, "cosign.pub", None);
    policy(&env, &place, "cosign.pub", None);
    other.coracle(&format!("push -q {sign} IMAGE {place}/ours:1")).succeeds();
    let copy =
        format!("copy -q --dest-tls-verify=false {sign} oci:{}:latest docker://{place}/theirs:1", layout.display());
    let theirs = skopeo(&env, &copy).map(Output::succeeds).map(|_| "theirs");
    for name in theirs.into_iter().chain(["ours"]) {
        policy(&other, &place, "cosign.pub", None);
        other.coracle(&format!("pull -q {place}/{name}:1")).succeeds();
        policy(&other, &place, "other.pub", None);
        let refused = other.coracle(&format!("pull -q {place}/{name}:1")).fails_with(1).explains();
        refused.stderr_has("not signed with a key");
    }
    // An image that is removed takes its signatures along.
    env.coracle("rmi -f localhost/ours:1").succeeds();
    policy(&other, "unused.example", "cosign.pub", None);
    other.coracle(&format!("pull -q {place}/ours:1")).fails_with(1);
    env.coracle("rmi --ignore localhost/theirs:1").succeeds();
    let blobs = env.data().join("registry/blobs");
    eventually("nothing is left of them", || {
        std::fs::read_dir(&blobs).is_ok_and(|mut entries| entries.next().is_none())
    });
}

#[test]
fn content_trust_refuses_what_no_key_is_known_for() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let sign = signing(&env);
    let name = format!("{}/app:1", registry.address());
    let trusting = |line: &str| env.command(line).var("DOCKER_CONTENT_TRUST", "1").run();
    trusting(&format!("push -q IMAGE {name}")).fails().explains().stderr_has("--sign-by-sigstore-private-key");
    trusting(&format!("push -q {sign} IMAGE {name}")).succeeds();
    trusting(&format!("pull -q {name}")).fails().explains().stderr_has("DOCKER_CONTENT_TRUST");
    trusting(&format!("run --rm {name} true")).fails_with(125).explains().stderr_has("DOCKER_CONTENT_TRUST");
    trusting(&format!("create {name} true")).fails_with(125).explains();
    trusting(&format!("run --rm --disable-content-trust {name} true")).succeeds();
    env.coracle(&format!("rmi -f {name}")).succeeds();
    // With a key.
    let scope = format!("{}/app", registry.address());
    env.coracle(&format!("image trust set -t sigstoreSigned {scope}")).fails().explains();
    env.coracle(&format!("image trust set -t sigstoreSigned -f {}/absent {scope}", env.root().display())).fails();
    let key = env.file("cosign.pub");
    env.coracle(&format!("image trust set -t sigstoreSigned -f {} {scope}", key.display())).succeeds();
    env.coracle("image trust show").succeeds().stdout_has("sigstoreSigned");
    trusting(&format!("run --rm {name} true")).succeeds();
    // By digest nobody has to vouch for it.
    let other = Registry::start();
    let plain = format!("{}/plain:1", other.address());
    let digests = env.file("digest");
    env.coracle(&format!("push -q --digestfile {} IMAGE {plain}", digests.display())).succeeds();
    let known = read(&digests);
    trusting(&format!("pull -q {}/plain@{known}", other.address())).succeeds();
    trusting(&format!("pull -q {plain}")).fails();
    trusting("images").succeeds();
    let shown: Value = env.coracle("image trust show --json").succeeds().json();
    assert!(shown.to_string().contains("sigstoreSigned"), "{shown}");
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("written")
}
