//! Lowers the settings of registries.

use super::Lowering;
use crate::environment::Environment;
use crate::one_of::OneOf;
use crate::raw::Registries as Written;
use crate::registries::{Registries, certificates, mirror};

impl Lowering<'_> {
    pub(crate) fn registries(&mut self, written: Written, environment: &dyn Environment) -> Registries {
        let Written { mirrors, ca_certificates } = written;
        let mut registries = Registries::default();
        for (registry, texts) in mirrors {
            let at = format!("registries.mirrors.{registry}");
            let found =
                each_of(texts, &at).into_iter().filter_map(|(text, at)| self.read(&at, mirror(&text))).collect();
            registries.mirrors.insert(registry, found);
        }
        for (path, at) in ca_certificates.map_or_else(Vec::new, |paths| each_of(paths, "registries.ca_certificates")) {
            let Some((_, text)) = self.file(&path, &at, environment) else { continue };
            registries.certificates.extend(self.read(&at, certificates(&text)));
        }
        registries
    }
}

/// One text or several, with their places.
fn each_of(texts: OneOf<Vec<String>>, at: &str) -> Vec<(String, String)> {
    match texts {
        OneOf::Text(text) => vec![(text, at.to_owned())],
        OneOf::Parts(texts) => texts.into_iter().enumerate().map(|(i, text)| (text, format!("{at}.{i}"))).collect(),
    }
}
