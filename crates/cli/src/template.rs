//! Where the machine's template is.

use std::path::PathBuf;

/// The given folder, else the nearest one above the current folder with `body/Dockerfile`,
/// else the resources beside the program. Where there is none, the current folder, so that
/// the failure names it; most commands don't need one.
pub fn find(given: Option<PathBuf>) -> PathBuf {
    if let Some(given) = given {
        return given;
    }
    let here = std::env::current_dir().unwrap_or_default();
    let is_template = |folder: &PathBuf| folder.join("body/Dockerfile").is_file();
    let above = here.ancestors().map(PathBuf::from).find(is_template);
    let beside = || {
        let program = std::env::current_exe().ok()?;
        let folder = program.parent()?;
        // Plain, as Debian packages have it, and as macOS bundles have it.
        let places = [
            "template",
            "../lib/Vivarium/template",
            "../Resources/template",
        ];
        let above = folder.ancestors().map(PathBuf::from);
        places
            .iter()
            .map(|place| folder.join(place))
            .chain(above)
            .find(is_template)
    };
    above.or_else(beside).unwrap_or(here)
}
