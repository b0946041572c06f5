//! Where cargo builds: [`target_directory`], found from where a build script may write.

use std::ffi::OsStr;
use std::path::Path;

/// Cargo's target directory. `out`, a build script's `OUT_DIR`, is
/// `TARGET/[TRIPLE/]PROFILE/build/PACKAGE/out`; `triple` is what is built for, and only there if the
/// build was told so. (The mark of a cache, `CACHEDIR.TAG`, is no help: it is there only where cargo
/// has made the directory itself.)
///
/// Source: The Cargo Book, "Build Cache".
pub(crate) fn target_directory<'a>(out: &'a Path, triple: Option<&OsStr>) -> Option<&'a Path> {
    let mut above = out.ancestors().skip(1);
    let (_package, build) = (above.next()?, above.next()?);
    if out.file_name()? != "out" || build.file_name()? != "build" {
        return None;
    }
    let (_profile, above_profile) = (above.next()?, above.next()?);
    if triple.is_some() && above_profile.file_name() == triple {
        above_profile.parent()
    } else {
        Some(above_profile)
    }
}
