//! From lines to instructions, and from instructions to stages.

use super::arguments::{self, List, Word};
use super::diagnostic::{Diagnostic, Position};
use super::directives::{self, Directives};
use super::heredoc::{self, Heredoc};
use super::instruction::{Copy, Form, From, Health, Instruction, Kind, Network, Pair, Run, Source, Text};
use super::lines::{Lines, Logical};
use super::options::{self, Flag};
use super::suggest::nearest;
use super::{MAX_FILE, MAX_INSTRUCTIONS};
use crate::base::text;

/// A Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// What stands before everything else.
    pub directives: Directives,
    /// `ARG`s before the first `FROM`.
    pub arguments: Vec<Instruction>,
    /// The stages in their order; at least one.
    pub stages: Vec<Stage>,
    /// Empty lines between continued lines, which are deprecated.
    pub empty_continuations: Vec<Position>,
}

/// A `FROM` and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The `FROM`.
    pub from: From,
    /// The instruction that it was.
    pub instruction: Instruction,
    /// Its name in small letters, if it has one.
    pub name: Option<String>,
    /// What follows, up to the next `FROM`.
    pub instructions: Vec<Instruction>,
}

/// The instructions.
const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Reads a Dockerfile.
pub fn parse(source: &str) -> Result<Dockerfile, Diagnostic> {
    let begin = Position { line: 1, column: 1 };
    if source.len() > MAX_FILE {
        return Err(Diagnostic::new(begin, "the Dockerfile is larger than 2 MiB"));
    }
    let source = source.trim_start_matches('\u{feff}');
    let directives = directives::read(source)?;
    let mut parser = Parser { lines: Lines::new(source, directives.escape), escape: directives.escape };
    let mut file =
        Dockerfile { directives, arguments: Vec::new(), stages: Vec::new(), empty_continuations: Vec::new() };
    let mut count = 0;
    while let Some(line) = parser.lines.next_logical() {
        count += 1;
        if count > MAX_INSTRUCTIONS {
            return Err(Diagnostic::new(line.position(0), "the Dockerfile has more than 20,000 instructions"));
        }
        file.empty_continuations.extend(line.empty_continuation);
        let instruction = parser.instruction(&line, false)?;
        file.add(instruction)?;
    }
    if file.stages.is_empty() {
        return Err(match file.arguments.is_empty() && count == 0 {
            true => Diagnostic::new(begin, "the Dockerfile cannot be empty"),
            false => Diagnostic::new(begin, "no build stage in the Dockerfile").hint("begin a stage with `FROM IMAGE`"),
        });
    }
    Ok(file)
}

/// Reads an instruction that an image keeps (`ONBUILD`). Positions in it are those of its own text.
pub fn parse_trigger(line: &str) -> Result<Instruction, Diagnostic> {
    let mut lines = line.splitn(2, '\n');
    let first = Logical::alone(lines.next().unwrap_or_default());
    let mut parser = Parser { lines: Lines::new(lines.next().unwrap_or_default(), '\\'), escape: '\\' };
    let instruction = parser.instruction(&first, true)?;
    match instruction.kind {
        Kind::From(_) | Kind::Maintainer(_) | Kind::Onbuild(_) => {
            Err(Diagnostic::new(first.position(0), "this instruction isn't allowed as an ONBUILD trigger"))
        }
        _ => Ok(instruction),
    }
}

impl Dockerfile {
    fn add(&mut self, instruction: Instruction) -> Result<(), Diagnostic> {
        if let Kind::From(from) = &instruction.kind {
            let name = from.name.as_ref().map(|name| name.raw.clone());
            let from = from.clone();
            self.stages.push(Stage { from, name, instruction, instructions: Vec::new() });
            return Ok(());
        }
        match (self.stages.last_mut(), &instruction.kind) {
            (Some(stage), _) => stage.instructions.push(instruction),
            (None, Kind::Arg(_)) => self.arguments.push(instruction),
            (None, _) => {
                return Err(Diagnostic::new(instruction.at, "no build stage in current context")
                    .hint("a Dockerfile begins with FROM; only ARG may stand before it"));
            }
        }
        Ok(())
    }
}

struct Parser<'a> {
    lines: Lines<'a>,
    escape: char,
}

/// A line that is being read.
struct Line<'a> {
    logical: &'a Logical,
    /// The instruction in capital letters.
    name: String,
    flags: Vec<Word>,
    /// Where the arguments begin.
    rest: usize,
}

impl Line<'_> {
    fn arguments(&self) -> &str {
        self.logical.text[self.rest..].trim_end()
    }

    fn text(&self, word: Word) -> Text {
        Text { at: self.logical.position(word.at), raw: word.text }
    }

    fn at_rest(&self) -> Position {
        self.logical.position(self.rest)
    }

    fn wrong(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.at_rest(), message)
    }

    fn flags(&self) -> Vec<Flag<'_>> {
        self.flags.iter().map(|word| Flag::of(word, self.logical)).collect()
    }
}

impl Parser<'_> {
    fn instruction(&mut self, logical: &Logical, is_trigger: bool) -> Result<Instruction, Diagnostic> {
        let text = &logical.text;
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let name = text[..end].to_ascii_uppercase();
        if !INSTRUCTIONS.contains(&name.as_str()) {
            let word: String = text[..end].chars().take(64).collect();
            let word = text::clean(&word).into_owned();
            let meant = nearest(&text[..end], INSTRUCTIONS).map(|known| format!(" (did you mean {known}?)"));
            let error = Diagnostic::new(
                logical.position(0),
                format!("unknown instruction: {word}{}", meant.unwrap_or_default()),
            );
            return Err(match word.starts_with(['&', '|']) {
                true => error.hint("is the line before it missing a `\\` at its end?"),
                false => error,
            });
        }
        let (flags, rest) = arguments::flags(text, end, self.escape);
        let line = Line { logical, name, flags, rest };
        if line.arguments().is_empty() && !matches!(line.name.as_str(), "CMD" | "ENTRYPOINT" | "RUN") {
            return Err(Diagnostic::new(
                logical.position(end.saturating_sub(1)),
                format!("{} requires at least one argument", line.name),
            ));
        }
        let kind = self.kind(&line, is_trigger)?;
        let original = format!("{}{}", line.name, text[end..].trim_end());
        let last_line = if is_trigger { logical.last_line } else { self.lines.last_read() };
        let (written, comments) = (text[..end].to_owned(), logical.comments.clone());
        Ok(Instruction { at: logical.position(0), last_line, original, written, comments, kind })
    }

    fn kind(&mut self, line: &Line<'_>, is_trigger: bool) -> Result<Kind, Diagnostic> {
        match line.name.as_str() {
            "ADD" => return self.copy(line, true).map(Kind::Add),
            "COPY" => return self.copy(line, false).map(Kind::Copy),
            "RUN" => return self.run(line).map(Kind::Run),
            "FROM" => return from(line).map(Kind::From),
            "HEALTHCHECK" => return health(line).map(Kind::Healthcheck),
            _ => options::none(&line.flags())?,
        }
        Ok(match line.name.as_str() {
            "ARG" => Kind::Arg(self.args(line)?),
            "CMD" => Kind::Cmd(command(line)?),
            "ENTRYPOINT" => Kind::Entrypoint(command(line)?),
            "ENV" => Kind::Env(self.pairs(line)?),
            "LABEL" => Kind::Label(self.pairs(line)?),
            "EXPOSE" => Kind::Expose(
                arguments::quoted_words(&line.logical.text, line.rest, self.escape)
                    .into_iter()
                    .map(|word| line.text(word))
                    .collect(),
            ),
            "MAINTAINER" => Kind::Maintainer(line.arguments().to_owned()),
            "ONBUILD" => Kind::Onbuild(self.trigger(line, is_trigger)?),
            "SHELL" => match arguments::list(line.arguments()) {
                List::Words(words) if !words.is_empty() => Kind::Shell(words),
                _ => {
                    return Err(line
                        .wrong("SHELL requires the arguments to be in JSON form")
                        .hint("write SHELL [\"/bin/bash\", \"-c\"]"));
                }
            },
            "STOPSIGNAL" => Kind::Stopsignal(single(line)?),
            "USER" => Kind::User(single(line)?),
            "VOLUME" => Kind::Volume(self.words_or_list(line)?),
            _ => Kind::Workdir(single(line)?),
        })
    }

    fn args(&self, line: &Line<'_>) -> Result<Vec<(Text, Option<Text>)>, Diagnostic> {
        let mut args = Vec::new();
        for word in arguments::quoted_words(&line.logical.text, line.rest, self.escape) {
            let at = word.at;
            let (name, value) = match word.text.split_once('=') {
                Some((name, value)) => {
                    let begin = at + name.len() + 1;
                    (name.to_owned(), Some(line.text(Word { text: value.to_owned(), at: begin })))
                }
                None => (word.text.clone(), None),
            };
            if name.is_empty() {
                return Err(Diagnostic::new(line.logical.position(at), "ARG names can not be blank"));
            }
            args.push((line.text(Word { text: name, at }), value));
        }
        Ok(args)
    }

    /// `name=value …`, or the legacy `name some value`.
    fn pairs(&self, line: &Line<'_>) -> Result<Vec<Pair>, Diagnostic> {
        let words = arguments::quoted_words(&line.logical.text, line.rest, self.escape);
        if words.first().is_some_and(|first| !first.text.contains('=')) {
            let given = line.arguments();
            let Some((name, rest)) = given.split_once(char::is_whitespace) else {
                return Err(line
                    .wrong(format!("{} must have two arguments", line.name))
                    .hint(format!("write {} name=value", line.name)));
            };
            let value = rest.trim_start();
            let at = line.rest + given.len() - value.len();
            let name = line.text(Word { text: name.to_owned(), at: line.rest });
            return Ok(vec![Pair { name, value: line.text(Word { text: value.to_owned(), at }) }]);
        }
        let pair = |word: Word| match word.text.split_once('=') {
            Some(("", _)) => {
                Err(Diagnostic::new(line.logical.position(word.at), format!("{} names can not be blank", line.name)))
            }
            Some((name, value)) => Ok(Pair {
                value: line.text(Word { text: value.to_owned(), at: word.at + name.len() + 1 }),
                name: line.text(Word { text: name.to_owned(), at: word.at }),
            }),
            None => Err(Diagnostic::new(
                line.logical.position(word.at),
                format!(
                    "Syntax error - can't find = in \"{}\". Must be of the form: name=value",
                    text::clean(&word.text)
                ),
            )),
        };
        words.into_iter().map(pair).collect()
    }

    fn words_or_list(&self, line: &Line<'_>) -> Result<Vec<Text>, Diagnostic> {
        match arguments::list(line.arguments()) {
            List::Words(words) => Ok(words.into_iter().map(|raw| Text { raw, at: line.at_rest() }).collect()),
            List::OfOthers => Err(line.wrong("only string type is allowed in JSON arrays")),
            List::No => Ok(arguments::blank_separated(&line.logical.text, line.rest)
                .into_iter()
                .map(|word| line.text(word))
                .collect()),
        }
    }

    /// The contents of the here-documents that the words open.
    fn heredocs(&mut self, words: &[Word], line: &Line<'_>) -> Result<Vec<(usize, Heredoc)>, Diagnostic> {
        let mut found = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let Some(mut doc) = heredoc::opening(&word.text) else { continue };
            loop {
                match self.lines.advance() {
                    Some((text, _)) if doc.ends_with(text) => break,
                    Some((text, _)) => doc.push(text),
                    None => {
                        return Err(Diagnostic::new(line.logical.position(word.at), "unterminated heredoc")
                            .hint(format!("a line that says only `{}` ends it", text::clean(&doc.name))));
                    }
                }
            }
            found.push((index, doc));
        }
        Ok(found)
    }

    fn run(&mut self, line: &Line<'_>) -> Result<Run, Diagnostic> {
        let mut run = Run {
            form: command(line)?,
            heredocs: Vec::new(),
            is_heredoc: false,
            mounts: Vec::new(),
            network: Network::default(),
        };
        options::run(&line.flags(), &mut run)?;
        if let Form::Shell(_) = run.form {
            let words = arguments::quoted_words(&line.logical.text, line.rest, '\\');
            run.heredocs = self.heredocs(&words, line)?.into_iter().map(|(_, doc)| doc).collect();
            run.is_heredoc = run.heredocs.len() == 1 && words.len() == 1;
        }
        if line.arguments().is_empty() {
            return Err(Diagnostic::new(line.logical.position(0), "RUN requires at least one argument"));
        }
        Ok(run)
    }

    fn copy(&mut self, line: &Line<'_>, is_add: bool) -> Result<Copy, Diagnostic> {
        let mut copy = Copy::default();
        options::copy(&line.flags(), &mut copy, is_add)?;
        let few = |count: usize| match count < 2 {
            true => Err(line.wrong(format!(
                "{} requires at least two arguments, but only one was provided. Destination could not be determined",
                line.name
            ))),
            false => Ok(()),
        };
        let mut words: Vec<Source> = match arguments::list(line.arguments()) {
            List::Words(words) => {
                few(words.len())?;
                words.into_iter().map(|raw| Source::Path(Text { raw, at: line.at_rest() })).collect()
            }
            List::OfOthers => return Err(line.wrong("only string type is allowed in JSON arrays")),
            List::No => {
                let words = arguments::quoted_words(&line.logical.text, line.rest, self.escape);
                few(words.len())?;
                let mut docs = self.heredocs(&words[..words.len() - 1], line)?.into_iter().peekable();
                let mut sources = Vec::new();
                for (index, word) in words.into_iter().enumerate() {
                    sources.push(match docs.next_if(|(at, _)| *at == index) {
                        Some((_, doc)) => Source::Inline(doc),
                        None => Source::Path(line.text(word)),
                    });
                }
                sources
            }
        };
        if let Some(Source::Path(target)) = words.pop() {
            copy.target = target;
        }
        copy.sources = words;
        Ok(copy)
    }

    /// The instruction of an `ONBUILD` with the contents of its here-documents, checked.
    fn trigger(&mut self, line: &Line<'_>, is_trigger: bool) -> Result<String, Diagnostic> {
        let given = line.arguments();
        let word = given.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        if is_trigger || word == "ONBUILD" {
            return Err(line.wrong("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"));
        }
        if word == "FROM" || word == "MAINTAINER" {
            return Err(line.wrong(format!("{word} isn't allowed as an ONBUILD trigger")));
        }
        let mut kept = given.to_owned();
        if ["RUN", "COPY", "ADD"].contains(&word.as_str()) && !matches!(arguments::list(given), List::Words(_)) {
            let words = arguments::quoted_words(&line.logical.text, line.rest, self.escape);
            for (_, doc) in self.heredocs(&words, line)? {
                kept.push('\n');
                kept.push_str(&doc.content);
                kept.push_str(&doc.name);
            }
        }
        parse_trigger(&kept).map_err(|inner| Diagnostic { position: line.at_rest(), ..inner })?;
        Ok(kept)
    }
}

fn command(line: &Line<'_>) -> Result<Form, Diagnostic> {
    Ok(match arguments::list(line.arguments()) {
        List::Words(words) => Form::Exec(words),
        List::OfOthers | List::No => Form::Shell(line.arguments().to_owned()),
    })
}

fn single(line: &Line<'_>) -> Result<Text, Diagnostic> {
    let raw = line.arguments().to_owned();
    if line.name == "STOPSIGNAL" && raw.contains(char::is_whitespace) {
        return Err(line.wrong(format!("{} requires exactly one argument", line.name)));
    }
    Ok(Text { raw, at: line.at_rest() })
}

fn from(line: &Line<'_>) -> Result<From, Diagnostic> {
    let platform = options::from(&line.flags())?;
    let mut words = arguments::blank_separated(&line.logical.text, line.rest).into_iter();
    let (image, word, name, more) = (words.next(), words.next(), words.next(), words.next());
    let image = image.ok_or_else(|| line.wrong("FROM requires either one or three arguments"))?;
    let name = match (word, name, more) {
        (None, ..) => None,
        (Some(word), Some(name), None) if word.text.eq_ignore_ascii_case("as") => {
            let lower = name.text.to_ascii_lowercase();
            let mut letters = lower.chars();
            let valid = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
                && letters.all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
            if !valid {
                let shown = text::clean(&name.text).into_owned();
                return Err(Diagnostic::new(
                    line.logical.position(name.at),
                    format!(
                        "invalid name for build stage: \"{shown}\", name can't start with a number or contain symbols"
                    ),
                ));
            }
            Some(line.text(Word { text: lower, at: name.at }))
        }
        (Some(word), ..) => {
            return Err(Diagnostic::new(line.logical.position(word.at), "FROM requires either one or three arguments")
                .hint("write FROM IMAGE, or FROM IMAGE AS NAME"));
        }
    };
    Ok(From { image: line.text(image), name, platform })
}

fn health(line: &Line<'_>) -> Result<Health, Diagnostic> {
    let given = line.arguments();
    let (word, rest) = given.split_once(char::is_whitespace).unwrap_or((given, ""));
    let mut check = match word.to_ascii_uppercase().as_str() {
        "NONE" if rest.trim().is_empty() => Health::None,
        "NONE" => return Err(line.wrong("HEALTHCHECK NONE takes no arguments")),
        "CMD" => {
            let command = match arguments::list(rest.trim()) {
                List::Words(words) => Form::Exec(words),
                _ => Form::Shell(rest.trim().to_owned()),
            };
            if matches!(&command, Form::Shell(text) if text.is_empty())
                || matches!(&command, Form::Exec(words) if words.is_empty())
            {
                return Err(line.wrong("missing command after HEALTHCHECK CMD"));
            }
            Health::Check { command, interval: 0, timeout: 0, start_period: 0, start_interval: 0, retries: 0 }
        }
        other => {
            let shown = text::clean(other).into_owned();
            return Err(line.wrong(format!("unknown type \"{shown}\" in HEALTHCHECK (try CMD)")));
        }
    };
    options::health(&line.flags(), &mut check)?;
    Ok(check)
}
