//! Options about secrets.

use crate::base::Result;
use crate::spec::secret::{SecretRequest, all};

/// Options about secrets.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SecretOptions {
    /// Give the container a secret, as a file in /run/secrets or as a variable: NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]
    #[arg(long, value_name = "SECRET[,OPTION=VALUE…]")]
    pub secret: Vec<String>,
}

impl SecretOptions {
    /// The secrets these options stand for.
    pub fn group(&self) -> Result<Vec<SecretRequest>> {
        all(&self.secret)
    }
}
