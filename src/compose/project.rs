//! A project: which files it is read from, its name and variables, and the model that follows from them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::canonical::complete;
use super::consistency;
use super::files::Files;
use super::load::{Loader, Noticed, Place, Variables, resolve_environment};
use super::node::{Node, Value};
use super::normalize;
use super::paths::{self, Base};
use super::select;
use super::specification::ROOT;
use super::template::Variable;
use crate::base::{Error, Result, text};

/// Names that a compose file has when none is given, in the order of preference.
const DEFAULT_FILES: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// The same for what is merged onto it.
const OVERRIDE_FILES: &[&str] =
    &["compose.override.yaml", "compose.override.yml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The working directory, absolute.
    pub cwd: PathBuf,
    /// `-f`; `-` is standard input, whose text is in `input`.
    pub files: Vec<String>,
    /// The text of standard input.
    pub input: Option<String>,
    /// `--project-directory`
    pub directory: Option<String>,
    /// `-p`
    pub name: Option<String>,
    /// `--env-file`
    pub env_files: Vec<String>,
    /// `--profile`
    pub profiles: Vec<String>,
    /// The variables of the process.
    pub environment: Variables,
    /// Services to keep, with what they depend on; all if there are none.
    pub services: Vec<String>,
    /// What is left undone.
    pub skip: Skip,
}

/// Steps that are left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Skip {
    /// Variables are not replaced.
    pub interpolation: bool,
    /// Nothing is added that follows from the rest: default networks, names, dependencies.
    pub normalization: bool,
    /// Paths stay relative.
    pub paths: bool,
    /// References are not checked.
    pub consistency: bool,
    /// Files of variables are not read.
    pub environment: bool,
    /// What no service uses stays.
    pub selection: bool,
}

/// A project.
#[derive(Debug)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub directory: PathBuf,
    /// The files that it was read from.
    pub files: Vec<PathBuf>,
    /// The canonical model.
    pub model: Node,
    /// The files of `--env-file`, as they were given.
    pub environment_files: Vec<String>,
    /// The names of all services, of those that are left out, too.
    pub known: BTreeSet<String>,
    /// The variables that it was read with.
    pub variables: Variables,
    /// The profiles of all its services.
    pub profiles: BTreeSet<String>,
    /// The variables that its files name.
    pub named: std::collections::BTreeMap<String, Variable>,
    /// What should be told, each once.
    pub warnings: Vec<String>,
    /// Whether variables were replaced: a dollar sign in the model is one.
    pub is_interpolated: bool,
}

/// The files to read and the variables to read them with.
struct Sources {
    files: Vec<PathBuf>,
    directory: PathBuf,
    variables: Variables,
}

/// Reads a project.
///
/// # Errors
///
/// With file, line and column where a file is wrong.
pub fn load(request: &Request, files: &dyn Files) -> Result<Project> {
    let noticed = Noticed::default();
    let home = request.environment.get("HOME").map(String::as_str);
    let loader = Loader {
        files,
        noticed: &noticed,
        keeps_variables: request.skip.interpolation,
        keeps_paths: request.skip.paths,
        home,
    };
    let Sources { files: paths, directory, mut variables } = sources(request, &loader)?;
    let texts = paths.iter().map(|path| {
        let source = match (path.as_os_str() == "-", &request.input) {
            (true, Some(input)) => input.clone(),
            _ => loader.text(path)?,
        };
        Ok((path.clone(), source))
    });
    let texts = texts.collect::<Result<Vec<_>>>()?;
    let name = match imperative_name(request, &variables)? {
        Some(name) => name,
        None => name_of_files(&texts, &loader, &variables, &directory)?,
    };
    variables.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());
    let place = Place { directory: directory.clone(), variables: &variables, chain: Vec::new() };
    let mut model = loader.merged(&texts, &place)?;
    if let Some(map) = model.as_map_mut() {
        let at = map.get("name").map_or_else(|| map.values().next().cloned(), |name| Some(name.clone()));
        if let Some(at) = at {
            map.insert("name".to_owned(), at.text(name.clone()));
            map.entry("services".to_owned()).or_insert_with(|| at.with(Value::Map(super::node::Map::new())));
        }
    }
    let directory_text = directory.display().to_string();
    let base = Base { directory: &directory_text, home };
    complete(&model, &ROOT, "")?;
    consistency::resources(&model)?;
    if !request.skip.paths {
        paths::project(&mut model, base);
    }
    normalize::without_null_resources(&mut model);
    if !request.skip.interpolation {
        resolve_environment(&mut model, &variables);
    }
    if !request.skip.normalization {
        let outside = if request.skip.interpolation { Variables::new() } else { variables.clone() };
        normalize::normalize(&mut model, &name, base, &outside);
    }
    let known: BTreeSet<String> = model.entries("services").map(|(name, _)| name.clone()).collect();
    let profiles = select::profiles(&model);
    let mut active = active_profiles(request, &variables);
    if request.skip.interpolation {
        active.insert("*".to_owned());
    }
    select::by_profiles(&mut model, &active, &request.services);
    if !request.skip.consistency {
        consistency::check(&model, &known)?;
    }
    select::by_services(&mut model, &request.services)?;
    if !request.skip.interpolation {
        normalize::read_files(&mut model, &loader, &variables, base, !request.skip.environment)?;
    }
    if !request.skip.selection {
        select::used(&mut model);
    }
    Ok(Project {
        name,
        directory,
        files: paths,
        model,
        environment_files: request.env_files.clone(),
        known,
        variables,
        profiles,
        named: noticed.variables.into_inner(),
        warnings: noticed.warnings.into_inner(),
        is_interpolated: !request.skip.interpolation,
    })
}

fn absolute(cwd: &Path, path: &str) -> PathBuf {
    PathBuf::from(Base { directory: &cwd.display().to_string(), home: None }.absolute(path))
}

fn sources(request: &Request, loader: &Loader<'_>) -> Result<Sources> {
    let environment = &request.environment;
    let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let mut names = request.files.clone();
    let separator = |variables: &Variables| match variables.get("COMPOSE_PATH_SEPARATOR") {
        Some(separator) if !separator.is_empty() => separator.clone(),
        _ => ":".to_owned(),
    };
    if let (true, Some(list)) = (names.is_empty(), given("COMPOSE_FILE")) {
        names = list.split(&separator(environment)).map(str::to_owned).collect();
    }
    let directory = |names: &[String]| match (&request.directory, names.first().map(String::as_str)) {
        (Some(directory), _) => absolute(&request.cwd, directory),
        (None, None | Some("-")) => request.cwd.clone(),
        (None, Some(first)) => absolute(&request.cwd, first).parent().unwrap_or(Path::new("/")).to_owned(),
    };
    let mut env_files: Vec<PathBuf> = request.env_files.iter().map(|file| absolute(&request.cwd, file)).collect();
    if let (true, Some(list)) = (env_files.is_empty(), given("COMPOSE_ENV_FILES")) {
        env_files = list.split(',').map(|file| absolute(&request.cwd, file)).collect();
    }
    let read = |directory: &Path, env_files: &[PathBuf]| match env_files.is_empty() {
        false => loader.variables(env_files, environment, true),
        true if given("COMPOSE_DISABLE_ENV_FILE").is_some_and(|value| matches!(value.as_str(), "1" | "true")) => {
            Ok(environment.clone())
        }
        true => {
            let file = directory.join(".env");
            // A directory of that name is no file of variables.
            let files: &[PathBuf] = if loader.files.is_directory(&file) { &[] } else { std::slice::from_ref(&file) };
            loader.variables(files, environment, false)
        }
    };
    let mut place = directory(&names);
    let mut variables = read(&place, &env_files)?;
    if names.is_empty() {
        if let Some(list) = variables.get("COMPOSE_FILE").filter(|list| !list.is_empty()) {
            names = list.split(&separator(&variables)).map(str::to_owned).collect();
        } else {
            let found = default_files(&place, loader)?;
            if let (None, Some(parent)) = (&request.directory, found.first().and_then(|file| file.parent()))
                && parent != place
            {
                place = parent.to_owned();
                variables = read(&place, &env_files)?;
            }
            return Ok(Sources { files: found, directory: place, variables });
        }
    }
    let path = |name: &String| if name == "-" { PathBuf::from("-") } else { absolute(&request.cwd, name) };
    let files: Vec<PathBuf> = names.iter().map(path).collect();
    Ok(Sources { files, directory: place, variables })
}

/// The files of a project for which none are given: in the directory or the nearest one above.
fn default_files(directory: &Path, loader: &Loader<'_>) -> Result<Vec<PathBuf>> {
    let exists = |path: &Path| loader.files.read(path).map(|found| found.is_some());
    for directory in directory.ancestors() {
        for name in DEFAULT_FILES {
            let file = directory.join(name);
            if exists(&file)? {
                let mut files = vec![file];
                for name in OVERRIDE_FILES {
                    let over = directory.join(name);
                    if exists(&over)? {
                        files.push(over);
                        break;
                    }
                }
                return Ok(files);
            }
        }
    }
    Err(Error::not_found("no configuration file provided: not found").hint(format!(
        "make a file `compose.yaml`, name one with -f, or go to its directory: there is none in `{}` or above",
        directory.display()
    )))
}

/// The name that is asked for, whatever the files say.
fn imperative_name(request: &Request, variables: &Variables) -> Result<Option<String>> {
    let given = request.name.as_ref().or_else(|| variables.get("COMPOSE_PROJECT_NAME"));
    match given.filter(|name| !name.is_empty()) {
        Some(name) if normalized_name(name) == *name => Ok(Some(name.clone())),
        Some(name) => Err(bad_name(name)),
        None => Ok(None),
    }
}

fn bad_name(name: &str) -> Error {
    Error::usage(format!(
        "invalid project name {:?}: must consist only of lowercase alphanumeric characters, hyphens, and underscores as well as start with a letter or number",
        text::clean(name)
    ))
}

/// A project's name made of any text.
pub fn normalized_name(name: &str) -> String {
    let lower = name.to_lowercase();
    let kept = lower.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    kept.collect::<String>().trim_start_matches(['-', '_']).to_owned()
}

/// The name in the last file that has one, else that of the directory.
fn name_of_files(
    texts: &[(PathBuf, String)],
    loader: &Loader<'_>,
    variables: &Variables,
    directory: &Path,
) -> Result<String> {
    for (path, source) in texts.iter().rev() {
        for document in super::yaml::read(&path.display().to_string(), source)?.iter().rev() {
            let Some(name) = document.text_of("name").filter(|name| !name.is_empty()) else { continue };
            let scope = super::load::Scope { variables, noticed: loader.noticed };
            let name = super::template::expand(name, &scope).map_err(|_| bad_name(name))?;
            if name.is_empty() {
                continue;
            }
            return match normalized_name(&name) {
                normal if normal.is_empty() => Err(bad_name(&name)),
                normal => Ok(normal),
            };
        }
    }
    let last = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match normalized_name(&last) {
        name if name.is_empty() => Err(Error::usage("project name must not be empty").hint("give one with -p")),
        name => Ok(name),
    }
}

fn active_profiles(request: &Request, variables: &Variables) -> BTreeSet<String> {
    let from_variable = variables.get("COMPOSE_PROFILES").map(String::as_str).unwrap_or_default();
    match request.profiles.is_empty() {
        false => request.profiles.iter().cloned().collect(),
        true => from_variable.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
    }
}

impl Project {
    /// The services of the model, by name.
    pub fn services(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.model.entries("services")
    }

    /// A service by its name.
    pub fn service(&self, name: &str) -> Option<&Node> {
        self.model.get("services")?.get(name)
    }

    /// The names of the services, each after those that it depends on.
    pub fn ordered_services(&self) -> Vec<String> {
        fn visit(project: &Project, name: &str, ordered: &mut Vec<String>, seen: &mut BTreeSet<String>) {
            let service = project.model.get("services").and_then(|services| services.get(name));
            let Some(service) = service.filter(|_| seen.insert(name.to_owned())) else { return };
            for (dependency, _) in service.entries("depends_on") {
                visit(project, dependency, ordered, seen);
            }
            ordered.push(name.to_owned());
        }
        let (mut ordered, mut seen) = (Vec::new(), BTreeSet::new());
        for (name, _) in self.services() {
            visit(self, name, &mut ordered, &mut seen);
        }
        ordered
    }

    /// The image of a service: the one that it names, or that its build makes.
    pub fn image(&self, name: &str, service: &Node) -> String {
        match service.text_of("image") {
            Some(image) if !image.is_empty() => image.to_owned(),
            _ => format!("{}-{name}", self.name),
        }
    }
}
