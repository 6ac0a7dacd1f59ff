//! Builds the stages that are needed, those that do not wait for each other at the same time, step by step: a step whose
//! key is in the cache costs a look-up.
//!
//! The key of a step is the digest of the layers below it, of what it does with everything expanded, and of the contents
//! of its inputs. Times, names of stages and instructions that only change the configuration are in no key.

// An error is made once in a build, and carries what a person wants to see.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use super::context::Context;
use super::events::{Event, Events, Numbers, Watcher};
use super::interpret::{Action, CopyAction, Interpreter, RunAction};
use super::jobs::{EmptySteps, MakeLayer, Making};
use super::mounts::{self, Mounted};
use super::run_step::{self, Control, Outcome, Step, Surroundings};
use super::sources::{Known, field, finish};
use super::stages::{Origin, Plan};
use crate::base::paths::private_dir;
use crate::base::{ContainerId, Error, Kind as ErrorKind, Result, text, time};
use crate::dockerfile::{Diagnostic, Dockerfile, Instruction, Kind, Position, parse_trigger};
use crate::engine::Engine;
use crate::engine::worker;
use crate::oci::{Digest, ImageConfig, Platform};
use crate::store::{BuildCache, CacheRecord, ImageRecord, MadeLayer, Store};

/// What is the same for the whole build.
pub struct Build<'a> {
    /// Images and layers.
    pub engine: &'a Engine,
    /// Where containers of steps are.
    pub steps: Engine,
    /// The Dockerfile.
    pub file: &'a Dockerfile,
    /// Its name.
    pub file_name: &'a str,
    /// Which stages are built.
    pub plan: &'a Plan,
    /// The files.
    pub context: &'a Context,
    /// Directories of `--build-context`.
    pub contexts: &'a BTreeMap<String, Context>,
    /// The request.
    pub request: &'a super::BuildRequest,
    /// Receives the events.
    pub watcher: &'a dyn Watcher,
    /// The cache.
    pub cache: BuildCache,
    /// What steps have around them.
    pub around: Surroundings,
    /// What is built for.
    pub platform: Platform,
    /// The numbers of steps.
    pub numbers: Numbers,
    /// Digests of the context's files.
    pub known: Mutex<Known>,
    results: Mutex<Vec<Option<Arc<Built>>>>,
    ready: Condvar,
    failure: Mutex<Option<Failure>>,
    over: AtomicBool,
    running: Mutex<BTreeSet<ContainerId>>,
    consumed: Mutex<BTreeSet<String>>,
}

/// A stage that was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The image that it begins with.
    pub base: Option<ImageRecord>,
    /// The layers on top of it.
    pub layers: Vec<MadeLayer>,
    /// Its configuration.
    pub state: Interpreter,
}

impl Built {
    /// All its layers, lowest first.
    pub fn stack(&self) -> Vec<Digest> {
        let base = self.base.iter().flat_map(|image| image.layers.iter().cloned());
        base.chain(self.layers.iter().map(|layer| layer.diff_id.clone())).collect()
    }
}

/// Why a build failed.
#[derive(Debug)]
pub struct Failure {
    /// The error.
    pub error: Error,
    /// Where in the Dockerfile.
    pub position: Option<Position>,
    /// The step, and the last that its command said.
    pub output: Option<Box<(String, Vec<u8>)>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, position: None, output: None }
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Build<'a> {
    /// A build that has not begun.
    pub fn new(
        (engine, store): (&'a Engine, &Store),
        (file, file_name): (&'a Dockerfile, &'a str),
        plan: &'a Plan,
        (context, contexts): (&'a Context, &'a BTreeMap<String, Context>),
        request: &'a super::BuildRequest,
        around: Surroundings,
        watcher: &'a dyn Watcher,
    ) -> Self {
        let known = context.identity().map(|name| Known::read(&known_in(engine).join(name))).unwrap_or_default();
        Self {
            engine,
            steps: Engine { paths: engine.paths.build_steps(), registry: engine.registry.clone() },
            file,
            file_name,
            plan,
            context,
            contexts,
            request,
            watcher,
            cache: store.build_cache(),
            around,
            platform: request.platform.clone().unwrap_or_else(Platform::host),
            numbers: Numbers::default(),
            known: Mutex::new(known),
            results: Mutex::new(vec![None; file.stages.len()]),
            ready: Condvar::new(),
            failure: Mutex::new(None),
            over: AtomicBool::new(false),
            running: Mutex::default(),
            consumed: Mutex::default(),
        }
    }

    /// Builds; `numbers` of steps begin where the caller has left them.
    pub fn run(&self) -> Result<Arc<Built>, Failure> {
        self.steps.paths.ensure()?;
        run_step::sweep(&self.steps)?;
        let built = self.run_stages();
        let emptied = self.empty_steps();
        built.and_then(|built| emptied.map(|()| built).map_err(Failure::from))
    }

    /// Deletes what steps have left.
    fn empty_steps(&self) -> Result<()> {
        let trash = std::fs::read_dir(self.steps.paths.trash());
        match trash.is_ok_and(|mut entries| entries.next().is_some()) {
            true => worker::call_silently(self.engine, EmptySteps {}),
            false => Ok(()),
        }
    }

    fn run_stages(&self) -> Result<Arc<Built>, Failure> {
        std::thread::scope(|scope| {
            for index in &self.plan.needed {
                let index = *index;
                scope.spawn(move || match self.stage(index) {
                    Ok(built) => {
                        lock(&self.results)[index] = Some(Arc::new(built));
                        self.ready.notify_all();
                    }
                    Err(failure) => self.fail(failure),
                });
            }
        });
        if let Some(failure) = lock(&self.failure).take() {
            return Err(failure);
        }
        if let Some(identity) = self.context.identity() {
            let known = std::mem::take(&mut *lock(&self.known));
            if known.is_changed() {
                private_dir(&known_in(self.engine))?;
                known.keep(&known_in(self.engine).join(identity))?;
            }
        }
        lock(&self.results)[self.plan.target].clone().ok_or_else(|| cancelled().into())
    }

    /// Ends the build: running steps are killed. May be called from any thread.
    pub fn cancel(&self) {
        self.fail(cancelled().into());
    }

    /// Whether it is over, successfully or not.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// The names of arguments that some stage has declared.
    pub fn consumed(&self) -> BTreeSet<String> {
        lock(&self.consumed).clone()
    }

    fn fail(&self, failure: Failure) {
        if !self.over.swap(true, Ordering::SeqCst) {
            *lock(&self.failure) = Some(failure);
        }
        self.ready.notify_all();
        for id in lock(&self.running).iter() {
            let _ = crate::engine::kill::kill(&self.steps, id.as_str(), libc::SIGKILL);
        }
    }

    /// Waits for another stage.
    pub fn built(&self, index: usize) -> Result<Arc<Built>> {
        let mut results = lock(&self.results);
        loop {
            if self.is_over() {
                return Err(cancelled());
            }
            if let Some(built) = &results[index] {
                return Ok(built.clone());
            }
            results = self.ready.wait(results).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn at(&self, position: Position) -> impl Fn(Error) -> Failure + '_ {
        move |error| Failure { error, position: Some(position), output: None }
    }

    fn misread(&self, wrong: Diagnostic) -> Failure {
        let position = wrong.position;
        Failure { error: wrong.into_error(self.file_name), position: Some(position), output: None }
    }

    fn stage(&self, index: usize) -> Result<Built, Failure> {
        let stage = &self.file.stages[index];
        let steps = stage.instructions.iter().filter(|line| changes_files(line)).count() + 1;
        let mut title = Title { stage: self.title(index), step: 1, steps };
        let mut built = self.base(index, &title).map_err(self.at(stage.instruction.at))?;
        for line in built.state.take_triggers() {
            let trigger = parse_trigger(&line).map_err(|wrong| {
                let error = wrong.into_error(&format!("ONBUILD {line}"));
                Failure { error, position: Some(stage.instruction.at), output: None }
            })?;
            let trigger = Instruction { at: stage.instruction.at, ..trigger };
            self.instruction(index, &mut built, &trigger, &mut title)?;
        }
        for instruction in &stage.instructions {
            if self.is_over() {
                return Err(cancelled().into());
            }
            self.instruction(index, &mut built, instruction, &mut title)?;
        }
        lock(&self.consumed).extend(built.state.consumed.iter().cloned());
        Ok(built)
    }

    fn title(&self, index: usize) -> String {
        match (&self.file.stages[index].name, self.file.stages.len()) {
            (Some(name), _) => format!("{name} "),
            (None, 1) => String::new(),
            (None, _) => format!("stage-{index} "),
        }
    }

    /// What a stage begins with.
    fn base(&self, index: usize, title: &Title) -> Result<Built> {
        let escape = self.file.directives.escape;
        let begin = |config: ImageConfig, created: &str| {
            Interpreter::new(config, escape, self.request.build_args.clone(), self.plan.arguments.clone(), created)
        };
        let now = match self.request.epoch {
            Some(epoch) => {
                jiff::Timestamp::from_second(epoch).map_or_else(|_| time::rfc3339(time::now()), time::rfc3339)
            }
            None => time::rfc3339(time::now()),
        };
        match &self.plan.bases[index] {
            Origin::Stage(other) => {
                let other = self.built(*other)?;
                let created = other.state.created().to_owned();
                Ok(Built { state: begin(other.state.config.clone(), &created), ..(*other).clone() })
            }
            Origin::Scratch => {
                let config = ImageConfig {
                    architecture: self.platform.architecture.clone(),
                    os: self.platform.os.clone(),
                    variant: self.platform.variant.clone(),
                    ..ImageConfig::default()
                };
                Ok(Built { base: None, layers: Vec::new(), state: begin(config, &now) })
            }
            Origin::Context(name) if self.contexts.contains_key(name) => {
                let name = text::clean(name);
                Err(Error::unsupported(format!("the build context `{name}` is a directory, and cannot be a base")))
            }
            Origin::Image(name) | Origin::Context(name) => {
                let events =
                    self.numbers.begin(self.watcher, &format!("[{}1/{}] FROM {name}", title.stage, title.steps));
                let platform = self.plan.platforms[index].clone().or_else(|| self.request.platform.clone());
                let image = self
                    .image(name, platform, &events)
                    .inspect_err(|error| events.tell(Event::Failed(&error.chain())))?;
                let config = self.engine.store()?.image_config(&image)?;
                let created = config.created.clone().unwrap_or(now);
                Ok(Built { base: Some(image), layers: Vec::new(), state: begin(config, &created) })
            }
        }
    }

    fn instruction(
        &self,
        index: usize,
        built: &mut Built,
        line: &Instruction,
        title: &mut Title,
    ) -> Result<(), Failure> {
        let action = built.state.apply(line).map_err(|wrong| self.misread(wrong))?;
        if action == Action::Nothing {
            return Ok(());
        }
        title.step += 1;
        let shown = shown(line);
        let name = format!("[{}{}/{}] {shown}", title.stage, title.step.min(title.steps), title.steps);
        let events = self.numbers.begin(self.watcher, &name);
        let stack = built.stack();
        let made = match &action {
            Action::Run(run) => {
                let stage = (index, built.state.config.architecture.as_str());
                self.run_step(stage, run, &stack, &events, &shown)
            }
            Action::Copy(copy) => self.copy_step(index, copy, &stack, &events, &shown),
            Action::Workdir(path) => self.workdir_step(index, path, &stack, &events, &shown),
            Action::Nothing => return Ok(()),
        };
        match made {
            Ok(record) => {
                built.state.made(&record.created);
                built.layers.push(record.layer);
                Ok(())
            }
            Err(error) => {
                let told = if self.is_over() { cancelled().chain() } else { error.chain() };
                events.tell(Event::Failed(&told));
                let output = (events.name().to_owned(), events.tail());
                Err(Failure { error, position: Some(line.at), output: Some(Box::new(output)) })
            }
        }
    }

    /// A step with everything around it: the cache, the lock, the record.
    fn cached(
        &self,
        (index, key): (usize, &Digest),
        events: &Events<'_>,
        description: &str,
        make: &mut dyn FnMut() -> Result<MadeLayer>,
    ) -> Result<CacheRecord> {
        let stage = self.file.stages[index].name.as_deref().unwrap_or_default();
        let fresh =
            self.request.no_cache || self.request.no_cache_filter.iter().any(|other| other.eq_ignore_ascii_case(stage));
        let find = || if fresh { Ok(None) } else { self.cache.find(key) };
        if let Some(record) = find()? {
            events.tell(Event::Cached);
            return Ok(record);
        }
        let _doing = self.cache.lock(key, &mut |first| self.waits(events, first))?;
        if let Some(record) = find()? {
            events.tell(Event::Cached);
            return Ok(record);
        }
        let layer = make()?;
        let created = match self.request.epoch.map(jiff::Timestamp::from_second) {
            Some(Ok(epoch)) => time::rfc3339(epoch),
            _ => time::rfc3339(time::now()),
        };
        let record = self.cache.put(key, layer, &created, description)?;
        events.done();
        Ok(record)
    }

    /// Called while somebody else holds the lock of a step.
    pub fn waits(&self, events: &Events<'_>, first: bool) -> Result<()> {
        if first {
            events.tell(Event::Note("waits for another build that does the same".into()));
        }
        if self.is_over() { Err(cancelled()) } else { Ok(()) }
    }

    /// The beginning of a key: what kind of step it is, and the layers below it.
    pub fn key(&self, kind: &str, stack: &[Digest]) -> Sha256 {
        let mut sum = Sha256::new();
        field(&mut sum, b"coracle build", b"1");
        field(&mut sum, b"kind", kind.as_bytes());
        field(&mut sum, b"platform", self.platform.to_string().as_bytes());
        field(&mut sum, b"epoch", format!("{:?}", self.request.epoch).as_bytes());
        for layer in stack {
            field(&mut sum, b"layer", layer.to_string().as_bytes());
        }
        sum
    }

    fn workdir_step(
        &self,
        index: usize,
        path: &str,
        stack: &[Digest],
        events: &Events<'_>,
        shown: &str,
    ) -> Result<CacheRecord> {
        let mut sum = self.key("workdir", stack);
        field(&mut sum, b"path", path.as_bytes());
        self.cached((index, &finish(sum)?), events, shown, &mut || {
            let job = MakeLayer {
                layers: stack.to_vec(),
                what: Making::Directory(path.to_owned()),
                latest: self.request.epoch,
            };
            worker::call_silently(self.engine, job)
        })
    }

    fn copy_step(
        &self,
        index: usize,
        copy: &CopyAction,
        stack: &[Digest],
        events: &Events<'_>,
        shown: &str,
    ) -> Result<CacheRecord> {
        let (from, digest) = self.inputs(index, copy, events)?;
        // A linked copy is the same over any layers, unless names of owners are looked up in them.
        let names = copy.chown.as_ref().is_some_and(|owner| owner.contains(|letter: char| letter.is_alphabetic()));
        let mut sum = self.key("copy", if copy.link && !names { &[] } else { stack });
        // Which stage the files come from does not count, their contents do.
        let described = CopyAction { from: None, ..copy.clone() };
        field(&mut sum, b"action", format!("{described:?}").as_bytes());
        field(&mut sum, b"inputs", format!("{digest:?}").as_bytes());
        self.cached((index, &finish(sum)?), events, shown, &mut || self.make_copy(copy, from.clone(), stack))
    }

    fn run_step(
        &self,
        (index, architecture): (usize, &str),
        run: &RunAction,
        stack: &[Digest],
        events: &Events<'_>,
        shown: &str,
    ) -> Result<CacheRecord> {
        if stack.is_empty() {
            return Err(Error::invalid("RUN in an empty stage: there is nothing to run")
                .hint("begin it with an image, or COPY something first"));
        }
        let bound = mounts::bind(run, &mut |action| self.bound(index, action, events))?;
        let mut sum = self.key("run", stack);
        field(&mut sum, b"argv", format!("{:?}", run.argv).as_bytes());
        field(&mut sum, b"env", format!("{:?}", run.env).as_bytes());
        field(
            &mut sum,
            b"where",
            format!("{:?} {:?} {:?} {:?}", run.cwd, run.user, run.network, run.script).as_bytes(),
        );
        field(&mut sum, b"mounts", bound.key().as_bytes());
        field(&mut sum, b"hosts", format!("{:?}", self.around.add_hosts).as_bytes());
        self.cached((index, &finish(sum)?), events, shown, &mut || {
            self.execute((run, architecture), &bound, stack, events)
        })
    }

    fn around_mounts(&self) -> mounts::Sources<'_> {
        mounts::Sources { engine: self.engine, secrets: &self.request.secrets, agents: &self.request.ssh }
    }

    fn execute(
        &self,
        (run, architecture): (&RunAction, &str),
        bound: &mounts::Bound,
        stack: &[Digest],
        events: &Events<'_>,
    ) -> Result<MadeLayer> {
        let Mounted { requests, secrets, held } = mounts::mount(&self.around_mounts(), run, bound)?;
        let has_secrets = !secrets.is_empty();
        let architecture = architecture.to_owned();
        let step = Step { action: run, layers: stack, mounts: requests, secrets, architecture };
        let mut id = None;
        let mut begun = |begun: &ContainerId| {
            lock(&self.running).insert(begun.clone());
            id = Some(begun.clone());
        };
        let mut control = Control { begun: &mut begun, is_over: &|| self.is_over() };
        let outcome = run_step::run(&self.steps, self.engine, &self.around, step, events, &mut control);
        if let Some(id) = &id {
            lock(&self.running).remove(id);
        }
        drop(held);
        let made = self.layer_of(outcome?, run, stack);
        // The record of the container has them among its variables.
        if has_secrets {
            self.empty_steps()?;
        }
        made
    }

    fn layer_of(&self, outcome: Outcome, run: &RunAction, stack: &[Digest]) -> Result<MadeLayer> {
        match outcome {
            Outcome::Done(ended) if !self.is_over() => {
                run_step::take_layer(&self.steps, self.engine, ended, stack, self.request.epoch)
            }
            Outcome::Done(ended) => {
                run_step::forget(&self.steps, ended)?;
                Err(cancelled())
            }
            Outcome::Failed(code) => {
                let command = text::clean(&run.argv.join(" ")).into_owned();
                Err(Error::new(
                    ErrorKind::Conflict,
                    format!("process \"{command}\" did not complete successfully: exit code: {code}"),
                ))
            }
        }
    }
}

/// Where the digests of contexts' files are kept.
fn known_in(engine: &Engine) -> PathBuf {
    engine.paths.data.join("build").join("known")
}

/// The error of what is not done any more.
fn cancelled() -> Error {
    Error::system("the build was cancelled")
}

/// What stands before a step's words.
struct Title {
    stage: String,
    step: usize,
    steps: usize,
}

fn changes_files(line: &Instruction) -> bool {
    matches!(line.kind, Kind::Run(_) | Kind::Copy(_) | Kind::Add(_) | Kind::Workdir(_))
}

/// An instruction on one line.
fn shown(line: &Instruction) -> String {
    text::clean(&line.original.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}
