//! What a token shall allow (distribution specification, "Token Scope Documentation"): resources, each with actions.

use std::collections::{BTreeMap, BTreeSet};

/// Most resources of one token: a registry that asks for ever more gets no more.
const RESOURCES_MAX: usize = 32;

/// Scopes that are asked for together. Actions on the same resource are united.
#[derive(Debug, Clone, Default)]
pub struct Scopes {
    /// By `type:name`.
    actions: BTreeMap<String, BTreeSet<String>>,
}

impl Scopes {
    /// Adds scopes, separated by blanks: `repository:library/x:pull,push`.
    pub fn add(&mut self, scopes: &str) {
        for scope in scopes.split_ascii_whitespace() {
            let (resource, actions) = scope.rsplit_once(':').unwrap_or((scope, ""));
            if self.actions.len() >= RESOURCES_MAX && !self.actions.contains_key(resource) {
                continue;
            }
            let known = self.actions.entry(resource.to_owned()).or_default();
            known.extend(actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned));
        }
    }

    /// One text for each resource.
    pub fn list(&self) -> Vec<String> {
        let text = |(resource, actions): (&String, &BTreeSet<String>)| match actions.is_empty() {
            true => resource.clone(),
            false => format!("{resource}:{}", actions.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        };
        self.actions.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_on_one_resource_are_united() {
        let mut scopes = Scopes::default();
        scopes.add("repository:team/app:pull");
        scopes.add("repository:team/app:push,pull repository:base:pull");
        scopes.add("registry:catalog:*");
        scopes.add("odd");
        assert_eq!(
            scopes.list(),
            ["odd", "registry:catalog:*", "repository:base:pull", "repository:team/app:pull,push"]
        );
        (0..100).for_each(|n| scopes.add(&format!("repository:r{n}:pull")));
        assert_eq!(scopes.list().len(), RESOURCES_MAX);
    }
}
