//! Lowers tmpfs mounts, Linux capabilities, devices and GPUs.

use std::collections::BTreeSet;

use super::Lowering;
use crate::diagnostic::quoted;
use crate::one_of::OneOf;
use crate::shape::Fault;
use crate::tuning::{self, TmpfsText};
use moat_model::resource::{Device, Mount, MountSource, Rights};

impl Lowering<'_> {
    /// The tmpfs mounts.
    pub fn tmpfs_mounts(&mut self, written: Option<OneOf<Vec<String>>>) -> Vec<Mount> {
        let all = match written {
            None => Vec::new(),
            Some(OneOf::Text(text)) => vec![(text, "tmpfs".to_owned())],
            Some(OneOf::Parts(texts)) => {
                texts.into_iter().enumerate().map(|(i, text)| (text, format!("tmpfs.{i}"))).collect()
            }
        };
        let mount = |(text, at): (String, String)| {
            let TmpfsText { target, options } = self.read(&at, tuning::tmpfs(&text))?;
            self.claim(&target, &at);
            Some(Mount { source: MountSource::Memory { options }, target, read_only: false })
        };
        all.into_iter().filter_map(mount).collect()
    }

    pub fn rights(&mut self, add: &[String], drop: &[String], devices: &[String], gpus: Option<String>) -> Rights {
        let cap_add: BTreeSet<String> = self.list("cap_add", add, tuning::linux_capability).into_iter().collect();
        let cap_drop: BTreeSet<String> = self.list("cap_drop", drop, tuning::linux_capability).into_iter().collect();
        if let Some(both) = cap_add.intersection(&cap_drop).next() {
            let message = format!("{} is also in `cap_add`", quoted(both));
            self.fault("cap_drop", Fault::new(message, "keep one of them"));
        }
        let mut found: Vec<Device> = Vec::new();
        for (i, text) in devices.iter().enumerate() {
            let at = format!("devices.{i}");
            let Some(device) = self.read(&at, tuning::device(text)) else { continue };
            self.claim(&device.container, &at);
            found.push(device);
        }
        let gpus = gpus.and_then(|text| self.read("gpus", tuning::gpus(&text)));
        Rights { cap_add, cap_drop, devices: found, gpus, ..Rights::default() }
    }
}
