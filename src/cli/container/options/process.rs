//! Options about the main process.

use super::Around;
use crate::base::Result;
use crate::cli::container::{proxies, variables};
use crate::cli::context::Persona;
use crate::spec::process::{Personality, ProcessRequest, timezone, umask, workdir};
use crate::spec::variables::merged;

/// Options about the main process.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ProcessOptions {
    /// Overwrite the image's default entrypoint
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Set an environment variable; a bare NAME is passed on
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<String>,
    /// Pass the proxy variables of this environment and of docker's configuration on
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    pub http_proxy: bool,
    /// Keep standard input open even if not attached
    #[arg(short, long)]
    pub interactive: bool,
    /// The execution domain: LINUX, or LINUX32 for programs that ask for a 32-bit machine
    #[arg(long, value_name = "DOMAIN")]
    pub personality: Option<String>,
    /// Allocate a pseudo-terminal
    #[arg(short, long)]
    pub tty: bool,
    /// The time zone in the container: a name such as Europe/Paris, or local for this machine's
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// The mask of the modes of new files, in octal; 0022 is usual
    #[arg(long, value_name = "MASK")]
    pub umask: Option<String>,
    /// The working directory inside the container
    #[arg(short, long, value_name = "DIRECTORY")]
    pub workdir: Option<String>,
    /// The command to run, and its arguments
    #[arg(value_name = "COMMAND", num_args = 0..)]
    pub command: Vec<String>,
}

impl ProcessOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>) -> Result<ProcessRequest> {
        Ok(ProcessRequest {
            env: self.variables(around)?,
            command: self.command,
            entrypoint: self.entrypoint.map(|given| entrypoint(&given, around.persona)),
            cwd: self.workdir.as_deref().map(workdir).transpose()?,
            tty: self.tty,
            stdin: self.interactive,
            umask: self.umask.as_deref().map(umask).transpose()?,
            personality: self.personality.as_deref().map(Personality::parse).transpose()?,
            timezone: self.tz.as_deref().map_or(Ok(None), timezone)?,
            attached: None,
        })
    }

    /// The user's variables, over those of proxies.
    fn variables(&self, around: &Around<'_>) -> Result<Vec<String>> {
        let mut own = variables::environment(&self.env_file, &self.env, around.cwd, around.environment)?;
        // By it programs tell that they are in a container of podman.
        if around.persona == Persona::Podman {
            own = merged([PODMAN.to_owned()], &own);
        }
        Ok(match self.http_proxy {
            true => merged(proxies::variables(around.persona, around.environment, &around.docker), &own),
            false => own,
        })
    }
}

/// podman's variable of every container.
const PODMAN: &str = "container=podman";

/// The words of `--entrypoint`: none for an empty one, and podman reads a list in JSON.
fn entrypoint(given: &str, persona: Persona) -> Vec<String> {
    let list = match persona {
        Persona::Podman => serde_json::from_str::<Vec<String>>(given).ok(),
        _ => None,
    };
    list.unwrap_or_else(|| if given.is_empty() { Vec::new() } else { vec![given.to_owned()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_reads_a_list_as_entrypoint() {
        assert_eq!(entrypoint(r#"["echo", "a b"]"#, Persona::Podman), ["echo", "a b"]);
        assert_eq!(entrypoint(r#"["echo"]"#, Persona::Docker), [r#"["echo"]"#]);
        assert_eq!(entrypoint("sh", Persona::Podman), ["sh"]);
        assert!(entrypoint("", Persona::Coracle).is_empty());
    }
}
