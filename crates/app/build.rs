//! A release build has the UI's pages in it: it is made again if they change. Debug builds read
//! them from the folder when they run.

use std::{env, fs, path::Path};

/// What `npm run build` writes.
const PAGES: &str = "../../ui/dist";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let embeds = env::var_os("CARGO_FEATURE_PAGES").is_some()
        && env::var_os("PROFILE").is_some_and(|profile| profile == "release");
    // A machine's template has these sources without the UI.
    if !embeds || !Path::new("../../ui").is_dir() {
        return;
    }
    // Cargo would run this at every build if the folder were missing.
    if fs::create_dir_all(PAGES).is_ok() {
        println!("cargo:rerun-if-changed={PAGES}");
    }
}
