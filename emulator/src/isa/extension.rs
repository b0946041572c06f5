//! The extensions of the architecture that the hart has, the set of those that are enabled, and
//! the `--cpu` text that chooses them. Everything that depends on an extension asks
//! [`Extensions::has`]; names, order and requirements are the rows of one table here.

use std::cmp::Reverse;
use std::fmt;

use thiserror::Error;

macro_rules! extensions {
    ($($ext:ident $name:literal $shown:ident [$($requires:ident)*];)*) => {
        /// An extension that can be switched.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the variants are the manual's names")]
        pub enum Extension { $($ext),* }

        impl Extension {
            /// Every extension, in the canonical order of ISA strings.
            pub const ALL: &'static [Self] = &[$(Self::$ext),*];

            /// The name as ISA strings and `--cpu` spell it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$ext => $name),* }
            }

            /// What it cannot exist without, directly.
            const fn requires(self) -> Extensions {
                match self { $(Self::$ext => Extensions::of(&[$(Self::$requires),*])),* }
            }

            const fn shown(self) -> Shown {
                match self { $(Self::$ext => Shown::$shown),* }
            }
        }
    };
}

/// Whether the ISA string names an extension.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// As a letter of the first word.
    Letter,
    /// After an underscore.
    Word,
    /// Not at all; the device tree has other places for it.
    Hidden,
}

// Canonical order: letters; then Z extensions by the rank of their second letter among the
// single letters (I M A F D C B), then alphabetically; then S extensions alphabetically.
// Source: Unprivileged ISA, "ISA Extension Naming Conventions".
#[rustfmt::skip]
extensions! {
//  extension   name           shown  requires
    I           "i"            Letter [];
    M           "m"            Letter [];
    A           "a"            Letter [];
    F           "f"            Letter [Zicsr];
    D           "d"            Letter [F];
    C           "c"            Letter [];
    Zicbom      "zicbom"       Word   [];
    Zicbop      "zicbop"       Word   [];
    Zicboz      "zicboz"       Word   [];
    Zicntr      "zicntr"       Word   [Zicsr];
    Zicond      "zicond"       Word   [];
    Zicsr       "zicsr"        Word   [];
    Zifencei    "zifencei"     Word   [];
    Zihintpause "zihintpause"  Word   [];
    Zihpm       "zihpm"        Word   [Zicsr];
    Zawrs       "zawrs"        Word   [A];
    Zfh         "zfh"          Word   [Zfhmin];
    Zfhmin      "zfhmin"       Word   [F];
    Zcb         "zcb"          Word   [C];
    Zba         "zba"          Word   [];
    Zbb         "zbb"          Word   [];
    Zbc         "zbc"          Word   [];
    Zbs         "zbs"          Word   [];
    Sstc        "sstc"         Word   [Zicsr];
    Sv39        "sv39"         Hidden [Zicsr];
    Sv48        "sv48"         Hidden [Sv39];
    Sv57        "sv57"         Hidden [Sv48];
    Svade       "svade"        Word   [];
    Svadu       "svadu"        Word   [];
    Svinval     "svinval"      Word   [];
    Svnapot     "svnapot"      Word   [Sv39];
    Svpbmt      "svpbmt"       Word   [Sv39];
    Svvptc      "svvptc"       Word   [Sv39];
}

/// Names of processors that `--cpu` may begin with, and what each has.
const MODELS: [(&str, Extensions); 3] =
    [("rv64", Extensions::RV64), ("max", Extensions::ALL), ("rv64i", Extensions::BASE)];

/// A set of extensions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extensions(u64);

const _: () = assert!(Extension::ALL.len() < 64);

impl Extensions {
    /// Everything that the hart can do.
    pub const ALL: Self = Self((1 << Extension::ALL.len()) - 1);
    /// What QEMU's `rv64` is like: without Svade, so that hardware sets A and D bits from the
    /// start, on which kernels written for it rely.
    pub const RV64: Self = Self::ALL.without(Self::of(&[Extension::Svade]));
    /// The base instruction set alone.
    pub const BASE: Self = Self::of(&[Extension::I]);

    /// The set of these.
    pub const fn of(list: &[Extension]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < list.len() {
            bits |= 1 << list[at] as u64;
            at += 1;
        }
        Self(bits)
    }

    /// Whether `extension` is enabled.
    #[inline(always)]
    pub const fn has(self, extension: Extension) -> bool {
        self.0 >> extension as u64 & 1 != 0
    }

    /// Whether all of `others` are enabled.
    #[inline(always)]
    pub const fn has_all(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// The enabled extensions in canonical order.
    pub fn iter(self) -> impl Iterator<Item = Extension> {
        Extension::ALL.iter().copied().filter(move |&e| self.has(e))
    }

    /// This set and `other`.
    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Everything that the members of this set need, themselves included.
    fn closed(self) -> Self {
        let all = self.iter().fold(self, |set, e| set.with(e.requires()));
        if all == self { self } else { all.closed() }
    }

    /// Reads a `--cpu` value: a model, then switches `name=on` or `name=off`, the last one of a
    /// name winning: `rv64,zbb=off,svadu=off`.
    ///
    /// Switching an extension off takes what depends on it along; switching one on brings what
    /// it needs. A switch that another explicit switch contradicts is an error.
    pub fn parse(text: &str) -> Result<Self, CpuError> {
        let text = text.to_ascii_lowercase();
        let mut words = text.split(',').map(str::trim);
        let model = words.next().unwrap_or_default();
        let base = MODELS.iter().find(|(name, _)| *name == model);
        let base = base.ok_or_else(|| CpuError::UnknownModel {
            name: model.into(),
            nearest: nearest(model, MODELS.map(|(name, _)| name)),
        })?;
        let (mut on, mut off) = (Self(0), Self(0));
        for word in words {
            let (extension, enabled) = parse_switch(word)?;
            let one = Self::of(&[extension]);
            (on, off) = if enabled {
                (on.with(one), off.without(one))
            } else {
                (on.without(one), off.with(one))
            };
        }
        if off.has(Extension::I) {
            return Err(CpuError::BaseOff);
        }
        for wanted in on.iter() {
            if let Some(needed) = off.iter().find(|&e| Self::of(&[wanted]).closed().has(e)) {
                return Err(CpuError::Contradiction { wanted, needed });
            }
        }
        let candidates = base.1.with(on.closed());
        let lost = candidates.iter().filter(|&e| Self::of(&[e]).closed().0 & off.0 != 0);
        Ok(lost.fold(candidates, |set, e| set.without(Self::of(&[e]))))
    }

    /// The value of the `misa` CSR: MXL = 64, the letters, S and U mode.
    ///
    /// Source: Privileged ISA, "Machine ISA (misa) Register".
    pub fn misa(self) -> u64 {
        const MXL_64: u64 = 2 << 62;
        let letter = |c: u8| 1u64 << (c - b'a');
        let letters = self
            .iter()
            .filter(|e| e.shown() == Shown::Letter)
            .fold(0, |bits, e| bits | letter(e.name().as_bytes()[0]));
        let b = Self::of(&[Extension::Zba, Extension::Zbb, Extension::Zbs]);
        let b = if self.has_all(b) { letter(b'b') } else { 0 };
        MXL_64 | letters | b | letter(b's') | letter(b'u')
    }

    /// The names of what is enabled, as `riscv,isa-extensions` in the device tree lists them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.iter().filter(|e| e.shown() != Shown::Hidden).map(Extension::name)
    }

    /// The ISA string, as `riscv,isa` in the device tree has it: `rv64imafdc_zicbom_…`.
    pub fn isa_string(self) -> String {
        let mut text = String::from("rv64");
        for extension in self.iter() {
            match extension.shown() {
                Shown::Letter => text.push_str(extension.name()),
                Shown::Word => text.extend(["_", extension.name()]),
                Shown::Hidden => {}
            }
        }
        text
    }
}

impl Default for Extensions {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What is wrong with a `--cpu` value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CpuError {
    /// The first word is no model.
    #[error("unknown cpu `{name}`; did you mean `{nearest}`?")]
    UnknownModel {
        /// The word.
        name: String,
        /// The known name most like it.
        nearest: &'static str,
    },
    /// A switch names no extension.
    #[error("unknown extension `{name}`; did you mean `{nearest}`?")]
    UnknownExtension {
        /// The word.
        name: String,
        /// The known name most like it.
        nearest: &'static str,
    },
    /// A switch is neither on nor off.
    #[error("extension `{name}` is switched with `{name}=on` or `{name}=off`, not `{found}`")]
    BadSwitch {
        /// The extension.
        name: &'static str,
        /// The whole switch.
        found: String,
    },
    /// One extension is switched on and another that it needs off.
    #[error("extension `{}` requires `{}`, which is switched off", wanted.name(), needed.name())]
    Contradiction {
        /// Switched on.
        wanted: Extension,
        /// Switched off.
        needed: Extension,
    },
    /// The base instruction set is not an option.
    #[error("the base instruction set `i` cannot be switched off")]
    BaseOff,
}

fn parse_switch(word: &str) -> Result<(Extension, bool), CpuError> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let extension = Extension::ALL.iter().copied().find(|e| e.name() == name);
    let extension = extension.ok_or_else(|| CpuError::UnknownExtension {
        name: name.into(),
        nearest: nearest(name, Extension::ALL.iter().map(|e| e.name())),
    })?;
    match value {
        "on" | "true" | "yes" => Ok((extension, true)),
        "off" | "false" | "no" => Ok((extension, false)),
        _ => Err(CpuError::BadSwitch { name: extension.name(), found: word.into() }),
    }
}

/// The candidate that needs the fewest changes to become `word`; of equals the one that begins
/// most like it, then the first.
pub(crate) fn nearest(
    word: &str,
    candidates: impl IntoIterator<Item = &'static str>,
) -> &'static str {
    // Words beyond this length are compared by their beginning: the cost is a product.
    const MAX_CHARS: usize = 64;
    let word: String = word.chars().take(MAX_CHARS).collect();
    let alike = |c: &str| c.chars().zip(word.chars()).take_while(|(c, w)| c == w).count();
    let distance = |c: &str| strsim::levenshtein(&word, c);
    let nearest = candidates.into_iter().min_by_key(|c| (distance(c), Reverse(alike(c))));
    nearest.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches() {
        use Extension as E;
        for (text, lacking) in [
            ("max", vec![]),
            ("rv64", vec![E::Svade]),
            ("rv64,svade=on", vec![]),
            ("max,zbb=off,svadu=off", vec![E::Zbb, E::Svadu]),
            ("max,zbb=off,zbb=on", vec![]),
            ("MAX, Zbb=False", vec![E::Zbb]),
            ("max,d=off", vec![E::D]),
            ("max,f=off", vec![E::F, E::D, E::Zfh, E::Zfhmin]),
            ("max,c=no", vec![E::C, E::Zcb]),
            ("max,sv48=off", vec![E::Sv48, E::Sv57]),
            ("max,zfhmin=off", vec![E::Zfhmin, E::Zfh]),
        ] {
            let expected = Extensions::ALL.without(Extensions::of(&lacking));
            assert_eq!(Extensions::parse(text), Ok(expected), "{text}");
        }
        let small = Extensions::of(&[E::I, E::Zfh, E::Zfhmin, E::F, E::Zicsr]);
        assert_eq!(Extensions::parse("rv64i,zfh=on"), Ok(small));
    }

    #[test]
    fn bad_switches_are_explained() {
        for (text, message) in [
            ("", "unknown cpu ``; did you mean `max`?"),
            ("rv32", "unknown cpu `rv32`; did you mean `rv64`?"),
            ("rv64,zbbb=on", "unknown extension `zbbb`; did you mean `zbb`?"),
            ("rv64,svadue=off", "unknown extension `svadue`; did you mean `svadu`?"),
            ("rv64,zbb", "extension `zbb` is switched with `zbb=on` or `zbb=off`, not `zbb`"),
            (
                "rv64,zbb=maybe",
                "extension `zbb` is switched with `zbb=on` or `zbb=off`, not `zbb=maybe`",
            ),
            ("rv64,d=on,f=off", "extension `d` requires `f`, which is switched off"),
            ("rv64,zicsr=off,d=on", "extension `d` requires `zicsr`, which is switched off"),
            ("rv64,i=off", "the base instruction set `i` cannot be switched off"),
        ] {
            let error = Extensions::parse(text).expect_err(text);
            assert_eq!(error.to_string(), message, "{text}");
        }
    }

    #[test]
    fn every_set_that_parses_has_what_its_members_need() {
        for &one in Extension::ALL.iter().filter(|&&e| e != Extension::I) {
            let needs = Extensions::of(&[one]).closed();
            assert!(needs.has(one));
            assert!(!one.requires().closed().has(one), "{one:?} requires itself");
            // Off takes along all that need it, and nothing else.
            let off = Extensions::parse(&format!("max,{}=off", one.name())).unwrap();
            for &other in Extension::ALL {
                let needs_one = Extensions::of(&[other]).closed().has(one);
                assert_eq!(off.has(other), !needs_one, "{other:?} without {one:?}");
            }
            assert_eq!(off.closed(), off, "without {one:?}");
            // On brings all that it needs, and nothing else.
            let on = Extensions::parse(&format!("rv64i,{}=on", one.name()));
            assert_eq!(on, Ok(Extensions::BASE.with(needs)), "with {one:?}");
            for needed in needs.iter().filter(|&e| e != one) {
                let text = format!("rv64i,{}=on,{}=off", one.name(), needed.name());
                let error = CpuError::Contradiction { wanted: one, needed };
                assert_eq!(Extensions::parse(&text), Err(error), "{text}");
            }
        }
    }

    #[test]
    fn a_letter_more_or_less_is_understood() {
        for extension in Extension::ALL.iter().filter(|e| e.name().len() > 4) {
            let name = extension.name();
            for typo in [format!("{name}x"), format!("x{name}")] {
                let error = parse_switch(&format!("{typo}=on")).expect_err("a typo");
                let message = error.to_string();
                assert!(message.ends_with(&format!("did you mean `{name}`?")), "{message}");
            }
        }
    }

    #[test]
    fn extensions_are_in_canonical_order() {
        // Single letters; Z by the rank of the second letter; S. Then by the alphabet.
        let rank = |name: &str| match (name.as_bytes(), name.len()) {
            (letter, 1) => (0, "imafdc".find(char::from(letter[0]))),
            ([b'z', second, ..], _) => (1, "imafdqlcbkjtpvnhus".find(char::from(*second))),
            _ => (2, None),
        };
        let names: Vec<_> = Extension::ALL.iter().map(|e| e.name()).collect();
        assert!(names.is_sorted_by_key(|name| (rank(name), *name)), "{names:?}");
    }

    #[test]
    fn the_guest_sees_what_is_enabled() {
        let cpu = |text| Extensions::parse(text).unwrap();
        assert_eq!(cpu("rv64").misa(), 0x8000_0000_0014_112f);
        assert_eq!(cpu("rv64,zbs=off,d=off").misa(), 0x8000_0000_0014_1125);
        assert_eq!(cpu("rv64i").misa(), 0x8000_0000_0014_0100);
        assert_eq!(cpu("rv64i,zbb=on,m=on,sv39=on").isa_string(), "rv64im_zicsr_zbb");
        assert_eq!(
            cpu("max").isa_string(),
            "rv64imafdc_zicbom_zicbop_zicboz_zicntr_zicond_zicsr_zifencei_zihintpause_zihpm\
             _zawrs_zfh_zfhmin_zcb_zba_zbb_zbc_zbs_sstc_svade_svadu_svinval_svnapot_svpbmt_svvptc"
        );
    }
}
