//! The path of the request that builds an image, with its options.

use std::collections::BTreeMap;

use moat_model::engine::ImageBuild;
use moat_model::resource::{BuildNetwork, label};

use super::pull;
use crate::transport::fault::Failure;
use crate::transport::wire::encoded;

/// A build argument of BuildKit's frontend: a prefix of the ids of cache mounts. Without it, every build on the engine
/// could write into the caches of every other one.
const CACHE_NAMESPACE: &str = "BUILDKIT_CACHE_MOUNT_NS";

/// Arguments of a build by name.
type Args = BTreeMap<String, String>;

/// For the classic builder. The arguments of the build override `proxies`.
pub(super) fn classic(build: &ImageBuild, proxies: Args) -> Result<String, Failure> {
    let args = with_proxies(build, proxies);
    Ok(format!("{}&rm=true&forcerm=true{}", common(build)?, options(build, &args)?))
}

/// For BuildKit; `session` provides the context, if there is one. The arguments of the build override `proxies`.
pub(super) fn buildkit(build: &ImageBuild, proxies: Args, session: Option<&str>) -> Result<String, Failure> {
    let mut path = common(build)? + "&version=2";
    if let Some(session) = session {
        path += &format!("&session={session}");
    }
    let mut args = with_proxies(build, proxies);
    if let Some(agent) = build.labels.get(label::IMAGE) {
        args.insert(CACHE_NAMESPACE.to_owned(), format!("moat-{agent}"));
    }
    if build.context.is_some() {
        path += "&remote=client-session";
    }
    Ok(path + &options(build, &args)?)
}

/// The arguments of a build, and the proxies that they do not set in either case.
fn with_proxies(build: &ImageBuild, proxies: Args) -> Args {
    let mut args = build.context.as_ref().map(|context| context.args.clone()).unwrap_or_default();
    let is_set = |name: &String| args.keys().any(|arg| arg.eq_ignore_ascii_case(name));
    let proxies: Vec<_> = proxies.into_iter().filter(|(name, _)| !is_set(name)).collect();
    args.extend(proxies);
    args
}

fn common(build: &ImageBuild) -> Result<String, Failure> {
    Ok(format!("/build?t={}&labels={}", encoded(build.reference.as_str()), json(&build.labels)?))
}

fn options(build: &ImageBuild, args: &Args) -> Result<String, Failure> {
    let mut path = String::new();
    if let Some(context) = &build.context {
        path += &format!("&dockerfile={}", encoded(&context.dockerfile));
    }
    if build.context.is_some() || !args.is_empty() {
        path += &format!("&buildargs={}", json(args)?);
    }
    if let Some(target) = build.context.as_ref().and_then(|context| context.target.as_ref()) {
        path += &format!("&target={}", encoded(target));
    }
    path += &pull::of_platform(build.platform.as_ref());
    if build.network == BuildNetwork::None {
        path += "&networkmode=none";
    }
    Ok(path)
}

fn json(map: &BTreeMap<String, String>) -> Result<String, Failure> {
    let text = serde_json::to_string(map).map_err(|error| Failure::Unsendable(error.to_string()))?;
    Ok(encoded(&text))
}
