//! Tests of `devices.rs`.

use super::*;

/// The board that these options make, a word and what it says each: slot by slot, in few words.
fn board(options: &str) -> Result<String, String> {
    let (mut drives, mut devices, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let (mut swap, mut latency, mut writes) = (None, Latency::NONE, Writes::Kept);
    for option in options.split(' ') {
        match option.split_once('=') {
            Some(("drive", text)) => drives.push(Drive::parse(text)?),
            Some(("device", text)) => devices.push(Device::parse(text)?),
            Some(("errors", text)) => errors.push(DiskErrors::parse(text)?),
            Some(("swap", text)) => swap = Some(Swap::parse(text)?),
            Some(("latency", text)) => latency = super::super::disks::latency(text)?,
            _ => writes = Writes::Forgotten,
        }
    }
    let (drives, devices, errors, swap) = (&drives, &devices, &errors, swap.as_ref());
    let slots = plug(&Wanted { drives, devices, swap, writes, latency, errors })?;
    let words = slots.iter().enumerate().rev().filter_map(|(slot, plugged)| {
        let what = match plugged.as_ref()? {
            Plugged::Rng => "rng".to_owned(),
            Plugged::Serial(ports) => {
                let ports = ports.iter().map(|port| {
                    let Port { number, kind, name, stream } = port;
                    let name = name.as_deref().unwrap_or_default();
                    format!("+{kind:?}{number}{name}={stream}")
                });
                format!("serial{}", ports.collect::<String>())
            }
            Plugged::Block(disk) => in_words(disk),
        };
        Some(format!("{slot}:{what}"))
    });
    Ok(words.collect::<Vec<_>>().join(" "))
}

fn in_words(disk: &Disk) -> String {
    let medium = match &disk.medium {
        Medium::Image { file, is_snapshot, is_read_only } => {
            let snapshot = if *is_snapshot { "+snapshot" } else { "" };
            let read_only = if *is_read_only { "+ro" } else { "" };
            format!("{}{snapshot}{read_only}", file.display())
        }
        Medium::Swap(len_bytes) => format!("{}M", len_bytes >> 20),
    };
    let latency = match disk.latency {
        Latency::NONE => String::new(),
        Latency::HDD => "+hdd".to_owned(),
        Latency { request_ns, page_ns, .. } => format!("+{request_ns}ns+{page_ns}ns"),
    };
    let errors = disk.errors.map(|index| format!("+errors{index}")).unwrap_or_default();
    format!("{}={medium}{latency}{errors}", disk.id)
}

#[test]
fn disks_are_as_is_said_of_them_or_of_all() {
    for (options, expect) in [
        ("swap=64M", "7:swap=64M"),
        ("swap=64M device=virtio-rng-device,bus=virtio-mmio-bus.7", "7:rng 6:swap=64M"),
        ("drive=a,if=virtio device=virtio-rng-device swap=64M", "7:swap=64M 6:rng 5:virtio0=a"),
        (
            "latency=hdd swap=64M,latency=100us drive=a,if=virtio \
             drive=b,if=virtio,latency=1ms,,2us drive=c,if=virtio,latency=none",
            "7:swap=64M+100000ns+0ns 6:virtio0=a+hdd 5:virtio1=b+1000000ns+2000ns 4:virtio2=c",
        ),
        ("errors=cut=1 drive=a,if=virtio swap=1M", "7:swap=1M+errors0 6:virtio0=a+errors0"),
        (
            "errors=read=1/2,drive=swap drive=a,if=virtio,id=a drive=b,if=virtio swap=1M",
            "7:swap=1M+errors0 6:a=a 5:virtio1=b",
        ),
        (
            "errors=cut=1 errors=cut=2,drive=a drive=a,if=virtio,id=a drive=b,if=virtio",
            "7:a=a+errors1 6:virtio1=b+errors0",
        ),
    ] {
        // As QEMU names them: the second drive without an id is virtio1, whatever others are called.
        assert_eq!(board(options).as_deref(), Ok(expect), "{options}");
    }
}

// What QEMU 7.2 makes of the same options: `info qtree` in its monitor.
#[test]
fn devices_go_where_qemu_puts_them() {
    for (options, expect) in [
        (
            "drive=file=fs.img,if=none,format=raw,id=x0 \
             device=virtio-blk-device,drive=x0,bus=virtio-mmio-bus.0",
            "0:x0=fs.img",
        ),
        (
            "drive=file=a,if=none,id=a drive=file=b,if=none,id=b \
             device=virtio-blk-device,drive=a device=virtio-blk-device,drive=b,bus=virtio-mmio-bus.3 \
             device=virtio-rng-device device=virtio-serial-device",
            "7:a=a 6:rng 5:serial 3:b=b",
        ),
        ("drive=file=a,if=virtio device=virtio-rng-device", "7:rng 6:virtio0=a"),
        (
            "drive=a,if=virtio drive=b drive=c,if=virtio device=virtio-blk-device,drive=none0",
            "7:none0=b 6:virtio0=a 5:virtio1=c",
        ),
        ("device=virtio-serial-device device=virtconsole", "7:serial+Console0=0"),
        (
            "device=virtio-serial-device,id=s device=virtio-serial-device \
             device=virtconsole,bus=virtio-serial-bus.0 device=virtconsole,bus=s.0",
            "7:serial+Console0=1 6:serial+Console0=0",
        ),
        (
            "device=virtio-serial-device device=virtserialport,name=a device=virtconsole \
             device=virtserialport,nr=5,name=b device=virtconsole device=virtserialport",
            "7:serial+Serial1a=0+Console0=1+Serial5b=2+Console2=3+Serial3=4",
        ),
        ("drive=a,if=virtio,snapshot=on,readonly=on", "7:virtio0=a+snapshot+ro"),
        (
            "drive=a,if=virtio drive=b,if=virtio,snapshot=off -snapshot",
            "7:virtio0=a+snapshot 6:virtio1=b",
        ),
        ("drive=file=a,,b,if=virtio,media=disk", "7:virtio0=a,b"),
    ] {
        assert_eq!(board(options).as_deref(), Ok(expect), "{options}");
    }
}

#[test]
fn what_cannot_be_is_explained() {
    let rngs = ["device=virtio-rng-device"; SLOTS + 1].join(" ");
    let ports = ["device=virtserialport"; MAX_PORTS as usize].join(" ");
    let ports = format!("device=virtio-serial-device {ports}");
    let disks = format!("drive=a,if=virtio {}", ["device=virtio-rng-device"; SLOTS].join(" "));
    let named = (0..SLOTS).map(|slot| format!(" device=virtio-rng-device,bus={SLOT_BUS}{slot}"));
    let named = format!("swap=1M{}", named.collect::<String>());
    let full = format!("swap=1M {}", ["device=virtio-rng-device"; SLOTS].join(" "));
    for (options, says) in [
        ("drive=if=none", "`file=` is missing"),
        ("drive=file=a,fromat=raw", "unknown property `fromat`; did you mean `format`?"),
        ("drive=file=a,format=qcow2", "`format=qcow2` is not supported (there is raw)"),
        ("drive=file=a,if=ide", "`if=ide` is not supported (there is none, virtio)"),
        ("drive=file=a,snapshot=maybe", "`snapshot=maybe`: expected on or off"),
        ("drive=file=a,media=cdrom", "`media=cdrom` is not supported"),
        ("drive=a", "-drive a: no device uses it; add -device virtio-blk-device,drive=none0"),
        ("drive=a,id=x drive=b,id=x", "-drive b,id=x: another drive is called `x`"),
        ("device=virtio-blk-device", "`drive=` is missing"),
        ("device=virtio-blk-device,drive=x", "drive=x: no -drive has id=x"),
        ("device=virtio-blk-device,drvie=x", "unknown property `drvie`"),
        (
            "drive=a,id=x device=virtio-blk-device,drive=x device=virtio-blk-device,drive=x",
            "another device already uses drive `x`",
        ),
        ("drive=a,id=x,if=virtio device=virtio-blk-device,drive=x", "already uses drive `x`"),
        (
            "device=virtio-blk-devic,drive=x",
            "called `virtio-blk-devic`; did you mean `virtio-blk-dev",
        ),
        (
            "device=virtio-blk-pci,drive=x",
            "needs PCI, which pagewalk does not have; use `virtio-blk",
        ),
        ("device=virtio-net-device,netdev=n", "pagewalk has no network"),
        ("device=virtio-net-pci", "pagewalk has no network"),
        ("device=e1000", "no device is called `e1000`"),
        ("device=virtio-rng-device,bus=virtio-mmio-bus.8", "there is virtio-mmio-bus.0 to"),
        ("device=virtio-rng-device,bus=pcie.0", "no bus `pcie.0`"),
        (
            "device=virtio-rng-device device=virtio-rng-device,bus=virtio-mmio-bus.7",
            "-device virtio-rng-device,bus=virtio-mmio-bus.7: `virtio-mmio-bus.7` is taken",
        ),
        (&rngs, "all 8 slots for virtio devices are taken"),
        (&disks, "-drive a,if=virtio: all 8 slots for virtio devices are taken"),
        ("device=virtio-rng-device,id=a device=virtio-rng-device,id=a", "is called `a`"),
        ("device=virtconsole", "it needs a virtio-serial-device before it"),
        ("device=virtio-serial-device device=virtconsole,bus=x", "has the bus `x`"),
        (
            "device=virtio-serial-device device=virtconsole device=virtconsole,nr=0",
            "`virtio-serial-bus.0` has a port 0 already",
        ),
        ("device=virtio-serial-device device=virtserialport,nr=0", "port 0 is for a virtconsole"),
        ("device=virtserialport,nr=31", "`nr=31`: expected a number from 0 to 30"),
        (&ports, "`virtio-serial-bus.0` has no port left"),
        ("drive=a,if=virtio,latency=slow", "`slow` is no latency"),
        ("drive=a,if=virtio,id=swap swap=1M", "--swap: a drive is called `swap`"),
        ("errors=cut=1,drive=x", "--disk-errors cut=1,drive=x: no drive is called `x`"),
        ("errors=cut=1,drive=swap", "no drive is called `swap`"),
        (&full, "-device virtio-rng-device: all 8 slots for virtio devices are taken"),
        (&named, "--swap: all 8 slots for virtio devices are taken"),
    ] {
        let error = board(options).expect_err(options);
        assert!(error.contains(says), "{options}: {error}");
    }
}

#[test]
fn globals() {
    for (text, expect) in [
        ("virtio-mmio.force-legacy=false", Ok(false)),
        ("virtio-mmio.force-legacy=on", Ok(true)),
        ("driver=virtio-mmio,property=force-legacy,value=off", Ok(false)),
        ("virtio-mmio.force-legacy=maybe", Err("expected on or off")),
        ("virtio-mmio.force-legac=off", Err("is not supported (there is virtio-mmio.force-leg")),
        ("virtio-blk.scsi=off", Err("`virtio-blk.scsi` is not supported")),
        ("virtio-mmio", Err("expected DRIVER.PROPERTY=VALUE")),
        ("driver=virtio-mmio,property=force-legacy", Err("`value=` is missing")),
    ] {
        let result = Global::parse(text).map(|global| global.is_legacy_forced);
        match expect {
            Ok(forced) => assert_eq!(result, Ok(forced), "{text}"),
            Err(says) => assert!(result.as_ref().is_err_and(|e| e.contains(says)), "{result:?}"),
        }
    }
}
