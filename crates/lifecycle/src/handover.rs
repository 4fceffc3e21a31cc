//! A locked machine begins without root, so nobody in it could give the home to another user than the
//! image's (1000), nor enter that user by name. A container of its own does both before the machine's
//! first life: `body init home`, which says the files of users as they are to be.

use std::time::Duration;

use dock::{ContainerSpec, ContainerState, Dock, DockError};

use crate::{
    error::LifecycleError,
    machine::Machine,
    paths::make_dir,
    plan::{self, USER_FILES},
};

const LOOK: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(300);
/// More lines than files of users have.
const LINES: u32 = 2000;

/// Prepares home and user for the machine of this plan; nothing to do where it begins as the image's.
///
/// # Errors
/// [`LifecycleError::HandOver`] with its words, [`LifecycleError::Dock`].
pub(crate) async fn prepare(
    machine: &Machine,
    dock: &Dock,
    plan: &ContainerSpec,
) -> Result<(), LifecycleError> {
    if !plan::handed_over(&machine.spec) {
        return Ok(());
    }
    let spec = plan::handover(&machine.names, plan);
    // One that a run before this left, which was killed.
    dock.remove_container(&spec.name).await?;
    dock.create_container(&spec).await?;
    let ended = run(dock, &spec.name).await;
    let removed = dock.remove_container(&spec.name).await;
    let (exit_code, said) = ended?;
    removed?;
    let files = said.split(String::is_empty).collect::<Vec<_>>();
    if exit_code != Some(0) || files.len() != USER_FILES.len() {
        return Err(LifecycleError::HandOver {
            name: machine.names.container.clone(),
            log: said,
        });
    }
    let dir = machine.paths.machine_dir(&machine.names.machine);
    make_dir(&dir, 0o755)?;
    for (file, lines) in USER_FILES.iter().zip(files) {
        let path = dir.join(file);
        let written = std::fs::write(&path, lines.join("\n") + "\n");
        written.map_err(LifecycleError::file("write", &path))?;
    }
    Ok(())
}

/// Runs it to its end; its exit status, if it ended, and what it said.
async fn run(dock: &Dock, name: &str) -> Result<(Option<i64>, Vec<String>), DockError> {
    dock.start_container(name).await?;
    let ending = async {
        loop {
            let container = dock.container(name).await?;
            if let Some(ContainerState::Stopped { exit_code }) = container.map(|found| found.state)
            {
                return Ok(exit_code);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let ended = tokio::time::timeout(LONGEST, ending).await;
    let exit_code = ended.ok().transpose()?;
    Ok((exit_code, dock.logs(name, LINES).await?))
}
