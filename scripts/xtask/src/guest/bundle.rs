//! The guest as the emulator embeds it, `target/guest/bundle`: the kernel, and an initial RAM disk
//! with the programs. Files whose content has not changed are left alone, so that the emulator is
//! not built again for nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::cpio::Archive;
use super::image;

/// Directories of the RAM disk, each behind the one that it is in, with their permissions.
const DIRECTORIES: [(&str, u32); 7] = [
    ("bin", 0o755),
    ("boot", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("tmp", 0o1777),
];
/// Name of the program that the kernel starts; it is at the root, too.
const INIT: &str = "init";

/// Writes the bundle of `kernel` and `programs` to `directory`; the paths of its files.
///
/// # Errors
/// Of the host, with the path; or where a file is no executable.
pub(super) fn write(directory: &Path, kernel: &Path, programs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let kernel_bytes = read(kernel)?;
    let map = image::system_map(&kernel_bytes).with_context(|| kernel.display().to_string())?;
    let mut contents = BTreeMap::new();
    for program in programs {
        let name = program.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{}: not a name", program.display()))?;
        let stripped = image::strip(&read(program)?);
        contents.insert(name, stripped.with_context(|| program.display().to_string())?);
    }
    let initramfs = initramfs(&contents, &map);
    let kernel = image::strip(&kernel_bytes).with_context(|| kernel.display().to_string())?;
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let files = [("kernel", kernel), ("initramfs.cpio", initramfs)];
    let write = |(name, content): (&str, Vec<u8>)| {
        let path = directory.join(name);
        update(&path, &content).map(|()| path)
    };
    files.into_iter().map(write).collect()
}

/// The RAM disk with these programs, and the kernel's symbols.
fn initramfs(programs: &BTreeMap<&str, Vec<u8>>, map: &str) -> Vec<u8> {
    let mut archive = Archive::default();
    for (path, permissions) in DIRECTORIES {
        archive.directory(path.as_bytes(), permissions);
    }
    for (name, content) in programs {
        archive.file(format!("bin/{name}").as_bytes(), 0o755, content);
    }
    archive.file(b"boot/System.map", 0o644, map.as_bytes());
    if let Some(init) = programs.get(INIT) {
        archive.file(INIT.as_bytes(), 0o755, init);
    }
    archive.finish()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// Gives the file at `path` this content, at once, where it has another.
fn update(path: &Path, content: &[u8]) -> Result<()> {
    let failed = || path.display().to_string();
    match fs::read(path) {
        Ok(before) if before == content => return Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(failed);
        }
        _ => {}
    }
    let Some(name) = path.file_name() else { bail!("{}: not a name", path.display()) };
    // Beside the directory, which builds watch.
    let directory = path.parent().and_then(Path::parent).with_context(failed)?;
    let new = directory.join(format!("{}.{}", name.display(), std::process::id()));
    fs::write(&new, content).with_context(|| new.display().to_string())?;
    fs::rename(&new, path).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_where_they_are_looked_for() {
        let programs = BTreeMap::from([("init", b"I".to_vec()), ("cat", b"C".to_vec())]);
        let archive = initramfs(&programs, "0 T _start\n");
        let text = String::from_utf8(archive.clone()).unwrap();
        let at = |name: &str| text.find(&format!("{name}\0")).unwrap_or_else(|| panic!("{name}"));
        let names = ["bin", "boot", "tmp", "bin/cat", "bin/init", "boot/System.map", "init"];
        let places = names.map(at);
        assert!(places[..6].is_sorted(), "{places:?}");
        assert_eq!(archive, initramfs(&programs, "0 T _start\n"));
    }

    #[test]
    fn what_has_not_changed_is_not_written() {
        let directory = std::env::temp_dir().join(format!("bundle-{}", std::process::id()));
        let path = directory.join("bundle/file");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        update(&path, b"one").unwrap();
        let time = std::time::UNIX_EPOCH;
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        update(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
        update(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left behind");
        fs::remove_dir_all(directory).unwrap();
    }
}
