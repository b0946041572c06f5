//! The console with many ports: byte streams to the host, by name. [`start`] asks the device which
//! there are and hands them to `fs::port`.
//!
//! A port has a page for what comes in and one for what goes out, each made when it is first used.
//! The device is told that somebody listens when the first one does: until then the host keeps its
//! input for whoever else may want it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use guest::errno::Errno;
use guest::virtio::console::{
    CONTROL_RECEIVE, CONTROL_TRANSMIT, MAX_NR_PORTS, MESSAGE_BYTES, MULTIPORT, Tell, Told,
    receive_queue, transmit_queue,
};
use guest::virtio::queue::{Direction, Queue};

use super::page::{PAGE_BYTES, Page};
use super::transport::{Transport, Trouble};
use crate::dev::register_interrupt;
use crate::fs::port;
use crate::mm::{read_frame, write_frame};
use crate::sync::{Once, SpinLock, WaitQueue};
use crate::time;

/// Most ports that are looked at.
const MAX_PORTS: u32 = 8;
/// Entries of a port's queues: one page is on its way at a time.
const PORT_ENTRIES: usize = 2;
/// Entries of the queues of control messages.
const CONTROL_ENTRIES: usize = 4;
/// How long the device has to tell of its ports, and to take a message, in nanoseconds.
const PATIENCE_NS: u64 = 50_000_000;

/// The device.
#[derive(Debug)]
struct Device {
    transport: Transport,
    control: SpinLock<Control>,
    ports: Vec<Arc<Port>>,
}

/// Control messages.
#[derive(Debug)]
struct Control {
    receive: Queue<CONTROL_ENTRIES>,
    transmit: Queue<CONTROL_ENTRIES>,
    /// Messages of the device by the names of their buffers, and behind them the one to it.
    page: Page,
}

/// Where in the page the message to the device is.
const MESSAGE_TO_DEVICE: usize = CONTROL_ENTRIES * MESSAGE_BYTES;

/// A port.
#[derive(Debug)]
struct Port {
    number: u32,
    transport: Transport,
    input: SpinLock<Stream>,
    output: SpinLock<Stream>,
    changed: WaitQueue,
    /// Somebody in the guest listens.
    is_wanted: AtomicBool,
    /// The host has closed its end.
    has_ended: AtomicBool,
    /// Columns in the lower half, rows in the upper; 0 while nobody knows.
    size: AtomicU32,
}

/// One direction of a port.
#[derive(Debug)]
struct Stream {
    queue: Queue<PORT_ENTRIES>,
    page: Option<Page>,
    /// The device has the page.
    is_busy: bool,
    /// What has come and has not been taken yet, as offsets in the page.
    start: usize,
    end: usize,
}

static DEVICE: Once<Device> = Once::new();

/// Makes the device work, and its ports known. There is one: a second one is left alone.
pub(super) fn start(transport: Transport, source: u32) -> Result<(), Trouble> {
    if DEVICE.get().is_some() {
        return Err(Trouble::Unfit("there is another console already"));
    }
    if transport.begin(MULTIPORT)? & MULTIPORT == 0 {
        return Err(Trouble::Unfit("its ports have no names"));
    }
    let count = transport.config_u32(MAX_NR_PORTS).min(MAX_PORTS);
    let (receive, transmit) =
        (transport.set_up(CONTROL_RECEIVE)?, transport.set_up(CONTROL_TRANSMIT)?);
    let control = SpinLock::new(Control { receive, transmit, page: Page::new() });
    let ports = (0..count).map(|number| Port::new(number, transport).map(Arc::new));
    let ports = ports.collect::<Result<_, _>>()?;
    transport.finish();
    let device = DEVICE.set(Device { transport, control, ports });
    device.meet();
    register_interrupt(
        source,
        "virtio-console",
        |_| DEVICE.get().into_iter().for_each(Device::interrupt),
        0,
    );
    // What has come meanwhile has interrupted nobody.
    device.interrupt();
    Ok(())
}

impl Device {
    /// Asks which ports there are, and makes those known that have a name.
    fn meet(&self) {
        let (mut added, mut named): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        self.control.lock().offer_all(self.transport);
        self.tell(Tell::DeviceReady);
        let deadline = time::now().after(PATIENCE_NS);
        while added.is_empty() || named.len() < added.len() {
            let mut message = [0; MESSAGE_BYTES];
            let told = self.control.lock().take(self.transport, &mut message);
            match told.and_then(|length| Told::parse(&message[..length])) {
                Some(Told::Added(number)) if self.port(number).is_some() => {
                    added.push(number);
                    self.tell(Tell::PortReady(number));
                }
                Some(Told::Named(number, name)) => {
                    named.push(number);
                    if let Some(port) = self.port(number) {
                        port::register(name, port.clone());
                    }
                }
                Some(other) => self.heed(other),
                None if time::now() > deadline => return,
                None => {}
            }
        }
    }

    fn port(&self, number: u32) -> Option<&Arc<Port>> {
        self.ports.get(number as usize)
    }

    fn interrupt(&self) {
        self.transport.acknowledge();
        let mut message = [0; MESSAGE_BYTES];
        loop {
            let told = self.control.lock().take(self.transport, &mut message);
            let Some(length) = told else { break };
            Told::parse(&message[..length]).into_iter().for_each(|told| self.heed(told));
        }
        for port in &self.ports {
            port.changed.wake_all();
        }
    }

    /// What the device may tell at any time.
    fn heed(&self, told: Told<'_>) {
        match told {
            Told::Open(number, is_open) => {
                self.port(number)
                    .into_iter()
                    .for_each(|port| port.has_ended.store(!is_open, Ordering::Release));
            }
            Told::Size(number, [columns, rows]) => {
                let size = u32::from(columns) | u32::from(rows) << u16::BITS;
                self.port(number)
                    .into_iter()
                    .for_each(|port| port.size.store(size, Ordering::Relaxed));
            }
            Told::Added(_) | Told::Removed(_) | Told::Console(_) | Told::Named(..) => {}
        }
    }

    /// Tells the device something.
    fn tell(&self, what: Tell) {
        let mut control = self.control.lock();
        let message = what.to_bytes();
        write_frame(control.page.frame(), MESSAGE_TO_DEVICE, &message);
        let buffer = control.page.buffer(MESSAGE_TO_DEVICE, message.len(), Direction::ToDevice);
        if control.transmit.add(&[buffer]).is_none() {
            return;
        }
        self.transport.notify(CONTROL_TRANSMIT);
        // The next message goes where this one is.
        let deadline = time::now().after(PATIENCE_NS);
        while control.transmit.take().is_none() && time::now() < deadline {
            core::hint::spin_loop();
        }
    }
}

impl Control {
    /// Gives the device buffers for its messages. Each is in the page where its name says.
    fn offer_all(&mut self, transport: Transport) {
        for index in 0..CONTROL_ENTRIES {
            self.offer(index);
        }
        transport.notify(CONTROL_RECEIVE);
    }

    fn offer(&mut self, index: usize) {
        let start = index * MESSAGE_BYTES;
        let buffer = self.page.buffer(start, MESSAGE_BYTES, Direction::FromDevice);
        // A buffer that comes back gets the name that it had: it is the only one that is free.
        let head = self.receive.add(&[buffer]);
        debug_assert_eq!(head.map(usize::from), Some(index));
    }

    /// The next message of the device; its length.
    fn take(&mut self, transport: Transport, to: &mut [u8; MESSAGE_BYTES]) -> Option<usize> {
        let done = self.receive.take()?;
        let index = usize::from(done.head);
        let length = (done.written_bytes as usize).min(MESSAGE_BYTES);
        read_frame(self.page.frame(), index * MESSAGE_BYTES, &mut to[..length]);
        self.offer(index);
        transport.notify(CONTROL_RECEIVE);
        Some(length)
    }
}

impl Port {
    fn new(number: u32, transport: Transport) -> Result<Self, Trouble> {
        let stream = |queue| transport.set_up(queue).map(Stream::new).map(SpinLock::new);
        Ok(Self {
            number,
            transport,
            input: stream(receive_queue(number))?,
            output: stream(transmit_queue(number))?,
            changed: WaitQueue::new(),
            is_wanted: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            size: AtomicU32::new(0),
        })
    }

    /// Somebody listens: the device is told, once.
    fn want(&self) {
        if self.is_wanted.load(Ordering::Relaxed) || self.is_wanted.swap(true, Ordering::Relaxed) {
            return;
        }
        self.offer_page(&mut self.input.lock());
        if let Some(device) = DEVICE.get() {
            device.tell(Tell::Open(self.number, true));
        }
    }

    /// Gives the device the page for what comes in.
    fn offer_page(&self, input: &mut Stream) {
        input.give(PAGE_BYTES, Direction::FromDevice);
        self.transport.notify(receive_queue(self.number));
    }
}

impl Stream {
    fn new(queue: Queue<PORT_ENTRIES>) -> Self {
        Self { queue, page: None, is_busy: false, start: 0, end: 0 }
    }

    fn page(&mut self) -> &Page {
        self.page.get_or_insert_with(Page::new)
    }

    /// Gives the device the page.
    fn give(&mut self, length_bytes: usize, direction: Direction) {
        let buffer = self.page().buffer(0, length_bytes, direction);
        self.is_busy = self.queue.add(&[buffer]).is_some();
    }

    /// Takes the page back, if the device has done with it.
    fn take_back(&mut self) {
        if let Some(done) = self.queue.take() {
            self.is_busy = false;
            (self.start, self.end) = (0, (done.written_bytes as usize).min(PAGE_BYTES));
        }
    }

    /// Bytes that have come and have not been taken.
    fn waiting(&mut self) -> usize {
        if self.is_busy {
            self.take_back();
        }
        self.end - self.start
    }
}

impl port::Port for Port {
    fn receive(&self, to: &mut [u8]) -> Result<usize, Errno> {
        self.want();
        // Whoever says that this is the end says so after the last byte.
        let has_ended = self.has_ended.load(Ordering::Acquire);
        let mut input = self.input.lock();
        let count = input.waiting().min(to.len());
        if count == 0 {
            return if has_ended { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        let start = input.start;
        read_frame(input.page().frame(), start, &mut to[..count]);
        input.start += count;
        if input.start == input.end {
            self.offer_page(&mut input);
        }
        Ok(count)
    }

    fn has_input(&self) -> bool {
        self.want();
        self.has_ended.load(Ordering::Acquire) || self.input.lock().waiting() > 0
    }

    fn send(&self, from: &[u8]) -> usize {
        let mut output = self.output.lock();
        output.waiting();
        if output.is_busy || from.is_empty() {
            return 0;
        }
        let count = from.len().min(PAGE_BYTES);
        write_frame(output.page().frame(), 0, &from[..count]);
        output.give(count, Direction::ToDevice);
        self.transport.notify(transmit_queue(self.number));
        output.waiting();
        count
    }

    fn has_room(&self) -> bool {
        let mut output = self.output.lock();
        output.waiting();
        !output.is_busy
    }

    fn changed(&self) -> &WaitQueue {
        &self.changed
    }

    fn window(&self) -> Option<[u16; 2]> {
        let size = self.size.load(Ordering::Relaxed);
        (size != 0).then_some([size as u16, (size >> u16::BITS) as u16])
    }
}
