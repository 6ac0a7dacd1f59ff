//! What an instruction does to the image of its stage, and what is left to do in its files: pure.
//!
//! [`Interpreter`] walks a stage. It keeps the configuration, the variables that are in scope, and the history; of each
//! instruction that touches files it returns an [`Action`], with everything expanded.
//!
//! History lines are those of BuildKit, so that `docker history` shows the same.

// An error is made once in a build, and carries what a person wants to see.

use std::collections::{BTreeMap, BTreeSet};

use super::remote::{Remote, RemoteSource};
use crate::dockerfile::expand::{expand, expand_content, expand_words};
use crate::dockerfile::{
    Copy, Diagnostic, Form, Health, Heredoc, Instruction, Kind, Mount, Network, Pair, Position, Run, Source, Text,
};
use crate::oci::ImageConfig;
use crate::oci::config::{HealthCheck, History, from_root};
use crate::spec::{ports, signal};

/// docker's search path, where an image has none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What BuildKit puts into the comment of a history entry.
const COMMENT: &str = "buildkit.dockerfile.v0";

/// Arguments that need no `ARG`, and that neither history nor cache keys mention.
const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Whether a build argument is a proxy, which needs no `ARG`.
pub fn is_proxy(name: &str) -> bool {
    PROXIES.contains(&name)
}

/// Something to do in the files of the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Only the configuration changed.
    Nothing,
    /// Run a command.
    Run(RunAction),
    /// Copy files.
    Copy(CopyAction),
    /// Make a directory if it is missing.
    Workdir(String),
}

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAction {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The environment: the image's, and the arguments in scope.
    pub env: Vec<String>,
    /// Proxies that the user has passed; they are in no key.
    pub proxies: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// The user.
    pub user: String,
    /// The mounts, expanded.
    pub mounts: Vec<Mount>,
    /// The network.
    pub network: Network,
    /// A script to run, for a here-document that begins with `#!`: its name and content.
    pub script: Option<(String, String)>,
}

/// Files to copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CopyAction {
    /// Paths below the source, in the order of the instruction; patterns are not resolved.
    pub sources: Vec<String>,
    /// Files whose content stands in the Dockerfile.
    pub inline: Vec<(String, String)>,
    /// Files and repositories that are somewhere else.
    pub remotes: Vec<RemoteSource>,
    /// Where from; none is the context.
    pub from: Option<String>,
    /// The absolute path of the target; ends with `/` if it must be a directory.
    pub target: String,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub exclude: Vec<String>,
    /// It is `ADD`: archives are unpacked.
    pub add: bool,
    /// `--unpack`.
    pub unpack: Option<bool>,
}

impl CopyAction {
    /// A plain copy of one path.
    pub fn of(source: &str, target: &str) -> Self {
        Self { sources: vec![source.to_owned()], target: target.to_owned(), ..Self::default() }
    }
}

/// The state of a stage.
#[derive(Debug, Clone)]
pub struct Interpreter {
    /// The configuration so far; its history too.
    pub config: ImageConfig,
    escape: char,
    /// Values of declared arguments, in the order of their names.
    arguments: BTreeMap<String, String>,
    /// `--build-arg`.
    given: BTreeMap<String, String>,
    /// Arguments before the first stage, and those of the platform.
    globals: BTreeMap<String, String>,
    /// The time of history entries: that of the layer below them.
    created: String,
    /// A `CMD` of this stage holds.
    has_cmd: bool,
    /// The names of `--build-arg` that some `ARG` has declared.
    pub consumed: BTreeSet<String>,
}

type Outcome<T> = Result<T, Diagnostic>;

fn wrong(at: Position, message: impl Into<String>) -> Diagnostic {
    Diagnostic { message: message.into(), position: at, hint: None }
}

impl Interpreter {
    /// A stage that begins with an image, with another stage, or with nothing.
    pub fn new(
        config: ImageConfig,
        escape: char,
        given: BTreeMap<String, String>,
        globals: BTreeMap<String, String>,
        created: &str,
    ) -> Self {
        let mut config = config;
        if !config.config.env.iter().any(|variable| variable.starts_with("PATH=")) {
            config.config.env.insert(0, format!("PATH={DEFAULT_PATH}"));
        }
        let consumed = BTreeSet::new();
        let created = created.to_owned();
        Self { config, escape, arguments: BTreeMap::new(), given, globals, created, has_cmd: false, consumed }
    }

    /// The triggers of the base, which go from the configuration.
    pub fn take_triggers(&mut self) -> Vec<String> {
        std::mem::take(&mut self.config.config.on_build)
    }

    /// Applies an instruction.
    pub fn apply(&mut self, instruction: &Instruction) -> Outcome<Action> {
        match &instruction.kind {
            Kind::Run(run) => return self.run(run, instruction.at).map(Action::Run),
            Kind::Copy(copy) => return self.copy(copy, false).map(Action::Copy),
            Kind::Add(copy) => return self.copy(copy, true).map(Action::Copy),
            Kind::Workdir(path) => {
                let path = self.expanded(path)?;
                let absolute = self.absolute(&path);
                self.config.config.working_dir.clone_from(&absolute);
                self.record(format!("WORKDIR {path}"), false);
                return Ok(Action::Workdir(absolute));
            }
            Kind::Arg(args) => self.arg(args)?,
            Kind::Env(pairs) => self.env(pairs)?,
            Kind::Label(pairs) => self.label(pairs)?,
            Kind::Cmd(command) => {
                self.has_cmd = true;
                let words = self.command(command);
                self.record(format!("CMD {}", quoted(&words)), true);
                self.config.config.cmd = Some(words);
            }
            Kind::Entrypoint(command) => {
                let words = self.command(command);
                self.record(format!("ENTRYPOINT {}", quoted(&words)), true);
                // docker drops a command of the base, which was made for another program.
                if !self.has_cmd {
                    self.config.config.cmd = None;
                }
                self.config.config.entrypoint = Some(words).filter(|words| !words.is_empty());
            }
            Kind::Expose(texts) => self.expose(texts, instruction.at)?,
            Kind::User(user) => {
                self.config.config.user = self.expanded(user)?;
                self.record(format!("USER {}", self.config.config.user), true);
            }
            Kind::Volume(paths) => {
                let paths = paths.iter().map(|path| self.expanded(path)).collect::<Outcome<Vec<_>>>()?;
                if paths.iter().any(String::is_empty) {
                    return Err(wrong(instruction.at, "VOLUME specified can not be an empty string"));
                }
                self.record(format!("VOLUME [{}]", paths.join(" ")), true);
                self.config.config.volumes.extend(paths.iter().map(|path| from_root(path)));
            }
            Kind::Stopsignal(text) => {
                let name = self.expanded(text)?;
                signal::parse(&name).map_err(|error| wrong(text.at, error.chain()))?;
                self.record(format!("STOPSIGNAL {name}"), true);
                self.config.config.stop_signal = Some(name);
            }
            Kind::Shell(words) => {
                self.record(format!("SHELL [{}]", words.join(" ")), true);
                self.config.config.shell.clone_from(words);
            }
            Kind::Healthcheck(check) => self.health(check),
            Kind::Maintainer(who) => {
                self.config.author = Some(who.clone());
                self.record(format!("MAINTAINER {who}"), true);
            }
            Kind::Onbuild(line) => {
                self.config.config.on_build.push(line.clone());
                self.record(format!("ONBUILD {line}"), true);
            }
            Kind::From(_) => return Err(wrong(instruction.at, "FROM begins a stage")),
        }
        Ok(Action::Nothing)
    }

    /// The files of the last instruction are there: this is when they were made.
    pub fn made(&mut self, created: &str) {
        created.clone_into(&mut self.created);
        if let Some(last) = self.config.history.last_mut() {
            last.created = Some(created.to_owned());
        }
    }

    /// The time of what was made last.
    pub fn created(&self) -> &str {
        &self.created
    }

    fn record(&mut self, created_by: String, empty_layer: bool) {
        let created = Some(self.created.clone());
        let comment = COMMENT.to_owned();
        self.config.history.push(History { created, created_by, comment, empty_layer, ..History::default() });
    }

    /// The value of a variable: the environment wins over arguments.
    fn lookup(&self, name: &str) -> Option<String> {
        let env =
            self.config.config.env.iter().rev().find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='));
        env.map(str::to_owned).or_else(|| self.arguments.get(name).cloned())
    }

    fn expanded(&self, text: &Text) -> Outcome<String> {
        expand(&text.raw, self.escape, &|name| self.lookup(name)).map_err(|why| wrong(text.at, why))
    }

    fn absolute(&self, path: &str) -> String {
        match path.starts_with('/') {
            true => from_root(path),
            false => from_root(&format!("{}/{path}", self.config.config.working_dir)),
        }
    }

    fn arg(&mut self, args: &[(Text, Option<Text>)]) -> Outcome<()> {
        let mut shown = Vec::new();
        for (name, default) in args {
            let name = self.expanded(name)?;
            let default = default.as_ref().map(|text| self.expanded(text)).transpose()?;
            shown.push(match &default {
                Some(value) => format!("{name}={value}"),
                None => name.clone(),
            });
            let given = self.given.get(&name).cloned();
            self.consumed.insert(name.clone());
            // Without a default, an argument before the first stage gives the value.
            if let Some(value) = given.or(default).or_else(|| self.globals.get(&name).cloned()) {
                self.arguments.insert(name, value);
            }
        }
        self.record(format!("ARG {}", shown.join(" ")), true);
        Ok(())
    }

    fn pairs(&self, pairs: &[Pair]) -> Outcome<Vec<(String, String)>> {
        pairs.iter().map(|pair| Ok((self.expanded(&pair.name)?, self.expanded(&pair.value)?))).collect()
    }

    fn env(&mut self, pairs: &[Pair]) -> Outcome<()> {
        // The whole line sees the values from before it.
        let pairs = self.pairs(pairs)?;
        for (name, value) in &pairs {
            let variable = format!("{name}={value}");
            let env = &mut self.config.config.env;
            let same = |other: &&mut String| other.split('=').next() == Some(name);
            match env.iter_mut().find(same) {
                Some(slot) => *slot = variable,
                None => env.push(variable),
            }
        }
        self.record(format!("ENV {}", joined(&pairs)), true);
        Ok(())
    }

    fn label(&mut self, pairs: &[Pair]) -> Outcome<()> {
        let pairs = self.pairs(pairs)?;
        self.record(format!("LABEL {}", joined(&pairs)), true);
        self.config.config.labels.extend(pairs);
        Ok(())
    }

    fn expose(&mut self, texts: &[Text], at: Position) -> Outcome<()> {
        let mut words = Vec::new();
        for text in texts {
            let found = expand_words(&text.raw, self.escape, &|name| self.lookup(name));
            words.extend(found.map_err(|why| wrong(text.at, why))?);
        }
        let exposed = ports::exposed(&words).map_err(|error| wrong(at, error.chain()))?;
        // Go prints the keys of a map sorted.
        let shown: BTreeSet<String> = exposed.iter().map(|port| format!("{port}:{{}}")).collect();
        let shown: Vec<String> = shown.into_iter().collect();
        self.record(format!("EXPOSE map[{}]", shown.join(" ")), true);
        self.config.config.exposed_ports.extend(exposed);
        Ok(())
    }

    fn shell(&self) -> Vec<String> {
        match self.config.config.shell.is_empty() {
            true => vec!["/bin/sh".into(), "-c".into()],
            false => self.config.config.shell.clone(),
        }
    }

    fn command(&self, command: &Form) -> Vec<String> {
        match command {
            Form::Exec(words) => words.clone(),
            Form::Shell(line) if line.is_empty() => Vec::new(),
            Form::Shell(line) => self.shell().into_iter().chain([line.clone()]).collect(),
        }
    }

    fn health(&mut self, check: &Health) {
        let check = match check {
            Health::None => HealthCheck { test: vec!["NONE".into()], ..HealthCheck::default() },
            Health::Check { command, interval, timeout, start_period, start_interval, retries } => {
                let test = match command {
                    Form::Exec(words) => ["CMD".to_owned()].into_iter().chain(words.iter().cloned()).collect(),
                    Form::Shell(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
                };
                HealthCheck {
                    test,
                    interval: *interval,
                    timeout: *timeout,
                    start_period: *start_period,
                    start_interval: *start_interval,
                    retries: *retries,
                }
            }
        };
        let time = |nanos: i64| go_duration(nanos);
        let line = format!(
            "HEALTHCHECK &{{{} \"{}\" \"{}\" \"{}\" \"{}\" '\\x{:02x}'}}",
            quoted(&check.test),
            time(check.interval),
            time(check.timeout),
            time(check.start_period),
            time(check.start_interval),
            check.retries
        );
        self.record(line, true);
        self.config.config.healthcheck = Some(check);
    }

    fn run(&mut self, run: &Run, at: Position) -> Outcome<RunAction> {
        let mounts = run.mounts.iter().map(|mount| self.mount(mount)).collect::<Outcome<Vec<_>>>()?;
        let mut script = None;
        let argv = match &run.form {
            Form::Exec(words) if words.is_empty() => return Err(wrong(at, "RUN requires a command")),
            Form::Exec(words) => words.clone(),
            Form::Shell(line) => match run.heredocs.as_slice() {
                [] => self.command(&run.form),
                [only] if run.is_heredoc && only.content.starts_with("#!") => {
                    script = Some((only.name.clone(), only.content.clone()));
                    vec![format!("/dev/pipes/{}", only.name)]
                }
                [only] if run.is_heredoc => self.command(&Form::Shell(only.content.clone())),
                several => self.command(&Form::Shell(with_contents(line, several))),
            },
        };
        let used: Vec<String> = self.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let arguments = match used.is_empty() {
            true => String::new(),
            false => format!("|{} {} ", used.len(), used.join(" ")),
        };
        self.record(format!("RUN {arguments}{} # buildkit", argv.join(" ")), false);
        // The environment wins over arguments of the same name.
        let named = |variable: &str| {
            self.config.config.env.iter().any(|other| other.split('=').next() == variable.split('=').next())
        };
        let env =
            used.iter().filter(|variable| !named(variable)).cloned().chain(self.config.config.env.clone()).collect();
        let proxies = PROXIES.iter().filter(|name| !self.arguments.contains_key(**name));
        Ok(RunAction {
            argv,
            env,
            proxies: proxies.filter_map(|name| Some(format!("{name}={}", self.given.get(*name)?))).collect(),
            cwd: if self.config.config.working_dir.is_empty() {
                "/".into()
            } else {
                self.config.config.working_dir.clone()
            },
            user: self.config.config.user.clone(),
            mounts,
            network: run.network,
            script,
        })
    }

    fn mount(&self, mount: &Mount) -> Outcome<Mount> {
        let text = |value: &Option<String>| match value {
            Some(raw) => self.expanded(&Text { raw: raw.clone(), at: mount.at }).map(Some),
            None => Ok(None),
        };
        Ok(Mount {
            target: text(&mount.target)?.map(|target| self.absolute(&target)),
            source: text(&mount.source)?,
            from: text(&mount.from)?,
            id: text(&mount.id)?,
            ..mount.clone()
        })
    }

    /// The target of this number of sources: as it stands there, and absolute.
    fn target(&self, copy: &Copy, name: &str, count: usize) -> Outcome<(String, String)> {
        let given = self.expanded(&copy.target)?;
        if given.is_empty() {
            return Err(wrong(
                copy.target.at,
                format!("{name}: the destination is empty once its variables are replaced"),
            ));
        }
        let slash = given.ends_with('/') || given == "." || given.ends_with("/.");
        if count > 1 && !slash {
            return Err(wrong(
                copy.target.at,
                format!(
                    "When using {name} with more than one source file, the destination must be a directory and end with a /"
                ),
            ));
        }
        let mut target = self.absolute(&given);
        if slash && target != "/" {
            target.push('/');
        }
        Ok((given, target))
    }

    fn copy(&mut self, copy: &Copy, add: bool) -> Outcome<CopyAction> {
        let name = if add { "ADD" } else { "COPY" };
        let optional = |text: &Option<Text>| text.as_ref().map(|text| self.expanded(text)).transpose();
        let (chown, chmod, from) = (optional(&copy.chown)?, optional(&copy.chmod)?, optional(&copy.from)?);
        let mut shown = name.to_owned();
        for (option, value) in [("chown", &chown), ("chmod", &chmod)] {
            if let Some(value) = value {
                shown.push_str(&format!(" --{option}={value}"));
            }
        }
        let (mut sources, mut inline, mut remotes) = (Vec::new(), Vec::new(), Vec::new());
        let checksum = optional(&copy.checksum)?;
        for source in &copy.sources {
            match source {
                Source::Path(text) => {
                    let path = self.expanded(text)?;
                    if path.is_empty() {
                        return Err(wrong(
                            text.at,
                            format!("{name}: a source is empty once its variables are replaced"),
                        ));
                    }
                    shown.push_str(&format!(" {path}"));
                    match Remote::parse(&path).is_some() {
                        true if !add => {
                            return Err(Diagnostic {
                                message: "source can't be a URL for COPY".into(),
                                position: text.at,
                                hint: Some("ADD fetches URLs and git repositories".into()),
                            });
                        }
                        true => {
                            let (checksum, keep_git_dir) = (checksum.clone(), copy.keep_git_dir);
                            remotes.push(RemoteSource { url: path, checksum, keep_git_dir });
                        }
                        false => sources.push(path),
                    }
                }
                Source::Inline(doc) => {
                    let content = match doc.expand {
                        true => expand_content(&doc.content, self.escape, &|name| self.lookup(name))
                            .map_err(|why| wrong(copy.target.at, why))?,
                        false => doc.content.clone(),
                    };
                    shown.push_str(&format!(" <<{}", doc.name));
                    inline.push((doc.name.clone(), content));
                }
            }
        }
        if checksum.is_some() && (remotes.len() != 1 || !sources.is_empty() || !inline.is_empty()) {
            let message = "checksum can only be specified for a single HTTP(S) or git source";
            return Err(wrong(copy.target.at, message));
        }
        let (given, target) = self.target(copy, name, sources.len() + inline.len() + remotes.len())?;
        let exclude = copy.exclude.iter().map(|text| self.expanded(text)).collect::<Outcome<Vec<_>>>()?;
        self.record(format!("{shown} {given} # buildkit"), false);
        Ok(CopyAction {
            sources,
            inline,
            remotes,
            from,
            target,
            chown,
            chmod,
            link: copy.link,
            parents: copy.parents,
            exclude,
            add,
            unpack: copy.unpack,
        })
    }
}

/// A line for the shell with its here-documents put back.
fn with_contents(line: &str, docs: &[Heredoc]) -> String {
    docs.iter().fold(line.to_owned(), |text, doc| format!("{text}\n{}{}", doc.content, doc.name))
}

/// `name=value …`.
fn joined(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// As Go's `%q` prints a list of strings.
fn quoted(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" "))
}

/// As Go prints a duration of nanoseconds.
fn go_duration(nanos: i64) -> String {
    if nanos == 0 {
        return "0s".into();
    }
    let seconds = nanos as f64 / 1e9;
    let (hours, rest) = ((seconds / 3600.0) as i64, seconds % 3600.0);
    let (minutes, seconds) = ((rest / 60.0) as i64, rest % 60.0);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    fn interpreted(
        source: &str,
        given: &[(&str, &str)],
        globals: &[(&str, &str)],
    ) -> Outcome<(Interpreter, Vec<Action>)> {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let mut stage = Interpreter::new(ImageConfig::default(), '\\', map(given), map(globals), "now");
        let file = parse(&format!("FROM x\n{source}")).unwrap();
        let actions = file.stages[0].instructions.iter().map(|line| stage.apply(line)).collect::<Outcome<Vec<_>>>()?;
        Ok((stage, actions))
    }

    fn history(stage: &Interpreter) -> Vec<&str> {
        stage.config.history.iter().map(|entry| entry.created_by.as_str()).collect()
    }

    #[test]
    fn the_configuration_and_its_history() {
        let source = "ENV a=1 b=$a\nENV b=\"$a 2\"\nLABEL x=y\nWORKDIR /w\nWORKDIR $a\nUSER me\nEXPOSE 80 53/udp\nVOLUME /v\n\
            CMD [\"p\", \"q r\"]\nENTRYPOINT exec p\nSTOPSIGNAL TERM\nSHELL [\"/b\", \"-c\"]\nCMD z\nHEALTHCHECK --interval=90s CMD x\n\
            ONBUILD RUN y\nMAINTAINER me\nHEALTHCHECK NONE\n";
        let (stage, _) = interpreted(source, &[], &[]).unwrap();
        let config = &stage.config.config;
        assert_eq!(config.env[1..], ["a=1", "b=1 2"]);
        assert_eq!((config.working_dir.as_str(), config.user.as_str()), ("/w/1", "me"));
        assert_eq!(config.entrypoint.as_deref().unwrap(), ["/bin/sh", "-c", "exec p"]);
        assert_eq!(config.cmd.as_deref().unwrap(), ["/b", "-c", "z"]);
        assert_eq!(stage.config.author.as_deref(), Some("me"));
        assert_eq!(
            history(&stage)[..14],
            [
                "ENV a=1 b=",
                "ENV b=1 2",
                "LABEL x=y",
                "WORKDIR /w",
                "WORKDIR 1",
                "USER me",
                "EXPOSE map[53/udp:{} 80/tcp:{}]",
                "VOLUME [/v]",
                "CMD [\"p\" \"q r\"]",
                "ENTRYPOINT [\"/bin/sh\" \"-c\" \"exec p\"]",
                "STOPSIGNAL TERM",
                "SHELL [/b -c]",
                "CMD [\"/b\" \"-c\" \"z\"]",
                "HEALTHCHECK &{[\"CMD-SHELL\" \"x\"] \"1m30s\" \"0s\" \"0s\" \"0s\" '\\x00'}",
            ]
        );
        assert!(!stage.config.history[3].empty_layer && stage.config.history[5].empty_layer);
    }

    #[test]
    fn arguments_have_a_scope() {
        let source = "RUN echo $A\nARG A=1\nARG B\nARG C=$A$B\nENV C=env\nRUN x\n";
        let (stage, actions) = interpreted(source, &[("A", "given"), ("HTTP_PROXY", "p")], &[("B", "global")]).unwrap();
        let [Action::Run(before), .., Action::Run(after)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!((before.env.len(), before.proxies.as_slice()), (1, &["HTTP_PROXY=p".to_owned()][..]));
        assert_eq!(
            after.env.iter().filter(|v| !v.starts_with("PATH")).collect::<Vec<_>>(),
            ["A=given", "B=global", "C=env"]
        );
        assert_eq!(*history(&stage).last().unwrap(), "RUN |3 A=given B=global C=givenglobal /bin/sh -c x # buildkit");
        assert!(stage.consumed.contains("A") && !stage.consumed.contains("HTTP_PROXY"));
    }

    #[test]
    fn copies_are_expanded() {
        let source = "ENV d=/dst\nWORKDIR /w\nCOPY --chown=$d:1 --from=b a $d/\nCOPY a .\nADD --chmod=600 x y\nCOPY <<F <<'G' /in/\n$d\nF\n$d\nG\n";
        let (stage, actions) = interpreted(source, &[], &[]).unwrap();
        let copies: Vec<_> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Copy(copy) => Some(copy),
                _ => None,
            })
            .collect();
        assert_eq!(
            (copies[0].target.as_str(), copies[0].chown.as_deref(), copies[0].from.as_deref()),
            ("/dst/", Some("/dst:1"), Some("b"))
        );
        assert_eq!((copies[1].target.as_str(), copies[2].target.as_str(), copies[2].add), ("/w/", "/w/y", true));
        assert_eq!(copies[3].inline, [("F".into(), "/dst\n".into()), ("G".into(), "$d\n".into())]);
        assert_eq!(history(&stage)[2], "COPY --chown=/dst:1 a /dst/ # buildkit");
        assert!(interpreted("COPY a b c", &[], &[]).unwrap_err().message.contains("end with a /"));
        assert!(interpreted("COPY https://x/y /z", &[], &[]).unwrap_err().message.contains("can't be a URL"));
        assert!(interpreted("ADD --checksum=sha256:1 a /z", &[], &[]).unwrap_err().message.contains("checksum"));
        let (_, actions) =
            interpreted("ARG V=1\nADD --keep-git-dir git@h:a#$V x.txt https://h/$V /z/", &[], &[]).unwrap();
        let Action::Copy(add) = &actions[1] else { panic!("{actions:?}") };
        let urls: Vec<&str> = add.remotes.iter().map(|remote| remote.url.as_str()).collect();
        assert_eq!((urls, add.sources.len()), (vec!["git@h:a#1", "https://h/1"], 1));
    }

    #[test]
    fn here_documents_become_commands() {
        let (_, actions) =
            interpreted("RUN <<E\na\nb\nE\nRUN cat <<E > f\nx\nE\nRUN <<E\n#!/usr/bin/env python\nE\n", &[], &[])
                .unwrap();
        let argv = |index: usize| match &actions[index] {
            Action::Run(run) => run.argv.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(argv(0), ["/bin/sh", "-c", "a\nb\n"]);
        assert_eq!(argv(1), ["/bin/sh", "-c", "cat <<E > f\nx\nE"]);
        assert_eq!(argv(2), ["/dev/pipes/E"]);
    }

    #[test]
    fn an_entry_point_drops_the_bases_command_only() {
        let mut base = ImageConfig::default();
        base.config.cmd = Some(vec!["old".into()]);
        let apply = |source: &str| {
            let mut stage = Interpreter::new(base.clone(), '\\', BTreeMap::new(), BTreeMap::new(), "now");
            let file = parse(&format!("FROM x\n{source}")).unwrap();
            file.stages[0].instructions.iter().for_each(|line| drop(stage.apply(line).unwrap()));
            stage.config.config.cmd
        };
        assert_eq!(apply("ENTRYPOINT [\"e\"]"), None);
        assert_eq!(apply("CMD [\"c\"]\nENTRYPOINT [\"e\"]"), Some(vec!["c".into()]));
        assert_eq!(apply("USER x"), Some(vec!["old".into()]));
    }
}
