//! Reads the files of a project into one canonical tree: variables are replaced, `extends` and `include` are followed, and
//! later files are merged onto earlier ones.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::canonical::{Reading, canonical};
use super::dotenv;
use super::files::Files;
use super::merge::{merge, settled};
use super::node::{Map, Node, Value};
use super::paths::{self, Base};
use super::specification::{ROOT, SERVICE};
use super::template::{self, Fault, Lookup, Variable};
use super::yaml;
use crate::base::{Error, Result, text};

/// The most files that include or extend one another.
const MAX_CHAIN: usize = 32;
/// The most files of a project, one that is read twice counted twice.
const MAX_FILES: usize = 5000;
/// The most values of all files of a project, with those that `extends` repeats.
const MAX_VALUES: usize = 2_000_000;

/// The variables of a project.
pub type Variables = BTreeMap<String, String>;

/// What was noticed while reading.
#[derive(Debug, Default)]
pub struct Noticed {
    /// Warnings, each once.
    pub warnings: RefCell<Vec<String>>,
    /// The variables that the files name.
    pub variables: RefCell<BTreeMap<String, Variable>>,
    files: Cell<usize>,
    values: Cell<usize>,
}

impl Noticed {
    /// Adds a warning, unless it was given before.
    pub fn warn(&self, warning: String) {
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Counts one more file.
    fn count_file(&self) -> Result<()> {
        self.files.set(self.files.get() + 1);
        match self.files.get() > MAX_FILES {
            true => Err(Error::invalid(format!("the project has more than {MAX_FILES} files"))),
            false => Ok(()),
        }
    }

    /// Counts the values of a tree.
    fn count_values(&self, node: &Node) -> Result<()> {
        self.values.set(self.values.get().saturating_add(node.size()));
        match self.values.get() > MAX_VALUES {
            true => {
                let words = "counting what is included and extended";
                Err(node.place.invalid(format!("the project has more than {MAX_VALUES} values, {words}")))
            }
            false => Ok(()),
        }
    }
}

/// Variables, and where warnings about those that are not set go.
pub struct Scope<'a> {
    /// The variables.
    pub variables: &'a Variables,
    /// Where warnings go.
    pub noticed: &'a Noticed,
}

impl Lookup for Scope<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn missing(&self, name: &str) {
        self.noticed.warn(format!("The {name:?} variable is not set. Defaulting to a blank string."));
    }
}

/// How files are read.
#[derive(Clone, Copy)]
pub struct Loader<'a> {
    /// Where they are read from.
    pub files: &'a dyn Files,
    /// What is noticed.
    pub noticed: &'a Noticed,
    /// Variables are left as they are.
    pub keeps_variables: bool,
    /// Relative paths are left as they are.
    pub keeps_paths: bool,
    /// The user's home directory.
    pub home: Option<&'a str>,
}

/// What a file is read with.
#[derive(Clone)]
pub struct Place<'a> {
    /// Where relative paths begin.
    pub directory: PathBuf,
    /// The variables.
    pub variables: &'a Variables,
    /// The files that led here, for cycles.
    pub chain: Vec<String>,
}

impl Loader<'_> {
    /// Reads a file that must be there.
    ///
    /// # Errors
    ///
    /// Also when it is not there.
    pub fn text(&self, path: &Path) -> Result<String> {
        self.noticed.count_file()?;
        let text = self.files.read(path)?;
        text.ok_or_else(|| Error::not_found(format!("open {}: no such file or directory", path.display())))
    }

    /// The merged tree of files, without their names as keys of anything. Each is a path and its text.
    ///
    /// # Errors
    ///
    /// With the place of what is wrong.
    pub fn merged(&self, files: &[(PathBuf, String)], place: &Place<'_>) -> Result<Node> {
        let mut whole: Option<Node> = None;
        for (path, source) in files {
            for document in self.documents(path, source, place, whole.is_some())? {
                whole = Some(match whole {
                    None => settled(document),
                    Some(base) => merge(base, document, &ROOT, "")?,
                });
            }
        }
        whole.ok_or_else(|| Error::invalid("empty compose file"))
    }

    /// The canonical documents of one file, with what they extend and include.
    fn documents(&self, path: &Path, source: &str, place: &Place<'_>, is_override: bool) -> Result<Vec<Node>> {
        let name = path.display().to_string();
        let mut documents = Vec::new();
        for document in yaml::read(&name, source)? {
            if document.as_map().is_none() {
                return Err(document.place.invalid("top-level object must be a mapping"));
            }
            self.noticed.count_values(&document)?;
            let mut node = self.interpolated(document, place.variables)?;
            if node.as_map_mut().is_some_and(|map| map.remove("version").is_some()) {
                self.noticed.warn(format!(
                    "{}: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion",
                    text::clean(&name)
                ));
            }
            let node = canonical(
                node,
                &ROOT,
                "",
                Reading { is_override: is_override || !documents.is_empty(), keeps_variables: self.keeps_variables },
            )?;
            let node = self.extended(node, &name, place)?;
            documents.push(self.with_included(node, &name, place)?);
        }
        Ok(documents)
    }

    /// Replaces the variables of a tree and notes which there are.
    fn interpolated(&self, node: Node, variables: &Variables) -> Result<Node> {
        fn each(mut node: Node, path: &str, work: &dyn Fn(&str) -> Result<String, Fault>) -> Result<Node> {
            node.value = match node.value {
                Value::Text(text) if text.contains('$') => match work(&text) {
                    Ok(text) => Value::Text(text),
                    Err(fault) => return Err(node.place.invalid(fault_words(&fault, path, &text))),
                },
                Value::List(items) => {
                    let path = format!("{path}.[]");
                    Value::List(items.into_iter().map(|item| each(item, &path, work)).collect::<Result<_>>()?)
                }
                Value::Map(map) => {
                    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                    let entries = map.into_iter();
                    let entries = entries.map(|(key, value)| Ok((key.clone(), each(value, &below(&key), work)?)));
                    Value::Map(entries.collect::<Result<Map>>()?)
                }
                other => other,
            };
            Ok(node)
        }
        let scope = Scope { variables, noticed: self.noticed };
        each(node, "", &|text| {
            template::variables(text, &mut self.noticed.variables.borrow_mut());
            match self.keeps_variables {
                true => Ok(text.to_owned()),
                false => template::expand(text, &scope),
            }
        })
    }

    /// The document with the services that its own extend merged into them.
    fn extended(&self, mut node: Node, file: &str, place: &Place<'_>) -> Result<Node> {
        let names: Vec<String> = node.entries("services").map(|(name, _)| name.clone()).collect();
        let mut done = BTreeMap::new();
        for name in names {
            let service = self.extended_service(&node, &name, file, place, &mut Vec::new(), &mut done)?;
            done.insert(name, service);
        }
        if let Some(services) = node.as_map_mut().and_then(|map| map.get_mut("services")) {
            services.value = Value::Map(done);
        }
        Ok(node)
    }

    fn extended_service(
        &self,
        document: &Node,
        name: &str,
        file: &str,
        place: &Place<'_>,
        path: &mut Vec<String>,
        done: &mut BTreeMap<String, Node>,
    ) -> Result<Node> {
        if let Some(service) = done.get(name) {
            return Ok(service.clone());
        }
        let Some(service) = document.get("services").and_then(|services| services.get(name)) else {
            return Err(Error::not_found(format!("no service `{}` in {}", text::clean(name), text::clean(file))));
        };
        let mut service = service.clone();
        let Some(extends) = service.as_map_mut().and_then(|map| map.remove("extends")) else { return Ok(service) };
        let step = format!("{name} in {file}");
        if path.contains(&step) || path.len() >= MAX_CHAIN {
            path.push(step);
            let steps = path.join("\n  extends ");
            return Err(extends.place.invalid(format!("Circular reference:\n  {steps}")));
        }
        path.push(step);
        let wanted = extends.text_of("service").unwrap_or_default().to_owned();
        let missing = |file: &str| {
            extends.place.invalid(format!("cannot extend service {name:?} in {file}: service {wanted:?} not found"))
        };
        let base = match extends.text_of("file") {
            None => {
                if document.get("services").and_then(|services| services.get(&wanted)).is_none() {
                    return Err(missing(file));
                }
                let base = self.extended_service(document, &wanted, file, place, path, done)?;
                done.insert(wanted.clone(), base.clone());
                base
            }
            Some(other) => self.service_of_file(other, &wanted, file, place)?.ok_or_else(|| missing(other))?,
        };
        path.pop();
        self.noticed.count_values(&base)?;
        merge(base, service, &SERVICE, &format!("services.{name}"))
    }

    /// A service of another file, its paths absolute.
    fn service_of_file(&self, other: &str, wanted: &str, from: &str, place: &Place<'_>) -> Result<Option<Node>> {
        let directory = place.directory.display().to_string();
        let path = PathBuf::from(Base { directory: &directory, home: self.home }.absolute(other));
        let name = path.display().to_string();
        let step = format!("{wanted} in {name}");
        let mut chain = place.chain.clone();
        chain.push(format!("service of {from}"));
        if chain.contains(&step) || chain.len() >= MAX_CHAIN {
            return Err(Error::invalid(format!("Circular reference:\n  {}", text::clean_lines(&chain.join("\n  ")))));
        }
        chain.push(step);
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        let inner = Place { directory: directory.clone(), variables: place.variables, chain };
        let source = self.text(&path)?;
        let mut whole: Option<Node> = None;
        for document in self.documents(&path, &source, &inner, false)? {
            whole = Some(match whole {
                None => settled(document),
                Some(base) => merge(base, document, &ROOT, "")?,
            });
        }
        let mut service = whole.and_then(|whole| whole.get("services")?.get(wanted).cloned());
        if let Some(service) = &mut service {
            let directory = directory.display().to_string();
            paths::service(service, Base { directory: &directory, home: self.home });
        }
        Ok(service)
    }

    /// The document with the projects that it includes.
    fn with_included(&self, mut node: Node, file: &str, place: &Place<'_>) -> Result<Node> {
        let Some(includes) = node.as_map_mut().and_then(|map| map.remove("include")) else { return Ok(node) };
        for include in includes.items() {
            let included = self.included(include, file, place)?;
            import(&mut node, included)?;
        }
        Ok(node)
    }

    fn included(&self, include: &Node, file: &str, place: &Place<'_>) -> Result<Node> {
        let outer = place.directory.display().to_string();
        let absolute = |path: &str| PathBuf::from(Base { directory: &outer, home: self.home }.absolute(path));
        let named = |key: &str| include.get(key).map(Node::items).unwrap_or_default();
        let paths: Vec<PathBuf> = named("path").iter().filter_map(Node::as_text).map(&absolute).collect();
        let Some(first) = paths.first() else {
            return Err(include.place.invalid("`include` names no file: `path` is missing"));
        };
        let mut chain = place.chain.clone();
        if chain.is_empty() {
            chain.push(file.to_owned());
        }
        let step = first.display().to_string();
        if chain.contains(&step) || chain.len() >= MAX_CHAIN {
            chain.push(step);
            return Err(include.place.invalid(format!("include cycle detected:\n{}", chain.join("\n include "))));
        }
        chain.push(step);
        let directory = match include.text_of("project_directory") {
            Some(directory) => absolute(directory),
            None => first.parent().unwrap_or(Path::new("/")).to_owned(),
        };
        let env_files: Vec<PathBuf> = named("env_file").iter().filter_map(Node::as_text).map(&absolute).collect();
        let variables = match env_files.is_empty() {
            true => self.variables(&[directory.join(".env")], place.variables, false)?,
            false => self.variables(&env_files, place.variables, true)?,
        };
        let inner = Place { directory: directory.clone(), variables: &variables, chain };
        let texts = paths.iter().map(|path| Ok((path.clone(), self.text(path)?)));
        let mut whole = self.merged(&texts.collect::<Result<Vec<_>>>()?, &inner)?;
        let directory = directory.display().to_string();
        if !self.keeps_paths {
            paths::project(&mut whole, Base { directory: &directory, home: self.home });
        }
        resolve_environment(&mut whole, &variables);
        if let Some(map) = whole.as_map_mut() {
            map.remove("name");
        }
        Ok(whole)
    }

    /// The variables of files, those of `outer` before all of them.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or is not there and must be.
    pub fn variables(&self, files: &[PathBuf], outer: &Variables, must_exist: bool) -> Result<Variables> {
        let mut merged = Variables::new();
        for file in files {
            let Some(source) = self.files.read(file)? else {
                if must_exist {
                    return Err(Error::not_found(format!("couldn't find env file: {}", file.display())));
                }
                continue;
            };
            let scope = Scope { variables: outer, noticed: self.noticed };
            merged = dotenv::parse(&file.display().to_string(), &source, &scope, merged)?;
        }
        merged.extend(outer.clone());
        Ok(merged)
    }
}

fn fault_words(fault: &Fault, path: &str, template: &str) -> String {
    match fault {
        Fault::Form => format!(
            "invalid interpolation format for {path}.\nYou may need to escape any $ with another $.\n{template}"
        ),
        Fault::Required(name, words) => {
            let words = if words.is_empty() { String::new() } else { format!(": {words}") };
            format!("error while interpolating {path}: required variable {name} is missing a value{words}")
        }
    }
}

/// Adds what an included project has. What both have must be the same.
fn import(node: &mut Node, included: Node) -> Result<()> {
    let Value::Map(included) = included.value else { return Ok(()) };
    for (kind, resources) in included {
        let (Some(map), true) = (node.as_map_mut(), resources.as_map().is_some()) else { continue };
        if kind.starts_with("x-") {
            map.entry(kind).or_insert(resources);
            continue;
        }
        let target = map.entry(kind.clone()).or_insert_with(|| resources.with(Value::Map(Map::new())));
        let (Some(target), Value::Map(resources)) = (target.as_map_mut(), resources.value) else { continue };
        for (name, resource) in resources {
            match target.get(&name) {
                Some(other) if *other != resource => {
                    return Err(other
                        .place
                        .invalid(format!("{kind}.{name} conflicts with imported resource of {}", resource.place)));
                }
                _ => {
                    target.insert(name, resource);
                }
            }
        }
    }
    Ok(())
}

/// Gives variables of services that have no value the value that they have outside.
pub fn resolve_environment(node: &mut Node, variables: &Variables) {
    let services = node.as_map_mut().and_then(|map| map.get_mut("services")).and_then(Node::as_map_mut);
    for service in services.into_iter().flat_map(|services| services.values_mut()) {
        let environment = service.as_map_mut().and_then(|map| map.get_mut("environment")).and_then(Node::as_map_mut);
        for (name, value) in environment.into_iter().flatten().filter(|(_, value)| value.value == Value::Null) {
            if let Some(outside) = variables.get(name) {
                value.value = Value::Text(outside.clone());
            }
        }
    }
}
