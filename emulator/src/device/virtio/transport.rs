//! The register window of a virtio device, in both layouts: identification, negotiation, queue
//! set-up, notification and interrupt. The kind of device behind it is a [`Backend`]; a window
//! without one is an empty slot, which drivers recognise by a device id of zero.
//!
//! Source: "Virtio Over MMIO", "Device Status Field" and "Device Initialization".

use std::fmt;

use super::chain::Chain;
use super::queue::{MAX_QUEUE_ENTRIES, Parts, Queue};
use super::register as reg;
use super::{Backend, Broken, Layout, Outcome, Request, SERVICE_BYTES, feature};
use crate::addr::Width;
use crate::bus::{BusFault, Device, DeviceCx, PowerRequest, Ram};

/// Status: the driver is set up.
const STATUS_DRIVER_OK: u32 = 4;
/// Status: the driver has named the features it wants, and the device agrees.
const STATUS_FEATURES_OK: u32 = 8;
/// Status: the device has met something from which it cannot recover.
const STATUS_NEEDS_RESET: u32 = 64;
/// Status: the bits that a driver writes.
const STATUS_WRITABLE: u32 = 0xff & !STATUS_NEEDS_RESET;

/// Interrupt: buffers have been used.
const INTERRUPT_USED: u32 = 1 << 0;
/// Interrupt: configuration or status has changed.
const INTERRUPT_CONFIG: u32 = 1 << 1;

/// `QueueAlign` of a driver that writes none, as on QEMU.
const DEFAULT_ALIGN_BYTES: u32 = 4096;

/// What the driver has written about one queue, and the queue once it is in use.
#[derive(Debug)]
struct Slot {
    entries: u32,
    align_bytes: u32,
    page_number: u32,
    parts: Parts,
    queue: Option<Queue>,
}

impl Slot {
    fn new() -> Self {
        Self {
            entries: MAX_QUEUE_ENTRIES.into(),
            align_bytes: DEFAULT_ALIGN_BYTES,
            page_number: 0,
            parts: Parts::default(),
            queue: None,
        }
    }
}

/// What a reset by the driver clears.
#[derive(Debug, Default)]
struct State {
    status: u32,
    interrupt: u32,
    device_features_sel: u32,
    driver_features_sel: u32,
    driver_features: u64,
    queue_sel: u32,
    slots: Vec<Slot>,
    /// Queues (bit = number) that may hold chains to be served.
    backlog: u64,
}

impl State {
    fn new(queues: usize) -> Self {
        Self { slots: (0..queues).map(|_| Slot::new()).collect(), ..Self::default() }
    }
}

/// The transport: one slot of the machine's virtio bus.
pub struct Transport {
    name: &'static str,
    /// Bit of the interrupt line among the platform's sources.
    source: u64,
    layout: Layout,
    backend: Option<Box<dyn Backend>>,
    state: State,
    /// From `GuestPageSize`, which drivers write once, before the first reset.
    page_shift: u32,
    chain: Chain,
}

impl Transport {
    /// A window called `name` in logs, with the given register layout, that interrupts on
    /// `source` (0 to 63); without a `backend`, an empty slot.
    ///
    /// # Panics
    /// Where the backend has more than 64 queues.
    pub fn new(
        name: &'static str,
        source: u32,
        layout: Layout,
        backend: Option<Box<dyn Backend>>,
    ) -> Self {
        let queues = backend.as_ref().map_or(0, |backend| backend.queues());
        assert!(queues <= 64, "{name}: a bit for each queue");
        Self {
            name,
            source: 1 << source,
            layout,
            backend,
            state: State::new(queues),
            page_shift: 0,
            chain: Chain::default(),
        }
    }

    /// All feature bits offered.
    fn offered(&self) -> u64 {
        let kind = self.backend.as_ref().map_or(0, |backend| backend.features());
        let shared = feature::INDIRECT_DESC | feature::EVENT_IDX;
        kind | shared
            | match self.layout {
                Layout::Legacy => feature::ANY_LAYOUT,
                Layout::Modern => feature::VERSION_1,
            }
    }

    fn slot(&self) -> Option<&Slot> {
        self.state.slots.get(self.state.queue_sel as usize)
    }

    fn read_register(&self, offset: u64) -> u32 {
        let Some(backend) = &self.backend else {
            return match offset {
                reg::MAGIC_VALUE => reg::MAGIC,
                reg::VERSION => self.version(),
                reg::VENDOR_ID => reg::VENDOR,
                _ => 0,
            };
        };
        let state = &self.state;
        let is_legacy = self.layout == Layout::Legacy;
        match offset {
            reg::MAGIC_VALUE => reg::MAGIC,
            reg::VERSION => self.version(),
            reg::DEVICE_ID => backend.device_id(),
            reg::VENDOR_ID => reg::VENDOR,
            reg::DEVICE_FEATURES => match state.device_features_sel {
                0 => self.offered() as u32,
                1 => (self.offered() >> 32) as u32,
                _ => 0,
            },
            reg::QUEUE_NUM_MAX => self.slot().map_or(0, |_| MAX_QUEUE_ENTRIES.into()),
            reg::QUEUE_PFN if is_legacy => self.slot().map_or(0, |slot| slot.page_number),
            reg::QUEUE_READY if !is_legacy => {
                self.slot().is_some_and(|slot| slot.queue.is_some()).into()
            }
            reg::INTERRUPT_STATUS => state.interrupt,
            reg::STATUS => state.status,
            // All ones are the length of a shared region that does not exist.
            reg::SHM_LEN_LOW | reg::SHM_LEN_HIGH | reg::SHM_BASE_LOW | reg::SHM_BASE_HIGH => {
                u32::MAX
            }
            // No configuration changes by itself.
            reg::CONFIG_GENERATION => 0,
            _ => 0,
        }
    }

    fn version(&self) -> u32 {
        match self.layout {
            Layout::Legacy => 1,
            Layout::Modern => 2,
        }
    }

    fn write_register(&mut self, offset: u64, value: u32, cx: &mut DeviceCx<'_>) {
        if self.backend.is_none() {
            return;
        }
        match offset {
            reg::DEVICE_FEATURES_SEL => self.state.device_features_sel = value,
            reg::DRIVER_FEATURES_SEL => self.state.driver_features_sel = value,
            reg::DRIVER_FEATURES => self.write_driver_features(value),
            reg::QUEUE_SEL => self.state.queue_sel = value,
            reg::QUEUE_NOTIFY => {
                self.kick(1_u64.checked_shl(value).unwrap_or(0));
                self.work(cx);
            }
            reg::INTERRUPT_ACK => self.state.interrupt &= !value,
            reg::STATUS => {
                self.write_status(value);
                self.work(cx);
            }
            // One region is as absent as the other.
            reg::SHM_SEL => {}
            _ => self.write_queue_register(offset, value, cx.ram),
        }
    }

    fn write_queue_register(&mut self, offset: u64, value: u32, ram: &Ram) {
        if (self.layout, offset) == (Layout::Legacy, reg::GUEST_PAGE_SIZE) {
            self.page_shift = value.trailing_zeros() % u32::BITS;
            return;
        }
        let Some(slot) = self.state.slots.get_mut(self.state.queue_sel as usize) else { return };
        match (self.layout, offset) {
            // A queue in use keeps its shape.
            (_, reg::QUEUE_NUM) if slot.queue.is_none() => slot.entries = value,
            (Layout::Legacy, reg::QUEUE_ALIGN) if value != 0 => slot.align_bytes = value,
            (Layout::Legacy, reg::QUEUE_PFN) => {
                slot.page_number = value;
                slot.queue = None;
                if value != 0 {
                    let start = u64::from(value) << self.page_shift;
                    slot.parts = Parts::contiguous(start, slot.entries, slot.align_bytes);
                    self.start_queue(ram);
                }
            }
            (Layout::Modern, reg::QUEUE_READY) if value & 1 == 0 => slot.queue = None,
            (Layout::Modern, reg::QUEUE_READY) if slot.queue.is_none() => self.start_queue(ram),
            (Layout::Modern, _) => write_address(&mut slot.parts, offset, value),
            _ => {}
        }
    }

    /// Puts the selected queue to use.
    fn start_queue(&mut self, ram: &Ram) {
        let Some(slot) = self.state.slots.get_mut(self.state.queue_sel as usize) else { return };
        match Queue::new(slot.entries, slot.parts, ram) {
            Ok(queue) => slot.queue = Some(queue),
            Err(why) => self.fail(why),
        }
    }

    fn write_driver_features(&mut self, value: u32) {
        let state = &mut self.state;
        if state.status & STATUS_FEATURES_OK != 0 {
            log::warn!("{}: features are written after FEATURES_OK, ignored", self.name);
            return;
        }
        let (value, low) = (u64::from(value), u64::from(u32::MAX));
        state.driver_features = match state.driver_features_sel {
            0 => state.driver_features & !low | value,
            1 => state.driver_features & low | value << 32,
            _ => return,
        };
        // No FEATURES_OK follows that could be refused.
        if self.layout == Layout::Legacy {
            self.state.driver_features &= self.offered();
        }
    }

    fn write_status(&mut self, value: u32) {
        if value == 0 {
            self.forget_driver();
            return;
        }
        let mut new = value & STATUS_WRITABLE | self.state.status & STATUS_NEEDS_RESET;
        let set = new & !self.state.status;
        let unknown = self.state.driver_features & !self.offered();
        if set & STATUS_FEATURES_OK != 0 && unknown != 0 {
            log::warn!("{}: the driver wants features {unknown:#x}, not offered", self.name);
            new &= !STATUS_FEATURES_OK;
        }
        self.state.status = new;
        if set & STATUS_DRIVER_OK != 0 {
            self.kick(u64::MAX);
        }
    }

    /// Notes that these queues (bit = number) are to be looked at.
    fn kick(&mut self, queues: u64) {
        let mine = u64::MAX.checked_shl(self.state.slots.len() as u32).map_or(u64::MAX, |m| !m);
        self.state.backlog |= queues & mine;
    }

    fn forget_driver(&mut self) {
        self.state = State::new(self.state.slots.len());
        if let Some(backend) = &mut self.backend {
            backend.reset();
        }
    }

    /// Stops until the next reset, and says so.
    fn fail(&mut self, Broken(why): Broken) {
        log::warn!("{}: {why}; the device needs a reset", self.name);
        let state = &mut self.state;
        state.backlog = 0;
        state.status |= STATUS_NEEDS_RESET;
        if state.status & STATUS_DRIVER_OK != 0 {
            state.interrupt |= INTERRUPT_CONFIG;
        }
    }

    /// Whether queues are served. Legacy drivers may use them before they set DRIVER_OK.
    fn is_running(&self) -> bool {
        let is_started = self.layout == Layout::Legacy || self.state.status & STATUS_DRIVER_OK != 0;
        is_started && self.state.status & STATUS_NEEDS_RESET == 0
    }

    /// Serves the backlog, as far as [`SERVICE_BYTES`] go.
    fn work(&mut self, cx: &mut DeviceCx<'_>) {
        let mut budget_bytes = SERVICE_BYTES;
        while self.is_running() && self.state.backlog != 0 && budget_bytes > 0 {
            let index = self.state.backlog.trailing_zeros() as usize;
            match self.serve_queue(index, &mut budget_bytes, cx) {
                Ok(()) if budget_bytes > 0 => self.state.backlog &= !(1 << index),
                Ok(()) => {}
                Err(why) => self.fail(why),
            }
        }
    }

    /// Serves one queue until it is empty, must wait, or the budget is used up.
    fn serve_queue(
        &mut self,
        index: usize,
        budget_bytes: &mut u64,
        cx: &mut DeviceCx<'_>,
    ) -> Result<(), Broken> {
        let Self { backend, state, chain, .. } = self;
        let features = state.driver_features;
        let context = Context { index, features };
        let queue = state.slots.get_mut(index).and_then(|slot| slot.queue.as_mut());
        let (Some(backend), Some(queue)) = (backend, queue) else { return Ok(()) };
        let before = queue.given();
        let mut outcome = Ok(());
        while *budget_bytes > 0 {
            match serve_one(backend.as_mut(), queue, chain, &context, cx) {
                Ok(Some(cost_bytes)) => *budget_bytes = budget_bytes.saturating_sub(cost_bytes),
                Ok(None) => break,
                Err(why) => {
                    outcome = Err(why);
                    break;
                }
            }
        }
        queue.ask_for_notification(cx.ram, features);
        if queue.wants_interrupt(cx.ram, features, before) {
            state.interrupt |= INTERRUPT_USED;
        }
        outcome
    }

    fn drive(&self, cx: &mut DeviceCx<'_>) {
        if self.state.interrupt != 0 {
            cx.irq.sources |= self.source;
        } else {
            cx.irq.sources &= !self.source;
        }
    }

    /// `width` bytes of the configuration space at `offset`; ones where there is none.
    fn read_config(&self, offset: u64, width: Width) -> u64 {
        let Some(backend) = &self.backend else { return 0 };
        let byte = |at: u64| backend.config().get(at as usize).copied().unwrap_or(u8::MAX);
        (0..width.bytes()).fold(0, |value, i| value | u64::from(byte(offset + i)) << (8 * i))
    }
}

/// Which queue is served, and what was agreed on.
struct Context {
    index: usize,
    features: u64,
}

/// Serves the next chain of a queue: what that has cost, or nothing where there is none that can
/// be answered.
fn serve_one(
    backend: &mut dyn Backend,
    queue: &mut Queue,
    chain: &mut Chain,
    at: &Context,
    cx: &mut DeviceCx<'_>,
) -> Result<Option<u64>, Broken> {
    if !queue.take(cx.ram, chain)? {
        return Ok(None);
    }
    let Context { index, features } = *at;
    let request = Request { queue: index, chain, features, mtime: cx.mtime };
    let outcome = backend.serve(&request, cx.ram)?;
    if let Outcome::Used { written_bytes, cost_bytes } = outcome {
        queue.give(cx.ram, chain.head(), written_bytes);
        return Ok(Some(cost_bytes.saturating_add(chain.cost_bytes())));
    }
    if outcome == Outcome::PowerCut {
        *cx.power = Some(PowerRequest::Cut);
    }
    queue.untake();
    Ok(None)
}

/// Writes half of the address of a queue's part.
fn write_address(parts: &mut Parts, offset: u64, value: u32) {
    let part = match offset {
        reg::QUEUE_DESC_LOW | reg::QUEUE_DESC_HIGH => &mut parts.descriptors,
        reg::QUEUE_DRIVER_LOW | reg::QUEUE_DRIVER_HIGH => &mut parts.available,
        reg::QUEUE_DEVICE_LOW | reg::QUEUE_DEVICE_HIGH => &mut parts.used,
        _ => return,
    };
    let shift = 8 * (offset % 8);
    *part = *part & !(u64::from(u32::MAX) << shift) | u64::from(value) << shift;
}

impl Device for Transport {
    fn name(&self) -> &'static str {
        self.name
    }

    /// Registers answer words, and doublewords as two of them; the configuration space answers
    /// every width. Narrow accesses to registers read zero, as on QEMU.
    fn read(&mut self, offset: u64, width: Width, _: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
        check(offset, width)?;
        let word = |offset| u64::from(self.read_register(offset));
        Ok(match width {
            _ if offset >= reg::CONFIG => self.read_config(offset - reg::CONFIG, width),
            Width::Double => word(offset) | word(offset + 4) << 32,
            Width::Word => word(offset),
            Width::Byte | Width::Half => 0,
        })
    }

    fn write(
        &mut self,
        offset: u64,
        width: Width,
        value: u64,
        cx: &mut DeviceCx<'_>,
    ) -> Result<(), BusFault> {
        check(offset, width)?;
        if let Some(at) = offset.checked_sub(reg::CONFIG) {
            if let Some(backend) = &mut self.backend {
                let bytes = value.to_le_bytes().into_iter().take(width.bytes() as usize);
                (at..).zip(bytes).for_each(|(at, byte)| backend.write_config(at, byte));
            }
        } else if width >= Width::Word {
            self.write_register(offset, value as u32, cx);
            if width == Width::Double {
                self.write_register(offset + 4, (value >> 32) as u32, cx);
            }
        }
        self.drive(cx);
        Ok(())
    }

    fn poll(&mut self, cx: &mut DeviceCx<'_>) {
        if let Some(backend) = &mut self.backend {
            let ready = backend.ready(cx.mtime);
            self.kick(ready);
            self.work(cx);
        }
        self.drive(cx);
    }

    fn deadline(&self, mtime: u64) -> Option<u64> {
        if !self.is_running() {
            return None;
        }
        let soon = mtime.checked_add(1)?;
        let due = self.backend.as_ref().and_then(|backend| backend.deadline());
        if self.state.backlog != 0 { Some(soon) } else { due.map(|at| at.max(soon)) }
    }

    fn reset(&mut self) {
        self.forget_driver();
        self.page_shift = 0;
    }

    fn register_name(&self, offset: u64) -> Option<&'static str> {
        reg::name(offset)
    }
}

fn check(offset: u64, width: Width) -> Result<(), BusFault> {
    let is_inside = offset < reg::LEN_BYTES && offset.is_multiple_of(width.bytes());
    is_inside.then_some(()).ok_or(BusFault)
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("name", &self.name)
            .field("layout", &self.layout)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
