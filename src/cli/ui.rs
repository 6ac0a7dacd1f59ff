//! The only place that prints. Results go to standard output, everything said about them to standard error; what comes
//! from images, registries and containers is made harmless before a terminal sees it.
//!
//! A reader that goes away (`coracle ps | head -1`) ends the program quietly: see [`is_closed`].

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead, BufWriter, IsTerminal, Read, Stdout, Write};
use std::os::fd::AsFd;

use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::spec::logs::Stream;
use crate::sys::tty::RawMode;

/// Which messages on standard error are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only errors.
    Error,
    /// Warnings too.
    #[default]
    Warn,
    /// What was decided, too.
    Debug,
}

/// Most bytes of an answer.
const ANSWER_MAX: u64 = 64 << 10;

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This was typed.
    Given(String),
    /// The user wants to end it: ^C, or ^D before anything was typed.
    Interrupted,
}

/// A line that is typed on a terminal in raw mode.
#[derive(Debug, Default)]
struct Secret {
    bytes: Vec<u8>,
}

impl Secret {
    /// One key; the answer when that was the last.
    fn key(&mut self, key: u8) -> Option<Result<Answer>> {
        const INTERRUPT: u8 = 3;
        const END: u8 = 4;
        const BACKSPACE: u8 = 8;
        const ERASE_LINE: u8 = 21;
        const DELETE: u8 = 127;
        match key {
            INTERRUPT => return Some(Ok(Answer::Interrupted)),
            END if self.bytes.is_empty() => return Some(Ok(Answer::Interrupted)),
            b'\r' | b'\n' | END => {
                let typed = String::from_utf8(std::mem::take(&mut self.bytes));
                let typed = typed.map_err(|_| Error::usage("the answer is not UTF-8"));
                return Some(typed.map(Answer::Given));
            }
            ERASE_LINE => self.bytes.clear(),
            // A character may have several bytes: the last of them that is no continuation begins it.
            BACKSPACE | DELETE => while self.bytes.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            _ if self.bytes.len() as u64 >= ANSWER_MAX => {}
            key => self.bytes.push(key),
        }
        None
    }
}

/// Standard output and standard error.
pub struct Ui {
    /// How the program calls itself in messages.
    program: &'static str,
    level: Level,
    out: RefCell<BufWriter<Stdout>>,
    out_is_terminal: bool,
}

impl Ui {
    /// The process's own.
    pub fn new(program: &'static str, level: Level) -> Self {
        let stdout = io::stdout();
        let out_is_terminal = stdout.is_terminal();
        Self { program, level, out: RefCell::new(BufWriter::with_capacity(32 * 1024, stdout)), out_is_terminal }
    }

    /// Whether standard error is a terminal: progress may be drawn there.
    pub fn err_is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// Whether standard output is a terminal.
    pub fn out_is_terminal(&self) -> bool {
        self.out_is_terminal
    }

    /// Whether somebody can type an answer.
    pub fn in_is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }

    /// Asks a question, whose answer is a line. The question goes to standard error: standard output is for results.
    pub fn ask(&self, question: &str) -> Result<String> {
        self.prompt(question)?;
        let mut line = Vec::new();
        let mut input = io::stdin().lock().take(ANSWER_MAX);
        input.read_until(b'\n', &mut line).context(|| "cannot read the answer")?;
        let line = String::from_utf8(line).map_err(|_| Error::usage("the answer is not UTF-8"))?;
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Asks for something that must not be seen. The terminal's former mode comes back however it ends: ^C is read here, and
    /// does not kill.
    pub fn ask_secret(&self, question: &str) -> Result<Answer> {
        self.prompt(question)?;
        let raw = RawMode::enter(io::stdin().as_fd()).context(|| "cannot hide what is typed")?;
        let mut secret = Secret::default();
        let answer = loop {
            let mut byte = [0];
            // Not through the buffer of standard input: what follows the answer is not ours.
            match rustix::io::read(io::stdin(), &mut byte) {
                Ok(0) => break Ok(Answer::Interrupted),
                Ok(_) => {
                    if let Some(answer) = secret.key(byte[0]) {
                        break answer;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => break Err(errno).context(|| "cannot read the answer"),
            }
        };
        drop(raw);
        self.say("\n");
        answer
    }

    /// A secret that another program writes to our standard input, without the end of its line.
    pub fn secret_from_input(&self) -> Result<String> {
        let mut bytes = Vec::new();
        io::stdin().lock().take(ANSWER_MAX + 1).read_to_end(&mut bytes).context(|| "cannot read the password")?;
        if bytes.len() as u64 > ANSWER_MAX {
            return Err(Error::usage("the password on standard input is longer than 64 KiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| Error::usage("the password is not UTF-8"))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }

    fn prompt(&self, question: &str) -> Result<()> {
        self.flush()?;
        io::stderr().write_all(text::clean(question).as_bytes()).context(|| "cannot ask")
    }

    /// One line of a result.
    pub fn line(&self, line: &str) -> Result<()> {
        self.text(line)?;
        self.text("\n")
    }

    /// A result of any number of lines.
    pub fn text(&self, result: &str) -> Result<()> {
        match self.out_is_terminal {
            true => self.raw(text::clean_lines(result).as_bytes()),
            false => self.raw(result.as_bytes()),
        }
    }

    /// A text that takes the place of what the terminal shows: from the top, with each line and the rest below them cleared
    /// (ECMA-48). It is seen at once. Elsewhere than on a terminal, it follows what was printed before.
    pub fn screen(&self, result: &str) -> Result<()> {
        match self.out_is_terminal {
            true => self.raw(over(&text::clean_lines(result)).as_bytes())?,
            false => self.text(result)?,
        }
        self.flush()
    }

    /// Output of a container, unchanged, where the container wrote it. The order of both streams is kept.
    pub fn container_output(&self, stream: Stream, output: &[u8]) -> Result<()> {
        match stream {
            Stream::Stdout => self.raw(output),
            Stream::Stderr => {
                self.flush()?;
                io::stderr().write_all(output).map_err(failed)
            }
        }
    }

    /// Clears a terminal, for a result that is shown again. Anything else gets one result after the other.
    pub fn clear_screen(&self) -> Result<()> {
        match self.out_is_terminal {
            true => self.raw(b"\x1b[H\x1b[2J"),
            false => Ok(()),
        }
    }

    /// Makes everything visible that was written so far.
    pub fn flush(&self) -> Result<()> {
        self.out.borrow_mut().flush().map_err(failed)
    }

    /// The error in the words of whom the program plays, with its hints.
    pub fn error(&self, error: &Error) {
        let _ = self.flush();
        let mut message = format!("{}\n", text::clean(&first_line(self.program, error)));
        for hint in error.hints() {
            message.push_str(&format!("hint: {}\n", text::clean(&called(self.program, hint))));
        }
        self.say(&message);
    }

    /// Something that went otherwise than asked, but went.
    pub fn warning(&self, warning: &str) {
        if self.level >= Level::Warn {
            self.say(&format!("WARNING: {}\n", text::clean(warning)));
        }
    }

    /// Whether warnings are wanted.
    pub fn shows_warnings(&self) -> bool {
        self.level >= Level::Warn
    }

    /// Whether debug messages are wanted.
    pub fn shows_debug(&self) -> bool {
        self.level >= Level::Debug
    }

    /// A warning in the words of docker, which tools may look for.
    pub fn warning_line(&self, warning: &str) {
        if self.level >= Level::Warn {
            self.note(warning);
        }
    }

    /// Lines about the work, on standard error.
    pub fn note(&self, note: &str) {
        self.say(&format!("{}\n", text::clean_lines(note)));
    }

    fn raw(&self, bytes: &[u8]) -> Result<()> {
        self.out.borrow_mut().write_all(bytes).map_err(failed)
    }

    /// Nothing can be done about a standard error that is closed.
    fn say(&self, message: &str) {
        let _ = self.flush();
        // Once more, if that was for a passing reason: no status without a word.
        let _ = io::stderr().write_all(message.as_bytes()).or_else(|_| io::stderr().write_all(message.as_bytes()));
    }
}

/// See [`Ui::screen`].
fn over(text: &str) -> String {
    format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))
}

/// Lets the user choose one of `options` by its number, on the terminal; the first when only Enter is pressed. `None` when
/// standard input is no terminal. Questions go to standard error.
pub fn chosen(question: &str, options: &[String]) -> Result<Option<usize>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let mut shown = format!("{}\n", text::clean(question));
    for (at, option) in options.iter().enumerate() {
        shown.push_str(&format!("  {}) {}\n", at + 1, text::clean(option)));
    }
    let mut input = io::stdin().lock();
    loop {
        let _ = io::stderr().write_all(format!("{shown}1 to {} [1]: ", options.len()).as_bytes());
        let mut line = String::new();
        if input.by_ref().take(ANSWER_MAX).read_line(&mut line).context(|| "cannot read the answer")? == 0 {
            return Err(Error::usage("nothing was chosen"));
        }
        match (line.trim(), line.trim().parse::<usize>()) {
            ("", _) => return Ok(Some(0)),
            (_, Ok(number)) if (1..=options.len()).contains(&number) => return Ok(Some(number - 1)),
            _ => shown.clear(),
        }
    }
}

/// Lines from any thread, each visible at once. A stream that is closed is no reason to stop the work.
pub struct Lines {
    stdout: bool,
}

impl Lines {
    /// On standard output.
    pub fn on_stdout() -> Self {
        Self { stdout: true }
    }

    /// On standard error.
    pub fn on_stderr() -> Self {
        Self { stdout: false }
    }

    /// Whether they go to standard output.
    pub fn is_stdout(&self) -> bool {
        self.stdout
    }

    /// Prints a line.
    pub fn say(&self, line: &str) {
        let line = format!("{}\n", text::clean(line));
        let _ = match self.stdout {
            true => {
                let mut out = io::stdout().lock();
                out.write_all(line.as_bytes()).and_then(|()| out.flush())
            }
            false => io::stderr().write_all(line.as_bytes()),
        };
    }
}

/// The first line of an error. Tools look for docker's words (`No such container: web`) and podman's prefix in it.
fn first_line(program: &str, error: &Error) -> String {
    let chain = error.chain();
    match program {
        "docker" if !matches!(error.kind(), Kind::Usage | Kind::Unsupported) => {
            let plain = chain.replace('`', "");
            let mut letters = plain.chars();
            let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
            format!("Error response from daemon: {first}{}", letters.as_str())
        }
        "podman" => format!("Error: {chain}"),
        program => format!("{program}: {chain}"),
    }
}

/// A hint with the commands in it as the user calls them.
fn called(program: &str, hint: &str) -> String {
    ["`", ": "].iter().fold(hint.to_owned(), |hint, before| {
        hint.replace(&format!("{before}coracle "), &format!("{before}{program} "))
    })
}

/// Nobody reads the output any more.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads it any more")
    }
}

impl std::error::Error for Closed {}

fn failed(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::system("cannot write the output").caused_by(Closed),
        _ => match Err::<(), _>(error).context(|| "cannot write the output") {
            Err(error) => error,
            Ok(()) => Error::system("cannot write the output"),
        },
    }
}

/// Whether the error only says that the reader of our output has gone.
pub fn is_closed(error: &Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<Closed>() {
            return true;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_in_the_words_of_the_persona() {
        let missing = Error::not_found("no such container: `web`").hint("`coracle ps -a` lists them: coracle ps -a");
        assert_eq!(first_line("docker", &missing), "Error response from daemon: No such container: web");
        assert_eq!(first_line("podman", &missing), "Error: no such container: `web`");
        assert_eq!(first_line("coracle", &missing), "coracle: no such container: `web`");
        assert_eq!(first_line("docker", &Error::usage("unknown flag: --x")), "docker: unknown flag: --x");
        assert_eq!(called("docker", missing.hints()[0]), "`docker ps -a` lists them: docker ps -a");
        assert_eq!(called("coracle", "see coracle"), "see coracle");
    }

    #[test]
    fn what_is_typed_can_be_corrected_and_given_up() {
        let typed = |keys: &str| {
            let mut secret = Secret::default();
            keys.bytes().find_map(|key| secret.key(key)).map(|answer| answer.unwrap())
        };
        let given = |text: &str| Some(Answer::Given(text.into()));
        assert_eq!(typed("abc\r"), given("abc"));
        assert_eq!(typed("gr\u{fc}\u{df}\u{7f}\u{8}u\n"), given("gru"));
        assert_eq!(typed("wrong\u{15}right\r"), given("right"));
        assert_eq!(typed("\u{7f}\u{7f}\r"), given(""));
        assert_eq!(typed("ab\u{3}"), Some(Answer::Interrupted));
        assert_eq!((typed("\u{4}"), typed("x\u{4}")), (Some(Answer::Interrupted), given("x")));
        assert_eq!(typed("no end"), None);
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_failures() {
        let closed = Err::<(), _>(failed(io::ErrorKind::BrokenPipe.into())).context(|| "cannot show it").unwrap_err();
        assert!(is_closed(&closed));
        let full = failed(io::Error::from_raw_os_error(libc::ENOSPC));
        assert!(!is_closed(&full) && full.errno() == Some(libc::ENOSPC));
    }
}
