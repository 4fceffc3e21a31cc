//! Which of WebKitGTK's renderers: the one over DMA-BUF wants a graphics card and a driver that
//! shares its buffers. Without one it draws in software all the same, and costs 100 MB and a
//! quarter of a second more than the plain one; with NVIDIA's driver its window may stay empty.

/// Starts this program anew with the plain renderer, where that is the better one and the person
/// has not chosen. Returns where nothing is to be changed.
#[cfg(target_os = "linux")]
pub fn choose() {
    use std::{os::unix::process::CommandExt, path::Path};

    const VARIABLE: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
    let has_card = || {
        std::fs::read_dir("/dev/dri").is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| entry.file_name().to_string_lossy().starts_with("renderD"))
        })
    };
    if std::env::var_os(VARIABLE).is_some()
        || (has_card() && !Path::new("/proc/driver/nvidia").exists())
    {
        return;
    }
    let Ok(program) = std::env::current_exe() else {
        return;
    };
    // WebKit reads its environment, and ours can only be changed by becoming another program.
    let error = std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(VARIABLE, "1")
        .exec();
    tracing::warn!(%error, "goes on with WebKit's own choice of a renderer");
}

/// Other systems have one renderer.
#[cfg(not(target_os = "linux"))]
pub fn choose() {}
