//! Where the machine's template lies: in a clone above the working folder or the
//! program, else beside an installed program.

use std::path::{Path, PathBuf};

/// The first folder with a `body/Dockerfile`.
pub fn find() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let starts = [std::env::current_dir().unwrap_or_default(), program.clone()];
    let above = starts
        .iter()
        .flat_map(|start| start.ancestors())
        .find(|folder| is_template(folder));
    above.map_or_else(
        || {
            program
                .parent()
                .unwrap_or(Path::new("/"))
                .join("../lib/Vivarium/template")
        },
        Path::to_path_buf,
    )
}

fn is_template(folder: &Path) -> bool {
    folder.join("body/Dockerfile").is_file()
}
