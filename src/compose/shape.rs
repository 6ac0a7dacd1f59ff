//! What the keys of a compose file may have as values: the language in which `specification.rs` is written.

/// The types that a scalar may be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types(pub u8);

impl Types {
    /// Text.
    pub const TEXT: Types = Types(1);
    /// A whole number.
    pub const INT: Types = Types(2);
    /// Any number.
    pub const NUMBER: Types = Types(6);
    /// `true` or `false`.
    pub const BOOL: Types = Types(8);
    /// Nothing.
    pub const NULL: Types = Types(16);

    /// Both.
    pub const fn or(self, other: Types) -> Types {
        Types(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    pub const fn has(self, other: Types) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a scalar is in the canonical model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Become {
    /// Text.
    Text,
    /// Text, an empty one if nothing is given.
    Option,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A number of bytes, which is printed as text.
    Bytes,
    /// A duration, which is printed as Go prints it.
    Duration,
    /// Permissions, which are printed as octal text.
    Mode,
    /// How many devices: a number, or `all`.
    Count,
}

/// A short form, and how its long form follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Short {
    /// Text instead of a list of one.
    One,
    /// A list of `NAME=VALUE` instead of a mapping; a name alone has no value.
    Pairs,
    /// The same, but a name alone has an empty value.
    Labels,
    /// A mapping of hosts and addresses instead of a list of `HOST=ADDRESS`.
    Hosts,
    /// A command line instead of its words.
    Words,
    /// A command for the shell instead of a health check's words.
    Test,
    /// A list of names instead of a mapping, each with this long form.
    Names(Named),
    /// Text instead of a mapping in which it has this key.
    Key(&'static str),
    /// `all` instead of a list of devices.
    Gpus,
    /// A number instead of both limits.
    Limit,
    /// `true`, `false` or a mapping with a name.
    External,
    /// `KEY` or `KEY=PATH` instead of a mapping: SSH agents and keys.
    Ssh,
    /// Text or a list instead of a list of mappings with `path`.
    EnvFiles,
    /// A scalar instead of a list of one.
    Scalars,
}

/// What a name in a list stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Nothing more is said about it.
    Null,
    /// A service that must have been started.
    Dependency,
}

/// A list whose elements have a short form that may stand for several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// `[IP:][HOST:]CONTAINER[/PROTOCOL]`, with ranges.
    Port,
    /// `[SOURCE:]TARGET[:OPTIONS]`
    Volume,
    /// The name of a secret of a service.
    Secret,
    /// The name of a config, or of a secret of a build.
    Config,
    /// `SOURCE[:TARGET[:PERMISSIONS]]`
    Device,
}

/// What a value may be.
#[derive(Debug)]
pub enum Shape {
    /// Anything.
    Any,
    /// A scalar.
    Scalar(Types, Become),
    /// One of these words.
    Word(&'static [&'static str]),
    /// How often an image is pulled.
    PullPolicy,
    /// The name of a container.
    ContainerName,
    /// A list.
    List(&'static Shape),
    /// A list without repetitions: of those that are equal, the first stays.
    Set(&'static Shape),
    /// A list whose elements may be short.
    Elements(Element, &'static Shape),
    /// A mapping with free keys.
    Map(&'static Shape),
    /// A mapping whose keys are names of services, networks and so on.
    Names(&'static Shape),
    /// A mapping with known keys.
    Object(&'static Object),
    /// The same, or nothing.
    Optional(&'static Shape),
    /// A short form, or a long one.
    Or(Short, &'static Shape),
}

/// What is printed of a value that is `false`, 0 or empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// Nothing.
    Omitted,
    /// The value.
    Kept,
    /// The value in JSON, nothing in YAML.
    InJson,
    /// The value, in JSON with a capital letter before the key: docker compose gives these keys no name of their own there.
    Untagged,
    /// Nothing, whatever the value is: docker compose reads the key and forgets it.
    Never,
}

/// A key of a mapping.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// What it may have.
    pub shape: &'static Shape,
    /// What is printed of an empty value.
    pub zero: Zero,
}

/// A mapping with known keys, in the order in which they are printed.
#[derive(Debug)]
pub struct Object {
    /// The keys.
    pub fields: &'static [Field],
    /// Keys that must be there.
    pub required: &'static [&'static str],
    /// Whether keys that begin with `x-` are allowed.
    pub is_open: bool,
}

impl Object {
    /// The field of a key.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A key.
pub const fn key(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, zero: Zero::Omitted }
}

/// A key whose empty value is printed.
pub const fn kept(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, zero: Zero::Kept }
}

/// A key that JSON spells with a capital letter.
pub const fn untagged(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, zero: Zero::Untagged }
}

/// A key that is read and never printed.
pub const fn unprinted(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, zero: Zero::Never }
}

/// A key whose empty value is printed in JSON.
pub const fn in_json(name: &'static str, shape: &'static Shape) -> Field {
    Field { name, shape, zero: Zero::InJson }
}
