//! Options about the image of a container.

use super::Around;
use crate::base::Result;
use crate::spec::image::ImageRequest;

/// Options about the image.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ImageOptions {
    /// Pull the image also if the policy demands no signature of it; that is so unless DOCKER_CONTENT_TRUST is 1
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub disable_content_trust: Option<bool>,
    /// The platform of the image, if it has several: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Option<String>,
    /// Pull the image before creating the container: always, missing, newer or never
    #[arg(long, value_name = "POLICY", default_value = "missing")]
    pub pull: String,
    /// Suppress the progress of a pull
    #[arg(short, long)]
    pub quiet: bool,
    /// Require HTTPS and verify certificates when pulling
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub tls_verify: Option<bool>,
    /// The image to make the container from
    #[arg(value_name = "IMAGE", required = true)]
    pub image: String,
}

impl ImageOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>) -> Result<ImageRequest> {
        let platform = self.platform.as_deref().or_else(|| around.environment.get("DOCKER_DEFAULT_PLATFORM"));
        Ok(ImageRequest {
            pull: self.pull.parse()?,
            platform: platform.filter(|text| !text.is_empty()).map(str::parse).transpose()?,
            name: self.image,
        })
    }
}
