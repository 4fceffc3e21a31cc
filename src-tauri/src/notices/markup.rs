//! Whether the notification server draws markup.

use std::time::Duration;

/// How long the notification server may take to say what it can.
const ANSWER: Duration = Duration::from_secs(2);

/// Asks the notification server whether it takes bodies for markup. One that does not answer in time
/// is taken for such a one.
pub async fn ask_whether_markup() -> bool {
    let asking = tokio::task::spawn_blocking(server_reads_markup);
    matches!(
        tokio::time::timeout(ANSWER, asking).await,
        Err(_) | Ok(Err(_) | Ok(true))
    )
}

/// The capability `body-markup` of the desktop notifications specification.
#[cfg(target_os = "linux")]
fn server_reads_markup() -> bool {
    notify_rust::get_capabilities()
        .map_or(true, |found| found.iter().any(|one| one == "body-markup"))
}

#[cfg(not(target_os = "linux"))]
fn server_reads_markup() -> bool {
    false
}
