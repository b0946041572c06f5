//! [`Raised`]: an exception on a hart's trail, with what can be found out about it afterwards.

use super::{article, illegal, place};
use crate::addr::{Access, Privilege, VirtAddr};
use crate::debug::inspect::cause::trap_name;
use crate::debug::inspect::code;
use crate::debug::inspect::walk::Inquiry;
use crate::debug::view::{Space, View};
use crate::hart::trail::{Event, Turn};
use crate::isa::{self, Extensions, Insn};
use crate::trap::{Exception, Trap};

/// An exception on the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raised {
    pub(super) exception: Exception,
    /// The mode that it was raised in.
    pub(super) privilege: Privilege,
    /// Address of the instruction that raised it.
    pub(super) epc: u64,
    /// Where it led.
    pub(super) handler: u64,
}

impl Raised {
    /// `None` for another event than an exception.
    pub(super) fn new(event: &Event) -> Option<Self> {
        let Turn::Trap(Trap::Exception(exception), privilege) = event.turn else { return None };
        Some(Self { exception, privilege, epc: event.from.0, handler: event.to.0 })
    }

    /// The name, after `a` or `an`, and the address of the data.
    pub(super) fn name(&self) -> String {
        let name = article(trap_name(Trap::Exception(self.exception)));
        match self.access() {
            Some((Access::Load | Access::Store, va)) => format!("{name} on {:#x}", va.0),
            _ => name,
        }
    }

    /// Whether it is the same exception of the same instruction.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        let key = |raised: &Self| (raised.exception.cause(), raised.epc);
        key(self) == key(other)
    }

    /// The access that was denied.
    pub(super) fn access(&self) -> Option<(Access, VirtAddr)> {
        match self.exception {
            Exception::AccessFault(access, va) | Exception::PageFault(access, va) => {
                Some((access, va))
            }
            _ => None,
        }
    }

    pub(super) fn is_fetch(&self) -> bool {
        self.access().is_some_and(|(access, _)| access == Access::Fetch)
    }

    /// The translation of the access, where it is denied now as it was then.
    pub(super) fn inquiry<'a>(&self, view: &View<'a>) -> Option<Inquiry<'a>> {
        let (access, va) = self.access()?;
        let inquiry = Inquiry::new(view, va, access, Some(self.privilege));
        let denial = inquiry.denial()?;
        (denial.exception.cause() == self.exception.cause()).then_some(inquiry)
    }

    /// Why it was raised; `None` where the name says it all.
    pub(super) fn why(&self, view: &View<'_>) -> Option<String> {
        if let Exception::IllegalInstruction(bits) = self.exception {
            return Some(illegal::reason(view, bits, self.privilege));
        }
        let (_, va) = self.access()?;
        let denial = self.inquiry(view).and_then(|inquiry| inquiry.denial());
        Some(denial.map_or_else(
            || format!("at {:#x}, where nothing is wrong now", va.0),
            |denial| denial.why,
        ))
    }

    /// The instruction, where it can be fetched.
    pub(super) fn insn(&self, view: &View<'_>) -> Option<Insn> {
        match self.exception {
            Exception::IllegalInstruction(bits) => isa::decode(bits, &Extensions::ALL),
            _ => code::fetch(view, Space::Mode(self.privilege), self.epc).ok()?.decode(),
        }
    }

    /// Its address, and what it is where that is known.
    pub(super) fn instruction(&self, view: &View<'_>) -> String {
        let text = self.insn(view).map(|insn| code::assembly(&insn, self.epc, view.symbols));
        let text = text.map_or(String::new(), |text| format!(", `{text}`"));
        format!("{}{text}", place(view, self.epc))
    }
}
