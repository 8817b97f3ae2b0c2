//! The header of a Linux program: its architecture, and whether it needs a loader.
//!
//! Reads 64-bit little-endian files only, which all programs of moat are. See `elf(5)`.

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    machine: u16,
    /// Whether another program, the dynamic loader, has to start it.
    pub has_interpreter: bool,
}

/// The first bytes: the name of the format, 64 bits, little-endian.
const START: [u8; 6] = *b"\x7fELF\x02\x01";

/// The kind of a program header that names the loader.
const INTERPRETER: u32 = 3;

/// The architectures of moat's releases, as engines name them, with their numbers.
const MACHINES: [(&str, u16); 4] = [("x86_64", 62), ("amd64", 62), ("aarch64", 183), ("arm64", 183)];

impl Header {
    /// `None`: it is no such program.
    pub fn read(file: &[u8]) -> Option<Self> {
        if !file.starts_with(&START) {
            return None;
        }
        let machine = u16::from_le_bytes(bytes(file, 18)?);
        let table = usize::try_from(u64::from_le_bytes(bytes(file, 32)?)).ok()?;
        let size = usize::from(u16::from_le_bytes(bytes(file, 54)?));
        let count = usize::from(u16::from_le_bytes(bytes(file, 56)?));
        let kind = |index: usize| Some(u32::from_le_bytes(bytes(file, table.checked_add(index * size)?)?));
        let has_interpreter = (0..count).any(|index| kind(index) == Some(INTERPRETER));
        Some(Self { machine, has_interpreter })
    }

    /// Whether an engine of this architecture runs it. An unknown one is left to the engine.
    pub fn runs_on(self, architecture: &str) -> bool {
        MACHINES.iter().find(|(name, _)| *name == architecture).is_none_or(|(_, machine)| *machine == self.machine)
    }
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Option<[u8; N]> {
    file.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with program headers of these kinds.
    fn program(machine: u16, kinds: &[u32]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(&START);
        file[18..20].copy_from_slice(&machine.to_le_bytes());
        file[32..40].copy_from_slice(&64_u64.to_le_bytes());
        file[54..56].copy_from_slice(&56_u16.to_le_bytes());
        file[56..58].copy_from_slice(&u16::try_from(kinds.len()).expect("few").to_le_bytes());
        for kind in kinds {
            file.extend(kind.to_le_bytes());
            file.extend([0; 52]);
        }
        file
    }

    #[test]
    fn architecture_and_loader_are_read() {
        let header = |machine, kinds| Header::read(&program(machine, kinds)).expect("a program");
        assert!(header(62, &[6, 3, 1]).has_interpreter);
        assert!(!header(62, &[6, 1]).has_interpreter);
        for (machine, architecture, runs) in [
            (62, "x86_64", true),
            (62, "arm64", false),
            (183, "aarch64", true),
            (183, "amd64", false),
            (8, "mips", true),
        ] {
            assert_eq!(header(machine, &[1]).runs_on(architecture), runs, "{machine} {architecture}");
        }
        let own = std::fs::read("/proc/self/exe").expect("this program");
        assert!(Header::read(&own).is_some_and(|it| it.runs_on(std::env::consts::ARCH)));
    }

    #[test]
    fn anything_else_is_no_program() {
        for file in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &program(62, &[1])[..40]] {
            assert_eq!(Header::read(file), None);
        }
        let mut wild = program(62, &[3]);
        wild[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(Header::read(&wild), Some(Header { machine: 62, has_interpreter: false }));
    }
}
