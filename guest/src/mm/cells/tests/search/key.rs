//! What distinguishes worlds: all but the names of frames, cells and slots, spaces and pages.

use std::collections::HashMap;

use super::world::{Content, World};
use crate::mm::CellId;
use crate::mm::frames::List;
use crate::mm::swap::SlotId;
use crate::pte::Flags;

/// A world without names: by order of first appearance.
pub(super) type Key = Vec<u8>;

impl World {
    /// Everything that makes a difference for what may happen from here on. Spaces are alike, and
    /// so are pages.
    pub(super) fn key(&self) -> Key {
        let swapped = [(0, 0), (0, 1), (1, 0), (1, 1)];
        let alike = swapped.into_iter().take(if self.pages == 1 { 1 } else { 4 });
        let one = [(1, 0)].into_iter().filter(|_| self.pages == 1);
        alike.chain(one).map(|swapped| self.key_with(swapped)).min().expect("there are some")
    }

    /// The key of the world in which spaces have changed places, or pages, or both.
    fn key_with(&self, (spaces, pages): (usize, usize)) -> Key {
        let mut names = Names::default();
        let mut key = Key::new();
        let named = |content: Content| match content {
            1 | 2 if spaces == 1 => 3 - content,
            other => other,
        };
        for (space, page) in self.places() {
            let (space, page) = (space ^ spaces, page ^ pages);
            let pte = self.ptes[space][page];
            let flags = [Flags::V, Flags::W, Flags::D].map(|flag| u8::from(pte.flags().has(flag)));
            let name = match self.cell_at((space, page)) {
                Some(cell) => names.cell(cell),
                None => {
                    if pte.0 == 0 {
                        0
                    } else {
                        0x80
                    }
                }
            };
            key.push(name);
            key.push(flags[0] | flags[1] << 1 | flags[2] << 2);
            key.push(named(self.model[space][page]));
        }
        for (tag, transfers) in [(0xa0, &self.writes), (0xa1, &self.reads)] {
            key.push(tag);
            for transfer in transfers {
                key.push(names.cell(transfer.cell));
                key.push(names.slot(transfer.slot));
                key.push(u8::from(self.ram_of(transfer.frame) == transfer.content));
            }
        }
        if let Some(((space, page), transfer)) = self.copy {
            let content = self.disk[transfer.slot.page() as usize];
            key.extend([
                0xa2,
                ((space ^ spaces) * 2 + (page ^ pages)) as u8,
                names.cell(transfer.cell),
            ]);
            key.extend([names.slot(transfer.slot), u8::from(content == transfer.content)]);
        }
        for list in List::ALL {
            key.push(0xa3);
            let mut next = self.memory.frames.first_of(list);
            while let Some(frame) = next {
                key.push(names.cell(self.memory.cell_in(frame).expect("it is idle")));
                next = self.memory.frames.next_listed(frame);
            }
        }
        for cell in names.cells.clone() {
            key.push(0xa4 + self.memory.cells.state(cell) as u8);
            key.push(u8::from(self.memory.cells.is_spoiled(cell)));
            key.push(self.memory.cells.slot(cell).map_or(0, |slot| names.slot(slot)));
            let slot = self.memory.cells.slot(cell);
            key.push(slot.map_or(0, |slot| named(self.disk[slot.page() as usize])));
        }
        key.push(self.memory.slots.total() as u8);
        key
    }
}

/// Names by order of first appearance.
#[derive(Default)]
struct Names {
    cells: Vec<CellId>,
    slots: HashMap<SlotId, u8>,
}

impl Names {
    fn cell(&mut self, cell: CellId) -> u8 {
        let position = self.cells.iter().position(|known| *known == cell);
        let position = position.unwrap_or_else(|| {
            self.cells.push(cell);
            self.cells.len() - 1
        });
        position as u8 + 1
    }

    fn slot(&mut self, slot: SlotId) -> u8 {
        let next = self.slots.len() as u8 + 1;
        *self.slots.entry(slot).or_insert(next)
    }
}
