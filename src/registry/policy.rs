//! containers-policy.json(5): from which repositories images are taken.
//!
//! `insecureAcceptAnything` and `reject` are obeyed, and signatures of `sigstoreSigned` with keys are verified (see
//! `signatures`). What any other requirement demands cannot be verified here: an image that needs it is refused, never taken
//! without. The user's file goes before the system's; without any
//! everything is taken, as docker does. docker itself reads no such file, so commands that were called as docker do not.
//!
//! The requirements of the most specific scope count: a whole reference, a repository, what is above it, its host,
//! `*.example.com`, the whole transport, and the default.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::settings::Settings;
use super::signatures::Demand;
use crate::base::error::if_absent;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::oci::Reference;

/// Largest policy, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// The transport of registries.
const TRANSPORT: &str = "docker";
const ACCEPT: &str = "insecureAcceptAnything";
const REJECT: &str = "reject";
const SIGSTORE: &str = "sigstoreSigned";

/// A policy that was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    file: Option<PathBuf>,
    document: Map<String, Value>,
}

/// What happens to images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are taken.
    Accept,
    /// They are not.
    Reject,
    /// They are taken with a signature of a key in one of these files.
    Signed(Vec<String>),
}

impl Verdict {
    fn requirement(&self) -> Value {
        match self {
            Self::Accept => json!([{ "type": ACCEPT }]),
            Self::Reject => json!([{ "type": REJECT }]),
            Self::Signed(files) => match files.as_slice() {
                [one] => json!([{ "type": SIGSTORE, "keyPath": one }]),
                several => json!([{ "type": SIGSTORE, "keyPaths": several }]),
            },
        }
    }
}

/// One line of a policy, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The transport; `all` for the default.
    pub transport: String,
    /// The scope; `default` for the default.
    pub scope: String,
    /// `accept`, `reject`, or what kind of signature is demanded.
    pub kind: String,
}

impl Policy {
    /// Reads the first of the files that exists.
    pub fn load(settings: &Settings) -> Result<Self> {
        for path in &settings.policies {
            if let Some(text) = read(path)? {
                return Self::parse(&text, path);
            }
        }
        Ok(Self::default())
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |cause: String| {
            Error::invalid(format!("cannot understand `{}`", path.display()))
                .caused_by(Error::invalid(cause))
                .hint("containers-policy.json(5) describes it; no image is taken before it is right")
        };
        let document: Map<String, Value> = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let policy = Self { file: Some(path.to_owned()), document };
        let Some(Value::Array(_)) = policy.document.get("default") else {
            return Err(wrong("it has no `default`".into()));
        };
        if let Some(key) = policy.document.keys().find(|key| !matches!(key.as_str(), "default" | "transports")) {
            return Err(wrong(format!("the unknown key `{}`", text::clean(key))));
        }
        for rule in policy.requirements() {
            let (scope, requirements) = rule;
            let all = requirements.as_array().filter(|all| !all.is_empty());
            let all = all.ok_or_else(|| wrong(format!("`{}` has no list of requirements", text::clean(&scope))))?;
            if let Some(bad) = all.iter().find(|requirement| requirement.get("type").and_then(Value::as_str).is_none())
            {
                return Err(wrong(format!(
                    "`{}` has a requirement without a type: {}",
                    text::clean(&scope),
                    text::clean(&bad.to_string())
                )));
            }
        }
        Ok(policy)
    }

    /// All scopes with their requirements.
    fn requirements(&self) -> Vec<(String, &Value)> {
        let mut all: Vec<(String, &Value)> =
            self.document.get("default").map(|default| ("default".to_owned(), default)).into_iter().collect();
        for (transport, scopes) in self.document.get("transports").and_then(Value::as_object).into_iter().flatten() {
            let scopes = scopes.as_object().into_iter().flatten();
            all.extend(scopes.map(|(scope, requirements)| (format!("{transport}:{scope}"), requirements)));
        }
        all
    }

    /// Refuses an image that the policy does not allow. Gives the signatures that it must have.
    pub fn demands(&self, reference: &Reference) -> Result<Vec<Demand>> {
        let mut demands = Vec::new();
        let Some(file) = &self.file else { return Ok(demands) };
        let (scope, requirements) = self.of(reference);
        for requirement in requirements.and_then(Value::as_array).into_iter().flatten() {
            let kind = requirement.get("type").and_then(Value::as_str).unwrap_or_default();
            let denied = |what: String| {
                Error::new(Kind::Denied, what).hint(format!(
                    "`{}` says so for `{}`",
                    file.display(),
                    text::clean(&scope)
                ))
            };
            match kind {
                ACCEPT => {}
                REJECT => {
                    return Err(denied(format!(
                        "images of `{}` are rejected by policy",
                        reference.familiar_repository()
                    )));
                }
                SIGSTORE => {
                    let demand = Demand::of(requirement).map_err(|error| {
                        let what = format!("no image of `{}` is taken", reference.familiar_repository());
                        denied(what).caused_by(error)
                    })?;
                    demands.push(demand);
                }
                other => {
                    return Err(denied(format!(
                        "the policy demands a signature of `{}` (`{}`), and coracle cannot verify those",
                        reference.familiar_repository(),
                        text::clean(other)
                    )));
                }
            }
        }
        Ok(demands)
    }

    /// The requirements for a reference, and the scope that they are of.
    fn of(&self, reference: &Reference) -> (String, Option<&Value>) {
        let scopes =
            self.document.get("transports").and_then(|transports| transports.get(TRANSPORT)).and_then(Value::as_object);
        if let Some(scopes) = scopes {
            let mut names = vec![reference.to_string(), reference.name()];
            let mut name = reference.name();
            while let Some(at) = name.rfind('/') {
                name.truncate(at);
                names.push(name.clone());
            }
            let mut host = reference.registry();
            while let Some((_, domain)) = host.split_once('.') {
                names.push(format!("*.{domain}"));
                host = domain;
            }
            names.push(String::new());
            if let Some(name) = names.into_iter().find(|name| scopes.contains_key(name)) {
                let requirements = scopes.get(&name);
                return (if name.is_empty() { TRANSPORT.to_owned() } else { name }, requirements);
            }
        }
        ("default".to_owned(), self.document.get("default"))
    }

    /// What the policy says, the default first. Without a policy everything is accepted.
    pub fn rules(&self) -> Vec<Rule> {
        if self.file.is_none() {
            return vec![Rule { transport: "all".into(), scope: "default".into(), kind: "accept".into() }];
        }
        let kind_of = |requirements: &Value| {
            let kinds = requirements.as_array().into_iter().flatten();
            let kinds =
                kinds.filter_map(|requirement| requirement.get("type").and_then(Value::as_str)).map(
                    |kind| match kind {
                        ACCEPT => "accept",
                        other => other,
                    },
                );
            kinds.collect::<Vec<_>>().join(",")
        };
        let rules = self.requirements().into_iter().map(|(scope, requirements)| {
            let (transport, scope) = match scope.split_once(':') {
                Some((TRANSPORT, scope)) => ("repository", scope.to_owned()),
                Some((transport, scope)) => (transport, scope.to_owned()),
                None => ("all", scope.clone()),
            };
            Rule { transport: transport.to_owned(), scope, kind: kind_of(requirements) }
        });
        rules.collect()
    }

    /// The text of the file.
    pub fn text(&self) -> Result<String> {
        match &self.file {
            Some(path) => Ok(read(path)?.unwrap_or_default()),
            None => Err(Error::not_found("there is no policy: images of all registries are accepted")),
        }
    }

    /// Sets what happens to images of a scope (`default` for the default), in the user's own file at `path`. Everything else
    /// stays as the policy that holds now says.
    pub fn set(mut self, path: &Path, scope: &str, verdict: &Verdict) -> Result<()> {
        let requirement = verdict.requirement();
        if let Verdict::Signed(_) = verdict {
            Demand::of(&requirement[0])?;
        }
        if scope == "default" {
            self.document.insert("default".into(), requirement);
        } else {
            check_scope(scope)?;
            self.document.entry("default").or_insert_with(|| json!([{ "type": ACCEPT }]));
            let transports = self.document.entry("transports").or_insert_with(|| json!({}));
            if !transports.is_object() {
                *transports = json!({});
            }
            if let Some(transports) = transports.as_object_mut() {
                let scopes = transports.entry(TRANSPORT).or_insert_with(|| json!({}));
                if !scopes.is_object() {
                    *scopes = json!({});
                }
                scopes[scope] = requirement;
            }
        }
        let mut text = serde_json::to_string_pretty(&self.document).context(|| "cannot write the policy")?;
        text.push('\n');
        Self::parse(&text, path)?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).at(directory, "cannot create the directory")?;
        }
        publish::file(path, text.as_bytes(), Durability::Durable)
    }
}

/// Refuses what is no scope: a host, something below one, or `*.example.com`.
fn check_scope(scope: &str) -> Result<()> {
    let bare = scope.strip_prefix("*.").unwrap_or(scope);
    let as_reference = if bare.contains('/') { bare.to_owned() } else { format!("{bare}/x") };
    let host = bare.split('/').next().unwrap_or_default();
    match as_reference.parse::<Reference>() {
        Ok(reference) if reference.registry() == host => Ok(()),
        _ => Err(Error::usage(format!("`{}` is not a registry or repository", text::clean(scope)))
            .hint("a scope is `default`, HOST[:PORT], HOST/REPOSITORY[:TAG] or *.example.com")),
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    let Some(metadata) = if_absent(fs::metadata(path)).at(path, "cannot read")? else { return Ok(None) };
    if metadata.len() > FILE_MAX {
        return Err(Error::invalid(format!("`{}` is larger than 1 MiB", path.display())));
    }
    if_absent(fs::read_to_string(path)).at(path, "cannot read")
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{
        "default": [{"type": "reject"}],
        "transports": {
            "docker": {
                "docker.io": [{"type": "insecureAcceptAnything"}],
                "docker.io/library/evil": [{"type": "reject"}],
                "quay.io/team": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/x"}],
                "quay.io/team/free": [{"type": "insecureAcceptAnything"}],
                "quay.io/team/free:bad": [{"type": "reject"}],
                "*.lab.example": [{"type": "insecureAcceptAnything"}],
                "new.example": [{"type": "sigstoreSigned"}]
            },
            "docker-daemon": {"": [{"type": "insecureAcceptAnything"}]}
        }
    }"#;

    fn verdict(policy: &Policy, name: &str) -> String {
        policy.demands(&name.parse().unwrap()).map_or_else(|error| error.chain(), |_| "taken".into())
    }

    #[test]
    fn the_most_specific_scope_decides() {
        let policy = Policy::parse(POLICY, Path::new("/etc/policy.json")).unwrap();
        for (name, word) in [
            ("alpine", "taken"),
            ("evil", "rejected"),
            ("evil:2", "rejected"),
            ("evils", "taken"),
            ("quay.io/team/app", "`signedBy`"),
            ("quay.io/team/free", "taken"),
            ("quay.io/team/free:bad", "rejected"),
            ("quay.io/other", "rejected"),
            ("a.b.lab.example/x", "taken"),
            ("lab.example/x", "rejected"),
            ("new.example/x", "it needs one of keyPath"),
        ] {
            assert!(verdict(&policy, name).contains(word), "{name}: {}", verdict(&policy, name));
        }
        assert_eq!(verdict(&Policy::default(), "evil"), "taken");
        let error = policy.demands(&"evil".parse().unwrap()).unwrap_err();
        assert!(error.hints().join(" ").contains("/etc/policy.json") && error.kind() == Kind::Denied);
    }

    #[test]
    fn a_policy_that_makes_no_sense_lets_nothing_through() {
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"default": []}"#,
            r#"{"default": [{"type": 7}]}"#,
            r#"{"default": [{"type": "reject"}], "transport": {}}"#,
            r#"{"default": [{"type": "reject"}], "transports": {"docker": {"x.io": {}}}}"#,
        ] {
            assert!(Policy::parse(bad, Path::new("p")).is_err(), "{bad}");
        }
        // What is not known is a demand that cannot be met.
        let unknown = Policy::parse(r#"{"default": [{"type": "newKind"}]}"#, Path::new("p")).unwrap();
        assert!(verdict(&unknown, "x").contains("newKind"));
        let both = r#"{"default": [{"type": "insecureAcceptAnything"}, {"type": "reject"}]}"#;
        assert!(verdict(&Policy::parse(both, Path::new("p")).unwrap(), "x").contains("rejected"), "all must be met");
    }

    #[test]
    fn a_scope_is_set_and_the_rest_stays() {
        let scratch = crate::base::publish::Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("containers/policy.json");
        let policy = Policy::parse(POLICY, Path::new("/etc/policy.json")).unwrap();
        policy.set(&path, "docker.io", &Verdict::Reject).unwrap();
        let now = || Policy::parse(&fs::read_to_string(&path).unwrap(), &path).unwrap();
        assert!(verdict(&now(), "alpine").contains("rejected") && verdict(&now(), "quay.io/team/free") == "taken");
        now().set(&path, "default", &Verdict::Accept).unwrap();
        assert_eq!(verdict(&now(), "other.example/x"), "taken");
        Policy::default().set(&path, "*.evil.example", &Verdict::Reject).unwrap();
        assert!(verdict(&now(), "a.evil.example/x").contains("rejected") && verdict(&now(), "b.example/x") == "taken");
        let rules: Vec<_> =
            now().rules().into_iter().map(|rule| format!("{} {} {}", rule.transport, rule.scope, rule.kind)).collect();
        assert_eq!(rules, ["all default accept", "repository *.evil.example reject"]);
        for bad in ["", "plain", "https://x.example", "x.example/..", "*"] {
            assert!(now().set(&path, bad, &Verdict::Accept).is_err(), "{bad}");
        }
        let key = scratch.path().join("key.pub");
        let signed = Verdict::Signed(vec![key.display().to_string()]);
        assert!(now().set(&path, "h.example", &signed).is_err(), "no such file");
        fs::write(&key, crate::registry::signatures::A_KEY).unwrap();
        now().set(&path, "h.example", &signed).unwrap();
        assert_eq!(now().demands(&"h.example/x".parse().unwrap()).unwrap().len(), 1);
    }
}
