//! Offsets and names of the transport's registers.
//!
//! Source: "MMIO Device Register Layout" and "Legacy interface" of "Virtio Over MMIO". The
//! legacy layout calls some of them by other names (`HostFeatures` for `DeviceFeatures`,
//! `GuestFeatures` for `DriverFeatures`); the modern names are used for both.

/// Size of the register window in bytes, as on QEMU.
pub const LEN_BYTES: u64 = 0x200;

/// `MagicValue`: "virt", little-endian.
pub(super) const MAGIC: u32 = 0x7472_6976;
/// `VendorID`: drivers written for QEMU's `virt` check for "QEMU".
pub(super) const VENDOR: u32 = 0x554d_4551;

macro_rules! registers {
    ($($name:ident = $offset:literal, $text:literal;)*) => {
        $(pub(super) const $name: u64 = $offset;)*

        /// Data-sheet name of the register at `offset`.
        pub(super) fn name(offset: u64) -> Option<&'static str> {
            match offset {
                $($offset => Some($text),)*
                CONFIG.. => Some("Config"),
                _ => None,
            }
        }
    };
}

registers! {
    MAGIC_VALUE = 0x000, "MagicValue";
    VERSION = 0x004, "Version";
    DEVICE_ID = 0x008, "DeviceID";
    VENDOR_ID = 0x00c, "VendorID";
    DEVICE_FEATURES = 0x010, "DeviceFeatures";
    DEVICE_FEATURES_SEL = 0x014, "DeviceFeaturesSel";
    DRIVER_FEATURES = 0x020, "DriverFeatures";
    DRIVER_FEATURES_SEL = 0x024, "DriverFeaturesSel";
    GUEST_PAGE_SIZE = 0x028, "GuestPageSize";
    QUEUE_SEL = 0x030, "QueueSel";
    QUEUE_NUM_MAX = 0x034, "QueueNumMax";
    QUEUE_NUM = 0x038, "QueueNum";
    QUEUE_ALIGN = 0x03c, "QueueAlign";
    QUEUE_PFN = 0x040, "QueuePFN";
    QUEUE_READY = 0x044, "QueueReady";
    QUEUE_NOTIFY = 0x050, "QueueNotify";
    INTERRUPT_STATUS = 0x060, "InterruptStatus";
    INTERRUPT_ACK = 0x064, "InterruptACK";
    STATUS = 0x070, "Status";
    QUEUE_DESC_LOW = 0x080, "QueueDescLow";
    QUEUE_DESC_HIGH = 0x084, "QueueDescHigh";
    QUEUE_DRIVER_LOW = 0x090, "QueueDriverLow";
    QUEUE_DRIVER_HIGH = 0x094, "QueueDriverHigh";
    QUEUE_DEVICE_LOW = 0x0a0, "QueueDeviceLow";
    QUEUE_DEVICE_HIGH = 0x0a4, "QueueDeviceHigh";
    SHM_SEL = 0x0ac, "SHMSel";
    SHM_LEN_LOW = 0x0b0, "SHMLenLow";
    SHM_LEN_HIGH = 0x0b4, "SHMLenHigh";
    SHM_BASE_LOW = 0x0b8, "SHMBaseLow";
    SHM_BASE_HIGH = 0x0bc, "SHMBaseHigh";
    CONFIG_GENERATION = 0x0fc, "ConfigGeneration";
}

/// First byte of the configuration space, which goes on to the end of the window.
pub(super) const CONFIG: u64 = 0x100;
