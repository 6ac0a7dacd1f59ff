//! Git repositories, fetched by the user's git program.
//!
//! # What git may do
//!
//! git is started with an empty environment but for what is said here, and with a configuration that overrides the
//! repository's: only the protocols https, http, git and ssh (never `file` or `ext`, which run programs or read files of
//! this machine; submodules included), no hooks, no file system monitor, no questions on the terminal. Arguments that
//! begin with `-` are refused. Names and hashes come after `--` where git has it.
//!
//! A repository that the user names is fetched with the user's own configuration and credentials. One that a Dockerfile
//! names gets neither: no configuration, no keys but those of an agent that the build was given (`--ssh`), no tokens but
//! its secrets `GIT_AUTH_TOKEN` and `GIT_AUTH_HEADER`; and it is not on this machine or its link.
//!
//! Time, and the size of each file, have bounds.

use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;

use super::{Around, Fetched, Trust, area};
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::registry::download::{outside_addresses, shown};

/// The longest time of one command.
const TIME_MAX: Duration = Duration::from_secs(30 * 60);

/// The largest file that git may write, in blocks of 512 bytes: 16 GiB.
const FILE_MAX: u64 = (16 << 30) / 512;

/// The longest output that is read, in bytes.
const OUTPUT_MAX: u64 = 16 << 20;

/// The variables that git gets, and which of them have the user's own keys and configuration.
pub const VARIABLES: [(&str, bool); 14] = [
    ("PATH", false),
    ("GIT_SSL_CAINFO", false),
    ("http_proxy", false),
    ("https_proxy", false),
    ("HTTPS_PROXY", false),
    ("all_proxy", false),
    ("ALL_PROXY", false),
    ("no_proxy", false),
    ("NO_PROXY", false),
    ("HOME", true),
    ("USER", true),
    ("XDG_CONFIG_HOME", true),
    ("SSH_AUTH_SOCK", true),
    ("GIT_SSH_COMMAND", true),
];

/// A repository, and what of it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Where it is, as git takes it.
    pub url: String,
    /// A branch, tag or commit; the default branch when none.
    pub reference: Option<String>,
    /// A directory in it.
    pub subdirectory: Option<String>,
}

impl Repository {
    /// Reads `URL[#REFERENCE[:DIRECTORY]]`; none for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (place, fragment) = text.split_once('#').map_or((text, None), |(place, rest)| (place, Some(rest)));
        let has_scheme = |schemes: &[&str]| schemes.iter().any(|scheme| place.starts_with(scheme));
        let is_git = has_scheme(&["git://", "ssh://"]);
        let is_web = has_scheme(&["http://", "https://"]) && place.ends_with(".git");
        // `user@host:path`, as scp has it.
        let is_scp = !place.contains("://")
            && place.split_once(':').is_some_and(|(host, path)| {
                let user = host.split_once('@').map(|(user, host)| !user.is_empty() && !host.is_empty());
                user == Some(true) && !host.contains('/') && !path.is_empty()
            });
        let url = match place.strip_prefix("github.com/") {
            Some(path) if !path.is_empty() => format!("https://github.com/{path}"),
            _ if is_git || is_web || is_scp => place.to_owned(),
            _ => return None,
        };
        let (reference, subdirectory) = match fragment {
            None => (None, None),
            Some(fragment) => {
                let (name, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
                let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
                (given(name), given(directory.trim_matches('/')))
            }
        };
        Some(Self { url, reference, subdirectory })
    }

    /// For messages: without a password.
    pub fn shown(&self) -> String {
        shown(&self.url)
    }

    /// The host, without a user or a port.
    fn host(&self) -> &str {
        let (scheme, rest) = self.url.split_once("://").map_or((false, &*self.url), |(_, rest)| (true, rest));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        match (host.strip_prefix('['), scheme) {
            (Some(v6), _) => v6.split(']').next().unwrap_or_default(),
            (None, _) => host.split(':').next().unwrap_or_default(),
        }
    }

    fn check(&self) -> Result<()> {
        let words = [Some(&self.url), self.reference.as_ref(), self.subdirectory.as_ref()];
        for word in words.into_iter().flatten() {
            if word.starts_with('-') || word.chars().any(|letter| letter.is_control()) {
                return Err(Error::invalid(format!("invalid git repository `{}`", text::clean(word))));
            }
        }
        if self.host().is_empty() || self.host().starts_with('-') {
            return Err(Error::invalid(format!("the git repository `{}` has no host", self.shown())));
        }
        Ok(())
    }
}

/// A repository whose commit is known.
#[derive(Debug, Clone)]
pub struct Resolved {
    repository: Repository,
    /// The commit, in full.
    pub commit: String,
    /// The name under which it was found, of the server.
    name: Option<String>,
}

impl Resolved {
    /// The directory that is meant.
    pub fn subdirectory(&self) -> Option<&str> {
        self.repository.subdirectory.as_deref()
    }
}

fn is_commit(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Finds the commit. `checksum` is the commit that it must be, or its beginning.
pub fn resolve(around: &Around<'_>, repository: &Repository, checksum: Option<&str>) -> Result<Resolved> {
    repository.check()?;
    let git = Git::new(around, repository)?;
    let wanted = repository.reference.as_deref().unwrap_or("HEAD");
    let (commit, name) = match is_commit(wanted) {
        true => (wanted.to_ascii_lowercase(), None),
        false => {
            let listed = git.run(None, &["ls-remote", "--", &repository.url])?;
            match found(&listed, wanted) {
                Some((commit, name)) => (commit, Some(name)),
                // The beginning of a commit has no name on the server.
                None if wanted.len() >= 7 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                    (git.long_name(repository, wanted)?, None)
                }
                None => {
                    let wanted = text::clean(wanted);
                    return Err(Error::not_found(format!(
                        "repository {} does not contain ref {wanted}",
                        repository.shown()
                    )));
                }
            }
        }
    };
    if let Some(expected) = checksum.filter(|expected| !commit.starts_with(&expected.to_ascii_lowercase())) {
        return Err(Error::invalid(format!("expected checksum to match {}, got {commit}", text::clean(expected)))
            .hint("the branch or tag has moved since the Dockerfile was written"));
    }
    Ok(Resolved { repository: repository.clone(), commit, name })
}

/// The commit of a name in what `ls-remote` prints; for a tag with a message, that which it stands for.
fn found(listed: &str, wanted: &str) -> Option<(String, String)> {
    let lines: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
    let names = [wanted.to_owned(), format!("refs/heads/{wanted}"), format!("refs/tags/{wanted}")];
    for name in names {
        let of = |name: &str| lines.iter().find(|(_, other)| *other == name).map(|(commit, _)| (*commit).to_owned());
        if let Some(commit) = of(&format!("{name}^{{}}")).or_else(|| of(&name)).filter(|commit| is_commit(commit)) {
            return Some((commit, name));
        }
    }
    None
}

/// Fetches the files of the commit. `keep`: with its `.git`.
pub fn fetch(around: &Around<'_>, resolved: &Resolved, keep: bool) -> Result<Fetched> {
    let Resolved { repository, commit, name } = resolved;
    let git = Git::new(around, repository)?;
    let staging = area(around.engine)?;
    let tree = staging.path().join("tree");
    fs::create_dir(&tree).at(&tree, "cannot create")?;
    let run = |arguments: &[&str]| git.run(Some(&tree), arguments);
    run(&["init", "-q"])?;
    run(&["remote", "add", "origin", "--", &repository.url])?;
    let shallow = |what: &str| run(&["fetch", "-q", "--depth=1", "--no-tags", "origin", what]);
    // Some servers give commits by name only, and some nothing less than everything.
    let named = || name.as_ref().map_or_else(|| Err(Error::system("the commit has no name")), |name| shallow(name));
    if shallow(commit).is_err() && named().is_err() {
        run(&["fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"])?;
    }
    run(&["-c", "advice.detachedHead=false", "checkout", "-q", "--detach", commit, "--"])?;
    if fs::symlink_metadata(tree.join(".gitmodules")).is_ok() {
        run(&["submodule", "update", "-q", "--init", "--recursive", "--depth=1"])?;
    }
    if !keep {
        remove_git(&tree, 0)?;
    }
    let source = repository.subdirectory.as_deref().unwrap_or_default();
    Ok(Fetched { staging, source: format!("/tree/{source}"), is_file: false })
}

/// Removes `.git` of the repository and its submodules. Links are not followed.
fn remove_git(directory: &Path, depth: usize) -> Result<()> {
    if depth > super::super::view::MAX_DEPTH {
        return Err(Error::invalid("the repository holds directories that are too deep"));
    }
    for entry in fs::read_dir(directory).at(directory, "cannot list")? {
        let entry = entry.at(directory, "cannot list")?;
        let (path, kind) = (entry.path(), entry.file_type().at(directory, "cannot examine")?);
        match entry.file_name() == ".git" {
            true if kind.is_dir() => fs::remove_dir_all(&path).at(&path, "cannot remove")?,
            true => fs::remove_file(&path).at(&path, "cannot remove")?,
            false if kind.is_dir() => remove_git(&path, depth + 1)?,
            false => {}
        }
    }
    Ok(())
}

/// How git is started.
struct Git<'a> {
    around: &'a Around<'a>,
    settings: Vec<(String, String)>,
}

impl<'a> Git<'a> {
    fn new(around: &'a Around<'a>, repository: &Repository) -> Result<Self> {
        let mut settings: Vec<(String, String)> = [
            ("protocol.allow", "never"),
            ("protocol.https.allow", "always"),
            ("protocol.http.allow", "always"),
            ("protocol.git.allow", "always"),
            ("protocol.ssh.allow", "always"),
            ("core.hooksPath", "/dev/null"),
            ("core.fsmonitor", "false"),
            ("submodule.recurse", "false"),
            ("fetch.fsckObjects", "true"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("init.defaultBranch", "main"),
            ("filter.lfs.required", "false"),
        ]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let host = repository.host();
        if around.trust == Trust::File {
            let addresses = outside_addresses(&around.engine.registry, host)?;
            settings.push(("http.followRedirects".into(), "false".into()));
            settings.extend(pinned(&repository.url, host, &addresses));
        }
        let raw = around.secret("GIT_AUTH_HEADER", host);
        let token = around.secret("GIT_AUTH_TOKEN", host).map(|token| {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
            format!("basic {pair}")
        });
        // Only to the origin that it is for.
        if let (Some(value), Some((scheme, rest))) = (raw.or(token), repository.url.split_once("://")) {
            let authority = rest.split('/').next().unwrap_or_default();
            let authority = authority.rsplit('@').next().unwrap_or_default();
            let name = format!("http.{scheme}://{authority}/.extraHeader");
            settings.push((name, format!("Authorization: {value}")));
        }
        Ok(Self { around, settings })
    }

    /// A commit by the beginning of its hash: all commits must be fetched to know it.
    fn long_name(&self, repository: &Repository, short: &str) -> Result<String> {
        let staging = area(self.around.engine)?;
        let tree = Some(staging.path());
        self.run(tree, &["init", "-q", "--bare"])?;
        let all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        self.run(tree, &["fetch", "-q", "--filter=blob:none", "--", &repository.url, all[0], all[1]])?;
        let found = self.run(tree, &["rev-parse", "--verify", "-q", &format!("{short}^{{commit}}")]);
        let found = found.map(|found| found.trim().to_owned()).ok().filter(|found| is_commit(found));
        found.ok_or_else(|| {
            let short = text::clean(short);
            Error::not_found(format!("repository {} does not contain ref {short}", repository.shown()))
        })
    }

    fn command(&self, directory: Option<&Path>) -> Command {
        // The mode of files does not depend on the user's umask, and no file is without a bound.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("umask 022 && ulimit -f {FILE_MAX} && exec git \"$@\""), "git"]);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        command.current_dir(directory.unwrap_or(Path::new("/")));
        let passed = VARIABLES.iter().filter(|(_, personal)| !personal || self.around.trust == Trust::User);
        for (name, _) in passed {
            if let Some(value) = self.around.environment.get(*name) {
                command.env(name, value);
            }
        }
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", "https:http:git:ssh");
        command.env("GIT_PROTOCOL_FROM_USER", "0").env("GIT_LFS_SKIP_SMUDGE", "1");
        if let Some(directory) = directory {
            // The parent's own repository, if the data directory is in one, is no business of this one.
            command.env("GIT_CEILING_DIRECTORIES", directory);
        }
        let mut settings = self.settings.clone();
        if self.around.trust != Trust::User {
            self.without_user(&mut command, &mut settings);
        }
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (number, (name, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), name).env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command
    }

    /// Without the user's configuration, keys and credentials.
    fn without_user(&self, command: &mut Command, settings: &mut Vec<(String, String)>) {
        let home = &self.around.engine.paths.home;
        command.env("HOME", "/nonexistent").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        settings.push(("credential.helper".into(), String::new()));
        let known = home.join(".ssh/known_hosts");
        let known = known.display().to_string().replace('\'', "'\\''");
        let mut ssh = format!(
            "ssh -F /dev/null -oBatchMode=yes -oStrictHostKeyChecking=yes -oUserKnownHostsFile='\"{known}\"' \
             -oIdentityFile=none -oForwardAgent=no"
        );
        match self.around.agents.get("default") {
            Some(socket) => drop(command.env("SSH_AUTH_SOCK", socket)),
            None => ssh.push_str(" -oIdentityAgent=none"),
        }
        command.env("GIT_SSH_COMMAND", ssh);
    }

    /// Runs git and returns what it prints.
    fn run(&self, directory: Option<&Path>, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(directory);
        command.args(arguments);
        let mut child = command.spawn().context(|| "cannot start git")?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let read = |stream: Option<Box<dyn Read + Send>>| {
            let mut bytes = Vec::new();
            if let Some(stream) = stream {
                let mut limited = stream.take(OUTPUT_MAX);
                let _ = limited.read_to_end(&mut bytes);
                // What is beyond the limit is not kept, but must not block git.
                let _ = std::io::copy(&mut limited.into_inner(), &mut std::io::sink());
            }
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let group = rustix::process::Pid::from_raw(child.id() as i32);
        let (status, out, err) = std::thread::scope(|scope| {
            let out = scope.spawn(move || read(stdout.map(|stream| Box::new(stream) as Box<dyn Read + Send>)));
            let err = scope.spawn(move || read(stderr.map(|stream| Box::new(stream) as Box<dyn Read + Send>)));
            let begun = Instant::now();
            let status = loop {
                match child.try_wait() {
                    Ok(Some(status)) => break Ok(Some(status)),
                    Ok(None) if begun.elapsed() > TIME_MAX => {
                        if let Some(group) = group {
                            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                        }
                        let _ = child.wait();
                        break Ok(None);
                    }
                    Ok(None) => std::thread::sleep(Duration::from_millis(if begun.elapsed().as_millis() < 500 {
                        5
                    } else {
                        50
                    })),
                    Err(error) => break Err(error),
                }
            };
            (status, out.join().unwrap_or_default(), err.join().unwrap_or_default())
        });
        match status.context(|| "cannot wait for git")? {
            Some(status) if status.success() => Ok(out),
            Some(status) if status.code() == Some(127) => Err(Error::not_found("the program `git` is not installed")
                .hint("git repositories are fetched by git: install it (apt-get install git)")),
            Some(_) => {
                let said: Vec<&str> = err.lines().filter(|line| !line.trim().is_empty()).collect();
                let last = said.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join("; ");
                let what = arguments.iter().find(|word| !word.starts_with('-') && !word.contains('='));
                let what = format!("git {} failed: {}", what.unwrap_or(&""), text::clean(&last));
                Err(Error::new(Kind::Network, what))
            }
            None => Err(Error::new(Kind::Network, "git took longer than half an hour")),
        }
    }
}

/// Settings with which git connects to the addresses that were looked at, whatever the name means later.
fn pinned(url: &str, host: &str, addresses: &[IpAddr]) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let usual = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = rest.split('/').next()?.rsplit('@').next()?;
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(usual);
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    (!list.is_empty()).then(|| ("http.curloptResolve".into(), format!("{host}:{port}:{}", list.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_read() {
        let read = |text: &str| {
            let Repository { url, reference, subdirectory } = Repository::parse(text).unwrap();
            (url, reference.unwrap_or_default(), subdirectory.unwrap_or_default())
        };
        let owned = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(read("https://h/a.git"), owned("https://h/a.git", "", ""));
        assert_eq!(read("https://h/a.git#v1:dir/sub/"), owned("https://h/a.git", "v1", "dir/sub"));
        assert_eq!(read("https://h/a.git#:sub"), owned("https://h/a.git", "", "sub"));
        assert_eq!(read("github.com/a/b#x"), owned("https://github.com/a/b", "x", ""));
        assert_eq!(read("git@h:a/b.git"), owned("git@h:a/b.git", "", ""));
        for (text, host) in [
            ("https://user:pw@h.example:8080/a.git", "h.example"),
            ("git@h:a/b", "h"),
            ("ssh://git@[::1]:22/a", "::1"),
            ("git://h/a", "h"),
        ] {
            assert_eq!(Repository::parse(text).unwrap().host(), host, "{text}");
        }
        for hostile in
            ["git@-oProxyCommand=x:a", "https://h/a.git#--upload-pack=x", "ssh://-oProxyCommand=x/a", "git@h:a#x\ny"]
        {
            assert!(Repository::parse(hostile).unwrap().check().is_err(), "{hostile}");
        }
    }

    #[test]
    fn names_are_found_as_git_finds_them() {
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let listed =
            format!("{a}\tHEAD\n{a}\trefs/heads/main\n{b}\trefs/tags/v1\n{c}\trefs/tags/v1^{{}}\nx\trefs/heads/bad\n");
        let commit = |name: &str| found(&listed, name).map(|(commit, _)| commit);
        assert_eq!((commit("HEAD"), commit("main")), (Some(a.clone()), Some(a)));
        assert_eq!(
            (commit("v1"), commit("refs/tags/v1"), commit("bad"), commit("none")),
            (Some(c.clone()), Some(c), None, None)
        );
    }

    #[test]
    fn addresses_are_pinned() {
        let addresses = ["192.0.2.1".parse().unwrap()];
        let setting = |url: &str| pinned(url, "h", &addresses).map(|(_, value)| value);
        assert_eq!(setting("https://h/a.git").as_deref(), Some("h:443:192.0.2.1"));
        assert_eq!(setting("http://u@h:81/a.git").as_deref(), Some("h:81:192.0.2.1"));
        assert_eq!(setting("git@h:a"), None);
    }
}
