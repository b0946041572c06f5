//! What to trace, and where: the values of the options, as text and as types.

use std::fmt;
use std::ops::BitOr;
use std::str::FromStr;

use crate::addr::Privilege;
use crate::debug::symbols::Symbols;
use crate::isa::extension::nearest;

/// What a trace is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceOptions {
    /// What to show.
    pub items: TraceItems,
    /// Where to look.
    pub filter: Filter,
}

/// Kinds of lines, QEMU's `-d`: a set, as text a list with commas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceItems(u8);

impl TraceItems {
    /// Traps taken.
    pub const INT: Self = Self(1);
    /// TLB misses, and the walks that they cause, level by level.
    pub const MMU: Self = Self(2);
    /// Instructions when they are decoded.
    pub const IN_ASM: Self = Self(4);
    /// Instructions when they are executed.
    pub const EXEC: Self = Self(8);
    /// No lines at all: the list of items is wanted.
    pub const HELP: Self = Self(16);

    /// The items, with what `-d help` says of them.
    const TABLE: [(&'static str, Self, &'static str); 6] = [
        ("int", Self::INT, "exceptions and interrupts, when they are taken"),
        ("mmu", Self::MMU, "TLB misses, with the page-table walk level by level"),
        ("in_asm", Self::IN_ASM, "instructions when they are decoded, block by block"),
        ("exec", Self::EXEC, "every instruction executed (lots of lines)"),
        ("nochain", Self(0), "nothing more: exec always shows every instruction"),
        ("help", Self::HELP, "this list"),
    ];

    /// Whether all of `other` is in `self`.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is to be traced.
    pub const fn is_empty(self) -> bool {
        self.0 & !Self::HELP.0 == 0
    }

    /// What `-d help` prints.
    pub fn help() -> String {
        let lines = Self::TABLE.map(|(name, _, what)| format!("{name:<15} {what}\n"));
        format!("Log items (comma separated):\n{}", lines.concat())
    }
}

impl BitOr for TraceItems {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromStr for TraceItems {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        let item = |word: &str| {
            let found = Self::TABLE.iter().find(|(name, ..)| *name == word);
            found.map(|(_, items, _)| *items).ok_or_else(|| TraceError::Item {
                found: word.to_owned(),
                nearest: nearest(word, Self::TABLE.map(|(name, ..)| name)),
            })
        };
        text.split(',').try_fold(Self::default(), |items, word| Ok(items | item(word)?))
    }
}

/// Privilege modes: a set, as text their letters with commas. Unless told, all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes(u8);

impl Modes {
    const NONE: Self = Self(0);
    const ALL: [(&'static str, Privilege); 3] =
        [("m", Privilege::Machine), ("s", Privilege::Supervisor), ("u", Privilege::User)];

    /// Whether `mode` is in the set.
    pub const fn has(self, mode: Privilege) -> bool {
        self.0 >> mode as u8 & 1 != 0
    }

    fn with(self, mode: Privilege) -> Self {
        Self(self.0 | 1 << mode as u8)
    }
}

impl Default for Modes {
    fn default() -> Self {
        Self::ALL.into_iter().fold(Self::NONE, |modes, (_, mode)| modes.with(mode))
    }
}

impl FromStr for Modes {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        text.split(',').try_fold(Self::NONE, |modes, word| {
            let found = Self::ALL.iter().find(|(letter, _)| letter.eq_ignore_ascii_case(word));
            found
                .map(|(_, mode)| modes.with(*mode))
                .ok_or_else(|| TraceError::Mode { found: word.to_owned() })
        })
    }
}

/// A part of the address space. As text: the name of a symbol, or addresses as in QEMU's
/// `-dfilter`, `FIRST..LAST`, `FIRST+LENGTH` or `END-LENGTH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Region {
    /// Everything that a symbol stands for.
    Symbol(String),
    /// These addresses, the last one too.
    Range(u64, u64),
}

impl Region {
    /// The first and the last address of each part.
    fn resolve(&self, symbols: &Symbols) -> Result<Vec<(u64, u64)>, TraceError> {
        match self {
            Self::Range(first, last) => Ok(vec![(*first, *last)]),
            Self::Symbol(name) => match symbols.extents_of(name) {
                extents if extents.is_empty() => Err(TraceError::Symbol { found: name.clone() }),
                extents => Ok(extents),
            },
        }
    }
}

impl FromStr for Region {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return match text {
                "" => Err(TraceError::Region { found: text.to_owned() }),
                name => Ok(Self::Symbol(name.to_owned())),
            };
        }
        let range = |split: &str, ends: fn(u64, u64) -> Option<(u64, u64)>| {
            let (left, right) = text.split_once(split)?;
            let (first, last) = ends(number(left)?, number(right)?)?;
            (first <= last).then_some(Self::Range(first, last))
        };
        range("..", |first, last| Some((first, last)))
            .or_else(|| {
                range("+", |first, len| Some((first, first.checked_add(len.checked_sub(1)?)?)))
            })
            .or_else(|| range("-", |end, len| Some((end.checked_sub(len)?, end.checked_sub(1)?))))
            .ok_or_else(|| TraceError::Region { found: text.to_owned() })
    }
}

/// A decimal or, behind `0x`, hexadecimal number.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None => text.parse().ok(),
    }
}

/// Where a trace looks: what happens elsewhere is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In these modes.
    pub modes: Modes,
    /// In these parts of the address space; everywhere where none is named.
    pub regions: Vec<Region>,
}

/// A [`Filter`] with its symbols looked up.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    modes: Modes,
    ranges: Vec<(u64, u64)>,
}

impl Scope {
    pub(super) fn new(filter: &Filter, symbols: &Symbols) -> Result<Self, TraceError> {
        let ranges = filter.regions.iter().map(|region| region.resolve(symbols));
        let ranges = ranges.collect::<Result<Vec<_>, _>>()?.concat();
        Ok(Self { modes: filter.modes, ranges })
    }

    /// Whether a hart at `pc` in `mode` is looked at.
    pub(super) fn has(&self, mode: Privilege, pc: u64) -> bool {
        let inside = |&(first, last): &(u64, u64)| (first..=last).contains(&pc);
        self.modes.has(mode) && (self.ranges.is_empty() || self.ranges.iter().any(inside))
    }
}

/// What is asked for cannot be traced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// There is no such kind of lines.
    #[error("unknown log item `{found}`; did you mean `{nearest}`? (`help` lists them)")]
    Item {
        /// What was asked for.
        found: String,
        /// What there is.
        nearest: &'static str,
    },
    /// There is no such privilege mode.
    #[error("unknown privilege mode `{found}`: expected m, s or u, or several with commas")]
    Mode {
        /// What was asked for.
        found: String,
    },
    /// Neither a symbol nor a range.
    #[error("`{found}` is no region: expected a symbol, FIRST..LAST, FIRST+LENGTH or END-LENGTH")]
    Region {
        /// What was asked for.
        found: String,
    },
    /// The program has no such symbol.
    #[error("the program has no symbol `{found}`")]
    Symbol {
        /// What was asked for.
        found: String,
    },
}

impl fmt::Display for TraceItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |(name, item, _): &(&'static str, Self, _)| {
            (item.0 != 0 && self.has(*item)).then_some(*name)
        };
        f.write_str(&Self::TABLE.iter().filter_map(named).collect::<Vec<_>>().join(","))
    }
}
