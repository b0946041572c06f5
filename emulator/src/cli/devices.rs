//! What is plugged into the machine's virtio slots: `-drive`, `-device`, `-global`, in QEMU's
//! spelling. Options become plain values here; [`plug`] then puts them where QEMU would. What disks are
//! like is said in `disks.rs`.

use std::path::PathBuf;

use super::disks::{DiskErrors, SWAP_ID, Swap, own_latency};
use super::props::{Props, did_you_mean};
use super::streams::Target;
use crate::device::virtio::block::Latency;
use crate::machine::board::{Kind, MAX_PORTS};

/// Slots for virtio devices.
pub(super) const SLOTS: usize = 8;
/// What QEMU calls a slot, before its number.
const SLOT_BUS: &str = "virtio-mmio-bus.";
/// What QEMU calls the bus of a serial device that has no name, before its number.
const SERIAL_BUS: &str = "virtio-serial-bus.";

/// `-drive`: a disk image, not yet in any device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drive {
    text: String,
    id: Option<String>,
    file: PathBuf,
    attach: Attach,
    snapshot: Option<bool>,
    is_read_only: bool,
    /// Its own latency.
    latency: Option<Latency>,
}

/// Who puts a drive into a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attach {
    /// A `-device` that names it.
    ByName,
    /// Nobody: it gets a device of its own.
    ByItself,
}

impl Drive {
    /// # Errors
    /// In words, where `text` describes none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let props = Props::parse(text, Some("file"))?;
        props.allow(&["file", "if", "format", "id", "snapshot", "readonly", "media", "latency"])?;
        props.word("format", &[("raw", ())])?;
        props.word("media", &[("disk", ())])?;
        let attach = props.word("if", &[("none", Attach::ByName), ("virtio", Attach::ByItself)])?;
        Ok(Self {
            text: format!("-drive {text}"),
            id: props.get("id").map(str::to_owned),
            file: props.demand("file")?.into(),
            attach: attach.unwrap_or(Attach::ByName),
            snapshot: props.switch("snapshot")?,
            is_read_only: props.switch("readonly")?.unwrap_or(false),
            latency: own_latency(&props)?,
        })
    }
}

/// `-device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    text: String,
    id: Option<String>,
    /// Where it is to be, if that is said.
    bus: Option<String>,
    model: Model,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Model {
    /// `virtio-blk-device`, with the name of its drive.
    Block(String),
    /// `virtio-rng-device`
    Rng,
    /// `virtio-serial-device`: a bus for consoles.
    Serial,
    /// `virtconsole` or `virtserialport`, which sit on the bus of a serial device.
    Port(PortModel),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PortModel {
    kind: Kind,
    name: Option<String>,
    /// Its number on the bus, if that is said.
    number: Option<u32>,
    target: Target,
}

impl Device {
    /// Devices that there are, with the properties of each.
    const MODELS: [(&str, &[&str]); 5] = [
        ("virtio-blk-device", &["driver", "id", "bus", "drive"]),
        ("virtio-rng-device", &["driver", "id", "bus"]),
        ("virtio-serial-device", &["driver", "id", "bus"]),
        ("virtconsole", &["driver", "id", "bus", "chardev", "name", "nr"]),
        ("virtserialport", &["driver", "id", "bus", "chardev", "name", "nr"]),
    ];

    /// # Errors
    /// In words, where `text` describes none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let props = Props::parse(text, Some("driver"))?;
        let name = props.demand("driver")?;
        let Some((name, keys)) = Self::MODELS.iter().find(|(model, _)| *model == name) else {
            return Err(unknown_model(name));
        };
        props.allow(keys)?;
        let option = format!("-device {text}");
        let model = match *name {
            "virtio-blk-device" => Model::Block(props.demand("drive")?.to_owned()),
            "virtio-rng-device" => Model::Rng,
            "virtio-serial-device" => Model::Serial,
            "virtconsole" => Model::Port(PortModel::parse(Kind::Console, &option, &props)?),
            _ => Model::Port(PortModel::parse(Kind::Serial, &option, &props)?),
        };
        let owned = |key| props.get(key).map(str::to_owned);
        Ok(Self { text: option, id: owned("id"), bus: owned("bus"), model })
    }

    /// What the console among devices is to be connected to, if this is one.
    pub(super) fn console_target(&self) -> Option<&Target> {
        match &self.model {
            Model::Port(port) => Some(&port.target),
            Model::Block(_) | Model::Rng | Model::Serial => None,
        }
    }
}

impl PortModel {
    fn parse(kind: Kind, option: &str, props: &Props) -> Result<Self, String> {
        let number = props.get("nr").map(|text| match text.parse() {
            Ok(number) if number < MAX_PORTS => Ok(number),
            _ => Err(format!("`nr={text}`: expected a number from 0 to {}", MAX_PORTS - 1)),
        });
        let name = props.get("name").map(str::to_owned);
        let target = Target::console(option, props.get("chardev"));
        Ok(Self { kind, name, number: number.transpose()?, target })
    }
}

fn unknown_model(name: &str) -> String {
    let models = Device::MODELS.map(|(model, _)| model);
    if name.starts_with("virtio-net") {
        return format!("`{name}` is not supported: pagewalk has no network");
    }
    let on_mmio = name.strip_suffix("-pci").map(|stem| format!("{stem}-device"));
    match on_mmio.filter(|model| models.contains(&model.as_str())) {
        Some(model) => format!("`{name}` needs PCI, which pagewalk does not have; use `{model}`"),
        None => format!("no device is called `{name}`{}", did_you_mean(name, &models)),
    }
}

/// `-global`: a property of all devices of a kind. There is one: whether the virtio slots have the
/// registers of the time before virtio 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Global {
    pub(super) is_legacy_forced: bool,
}

impl Default for Global {
    fn default() -> Self {
        Self { is_legacy_forced: true }
    }
}

impl Global {
    /// # Errors
    /// In words, where `text` is of no property that there is.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const DRIVER: &str = "virtio-mmio";
        const PROPERTY: &str = "force-legacy";
        let props = Props::parse(text, None)?;
        let (driver, property, value) = match props.get("driver") {
            Some(driver) => {
                props.allow(&["driver", "property", "value"])?;
                (driver, props.demand("property")?, props.demand("value")?)
            }
            None => {
                let long = text.split_once('=').and_then(|(long, value)| {
                    long.rsplit_once('.').map(|(driver, property)| (driver, property, value))
                });
                long.ok_or("expected DRIVER.PROPERTY=VALUE")?
            }
        };
        if (driver, property) != (DRIVER, PROPERTY) {
            return Err(format!(
                "`{driver}.{property}` is not supported (there is {DRIVER}.{PROPERTY})"
            ));
        }
        Ok(Self { is_legacy_forced: super::props::switch(property, value)? })
    }
}

/// What a slot has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plugged {
    /// A disk.
    Block(Disk),
    /// A source of random numbers.
    Rng,
    /// A serial device, with the ports on it.
    Serial(Vec<Port>),
}

/// A port of a serial device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    /// Its number in the device.
    pub(super) number: u32,
    pub(super) kind: Kind,
    /// What the guest knows it by.
    pub(super) name: Option<String>,
    /// Its index among the ports of all devices.
    pub(super) stream: usize,
}

/// A disk in a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// What the user calls it.
    pub(super) id: String,
    pub(super) medium: Medium,
    pub(super) latency: Latency,
    /// What goes wrong with it: the index among what the user says of that.
    pub(super) errors: Option<usize>,
}

/// What a disk keeps its sectors in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// An image.
    Image {
        file: PathBuf,
        /// Writes are kept apart from the file and forgotten.
        is_snapshot: bool,
        is_read_only: bool,
    },
    /// Memory: a swap area of so many bytes.
    Swap(u64),
}

/// What drives become that do not say so themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Writes {
    /// They go to the file.
    #[default]
    Kept,
    /// They are forgotten: `-snapshot`.
    Forgotten,
}

/// What the user wants in the slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) drives: &'a [Drive],
    pub(super) devices: &'a [Device],
    pub(super) swap: Option<&'a Swap>,
    pub(super) writes: Writes,
    /// Latency of disks that have none of their own.
    pub(super) latency: Latency,
    pub(super) errors: &'a [DiskErrors],
}

/// Puts devices into slots as QEMU's `virt` does: each into the slot that it names, else into the
/// free one with the highest number, in the order of the command line; then, in the same way, a
/// disk for each drive that attaches by itself. Before all of them comes the disk for swapping, in
/// the last slot that nobody names, so that it is the last one to kernels, which look through the
/// slots from the first on, and the names of other disks do not depend on it.
///
/// # Errors
/// In words: a drive that is missing, or used twice or not at all, a slot that is taken.
pub(super) fn plug(wanted: &Wanted<'_>) -> Result<[Option<Plugged>; SLOTS], String> {
    let mut board = Board::new(wanted)?;
    let devices = wanted.devices;
    board.add_swap().map_err(|trouble| format!("--swap: {trouble}"))?;
    for (index, device) in devices.iter().enumerate() {
        if let Some(id) = &device.id
            && devices[..index].iter().any(|other| other.id.as_ref() == Some(id))
        {
            return Err(format!("{}: another device is called `{id}`", device.text));
        }
        board.add(device).map_err(|trouble| format!("{}: {trouble}", device.text))?;
    }
    board.finish()
}

/// A board that is being filled.
struct Board<'a> {
    slots: [Option<Plugged>; SLOTS],
    drives: Vec<Named<'a>>,
    wanted: &'a Wanted<'a>,
    /// Serial devices: the name of the bus that each is, and its slot.
    serials: Vec<(String, usize)>,
    /// Ports of all serial devices.
    ports: usize,
}

/// A drive with the name that devices know it by.
struct Named<'a> {
    id: String,
    drive: &'a Drive,
    is_used: bool,
}

impl<'a> Board<'a> {
    fn new(wanted: &'a Wanted<'a>) -> Result<Self, String> {
        let drives = wanted.drives;
        let mut named: Vec<Named<'_>> = Vec::new();
        for (index, drive) in drives.iter().enumerate() {
            let id = drive.id.clone().unwrap_or_else(|| {
                // As QEMU names them: none0, none1, virtio0.
                let alike = drives[..index].iter().filter(|d| d.attach == drive.attach).count();
                let interface = if drive.attach == Attach::ByName { "none" } else { "virtio" };
                format!("{interface}{alike}")
            });
            if named.iter().any(|other| other.id == id) {
                return Err(format!("{}: another drive is called `{id}`", drive.text));
            }
            named.push(Named { id, drive, is_used: false });
        }
        let has_drive = |id: &str| named.iter().any(|named| named.id == id);
        if wanted.swap.is_some() && has_drive(SWAP_ID) {
            return Err(format!("--swap: a drive is called `{SWAP_ID}`"));
        }
        let exists = |id: &str| has_drive(id) || (id == SWAP_ID && wanted.swap.is_some());
        for DiskErrors { text, drive, .. } in wanted.errors {
            if let Some(id) = drive.as_deref().filter(|id| !exists(id)) {
                return Err(format!("{text}: no drive is called `{id}`"));
            }
        }
        let slots = [const { None }; SLOTS];
        Ok(Self { slots, drives: named, wanted, serials: Vec::new(), ports: 0 })
    }

    fn add_swap(&mut self) -> Result<(), String> {
        let Some(Swap { len_bytes, latency }) = self.wanted.swap else { return Ok(()) };
        let disk = self.wanted.disk(SWAP_ID, Medium::Swap(*len_bytes), *latency);
        let is_named = |slot: &usize| {
            let mut buses = self.wanted.devices.iter().filter_map(|device| device.bus.as_deref());
            buses.any(|bus| slot_called(bus) == Some(*slot))
        };
        let slot = (0..SLOTS).rev().find(|slot| !is_named(slot)).ok_or_else(no_slot_left)?;
        self.slots[slot] = Some(Plugged::Block(disk));
        Ok(())
    }

    fn add(&mut self, device: &Device) -> Result<(), String> {
        let bus = device.bus.as_deref();
        match &device.model {
            Model::Block(id) => {
                let disk = self.take_drive(id)?;
                self.put(bus, Plugged::Block(disk))?;
            }
            Model::Rng => {
                self.put(bus, Plugged::Rng)?;
            }
            Model::Serial => {
                let name = match &device.id {
                    Some(id) => format!("{id}.0"),
                    None => {
                        let nameless = |(bus, _): &&(String, usize)| bus.starts_with(SERIAL_BUS);
                        format!("{SERIAL_BUS}{}", self.serials.iter().filter(nameless).count())
                    }
                };
                let slot = self.put(bus, Plugged::Serial(Vec::new()))?;
                self.serials.push((name, slot));
            }
            Model::Port(port) => self.add_port(port, bus)?,
        }
        Ok(())
    }

    /// Puts a port on a bus. Without a number it gets the first that is free; the first of all is
    /// for a console, as in QEMU.
    fn add_port(&mut self, model: &PortModel, bus: Option<&str>) -> Result<(), String> {
        let mut serials = self.serials.iter();
        let serial = match bus {
            None => serials.next().ok_or("it needs a virtio-serial-device before it")?,
            Some(bus) => serials
                .find(|(name, _)| name == bus)
                .ok_or_else(|| format!("no virtio-serial-device has the bus `{bus}`"))?,
        };
        let Some(Plugged::Serial(ports)) = &mut self.slots[serial.1] else {
            unreachable!("the list of serial devices has their slots");
        };
        let is_free = |number: &u32| ports.iter().all(|port| port.number != *number);
        let number = match (model.number, model.kind) {
            (Some(number), _) if !is_free(&number) => {
                return Err(format!("`{}` has a port {number} already", serial.0));
            }
            (Some(0), Kind::Serial) => {
                return Err("port 0 is for a virtconsole".to_owned());
            }
            (Some(number), _) => number,
            (None, kind) => (u32::from(kind == Kind::Serial)..MAX_PORTS)
                .find(is_free)
                .ok_or_else(|| format!("`{}` has no port left", serial.0))?,
        };
        let (kind, name) = (model.kind, model.name.clone());
        ports.push(Port { number, kind, name, stream: self.ports });
        self.ports += 1;
        Ok(())
    }

    /// Marks a drive as used.
    fn take_drive(&mut self, id: &str) -> Result<Disk, String> {
        let found = self.drives.iter_mut().find(|named| named.id == id);
        let named = found.ok_or_else(|| format!("no -drive has id={id}"))?;
        if named.is_used || named.drive.attach == Attach::ByItself {
            return Err(format!("another device already uses drive `{id}`"));
        }
        named.is_used = true;
        Ok(named.disk(self.wanted))
    }

    /// Puts something into the slot called `bus`, or into the next; yields its number.
    fn put(&mut self, bus: Option<&str>, what: Plugged) -> Result<usize, String> {
        let slot = match bus {
            None => self.slots.iter().rposition(Option::is_none).ok_or_else(no_slot_left)?,
            Some(bus) => slot_called(bus).ok_or_else(|| {
                format!("no bus `{bus}`: there is {SLOT_BUS}0 to {SLOT_BUS}{}", SLOTS - 1)
            })?,
        };
        if self.slots[slot].is_some() {
            return Err(format!("`{SLOT_BUS}{slot}` is taken"));
        }
        self.slots[slot] = Some(what);
        Ok(slot)
    }

    fn finish(mut self) -> Result<[Option<Plugged>; SLOTS], String> {
        for index in 0..self.drives.len() {
            let Named { id, drive, is_used } = &self.drives[index];
            match drive.attach {
                Attach::ByName if !is_used => {
                    return Err(format!(
                        "{}: no device uses it; add -device virtio-blk-device,drive={id}, or use \
                         if=virtio",
                        drive.text
                    ));
                }
                Attach::ByName => {}
                Attach::ByItself => {
                    let disk = self.drives[index].disk(self.wanted);
                    let text = &drive.text;
                    self.put(None, Plugged::Block(disk))
                        .map_err(|trouble| format!("{text}: {trouble}"))?;
                }
            }
        }
        Ok(self.slots)
    }
}

/// The number of the slot that has this name.
fn slot_called(bus: &str) -> Option<usize> {
    let number = bus.strip_prefix(SLOT_BUS).and_then(|number| number.parse().ok());
    number.filter(|number| *number < SLOTS)
}

fn no_slot_left() -> String {
    format!("all {SLOTS} slots for virtio devices are taken")
}

impl Wanted<'_> {
    /// A disk, with what is said of it or of all. Of several errors the last one counts.
    fn disk(&self, id: &str, medium: Medium, latency: Option<Latency>) -> Disk {
        let concerns = |errors: &DiskErrors| errors.drive.as_deref().is_none_or(|name| name == id);
        Disk {
            id: id.to_owned(),
            medium,
            latency: latency.unwrap_or(self.latency),
            errors: self.errors.iter().rposition(concerns),
        }
    }
}

impl Named<'_> {
    fn disk(&self, wanted: &Wanted<'_>) -> Disk {
        let Drive { file, snapshot, is_read_only, latency, .. } = self.drive;
        let medium = Medium::Image {
            file: file.clone(),
            is_snapshot: snapshot.unwrap_or(wanted.writes == Writes::Forgotten),
            is_read_only: *is_read_only,
        };
        wanted.disk(&self.id, medium, *latency)
    }
}

#[cfg(test)]
mod tests;
