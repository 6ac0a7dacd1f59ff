//! `post_start` and `pre_stop`: commands that are run in the containers of a service.

use super::node::Node;
use super::read::{pairs, texts};
use crate::base::{Kind, Result, ResultExt, text};
use crate::engine::Engine;
use crate::engine::exec::exec as engine_exec;
use crate::engine::request::ExecRequest;
use crate::engine::session::{End, Terminal};

/// Runs the hooks of a service in a container, one after the other.
pub fn hooks(engine: &Engine, id: &str, service: &Node, kind: &str) -> Result<()> {
    for hook in service.get(kind).map(Node::items).unwrap_or_default() {
        let argv = texts(hook, "command");
        let shown = text::clean(&argv.join(" ")).into_owned();
        let request = ExecRequest {
            argv,
            env: pairs(hook, "environment").into_iter().map(|(name, value)| format!("{name}={value}")).collect(),
            user: hook.text_of("user").filter(|user| !user.is_empty()).map(str::to_owned),
            cwd: hook.text_of("working_dir").filter(|path| !path.is_empty()).map(str::to_owned),
            privileged: hook.is_true("privileged"),
            ..ExecRequest::default()
        };
        let nobody = Terminal { stdin: None, stdout: None, stderr: None, detach_keys: Vec::new(), sig_proxy: false };
        match engine_exec(engine, id, &request, Some(&nobody)) {
            Ok(Some(End::Exited(0)) | None) => {}
            Ok(Some(end)) => {
                let code = if let End::Exited(code) = end { code } else { 1 };
                return Err(hook
                    .place
                    .invalid(format!("{kind} hook `{shown}` exited with status {code}"))
                    .with_kind(Kind::Conflict));
            }
            Err(error) => return Err(error).context(|| format!("{kind} hook `{shown}`")),
        }
    }
    Ok(())
}
