//! Tauri's build step, with capabilities and permissions in `src-tauri`.

use std::{fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    println!("cargo:rerun-if-changed=src-tauri/permissions");
    // The UI is part of the binary.
    println!("cargo:rerun-if-changed=ui/dist");
    let index = Path::new("ui/dist/index.html");
    if !index.exists() {
        // Without a folder there the context macro panics. The UI's own build replaces it.
        fs::create_dir_all("ui/dist").expect("ui/dist can be made");
        fs::write(
            index,
            "<!doctype html><title>Vivarium</title>The UI is not built: npm run build in ui/",
        )
        .expect("ui/dist can be written");
    }
    let manifest =
        tauri_build::AppManifest::new().permissions_path_pattern("src-tauri/permissions/**/*");
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("src-tauri/capabilities/**/*")
        .app_manifest(manifest);
    tauri_build::try_build(attributes).expect("Tauri's build step");
    // Written for editors, beside Cargo.toml; not wanted there.
    let _ = fs::remove_dir_all("gen");
}
