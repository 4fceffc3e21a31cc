//! A locked machine begins without root, so nobody in it could give the home to another user than the
//! image's (1000), nor enter that user by name. A container of its own does both before the machine's
//! first life: `body init home`, which says the files of users as they are to be.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use containers::{ContainerSpec, ContainerState, Engine, EngineError};

use crate::{
    atomic_file::{self, Durability},
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
/// The files of users are written to where the plan mounts them from.
///
/// # Errors
/// [`LifecycleError::InitHome`] with its words, [`LifecycleError::Engine`].
pub(crate) async fn prepare(
    machine: &Machine,
    engine: &Engine,
    plan: &ContainerSpec,
) -> Result<(), LifecycleError> {
    if !plan::handed_over(&machine.spec) {
        return Ok(());
    }
    let spec = plan::init_home(&machine.names, plan);
    // One that a run before this left, which was killed.
    machine.remove_beside(engine, &spec.name).await?;
    engine.create_container(&spec).await?;
    let ended = run(engine, &spec.name).await;
    let removed = engine.remove_container(&spec.name).await;
    let (exit_code, said) = ended?;
    removed?;
    let files = said.split(String::is_empty).collect::<Vec<_>>();
    if exit_code != Some(0) || files.len() != USER_FILES.len() {
        return Err(LifecycleError::InitHome {
            name: machine.names.container.clone(),
            log: said,
        });
    }
    for (path, lines) in user_files(plan).zip(files) {
        write(&path, &(lines.join("\n") + "\n"))?;
    }
    Ok(())
}

/// Where a plan's files of users lie on this computer, in the order of [`USER_FILES`].
fn user_files(plan: &ContainerSpec) -> impl Iterator<Item = PathBuf> {
    USER_FILES.iter().filter_map(|file| {
        let target = format!("/etc/{file}");
        let mut binds = plan.binds.iter();
        binds
            .find(|bind| bind.target == target)
            .map(|bind| PathBuf::from(&bind.source))
    })
}

/// Aside, then in place: a machine that runs keeps the file that it began with.
fn write(path: &Path, text: &str) -> Result<(), LifecycleError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_dir(folder, 0o700)?;
    let written = atomic_file::put(path, Durability::Replaceable, |file, _| {
        file.write_all(text.as_bytes())?;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))
    });
    written.map_err(LifecycleError::file("write", path))
}

/// Removes what a preparation left that was killed.
pub(crate) async fn forget(machine: &Machine, engine: &Engine) -> Result<(), LifecycleError> {
    let name = plan::init_home_name(&machine.names);
    machine.remove_beside(engine, &name).await
}

/// Runs it to its end; its exit status, if it ended, and what it said.
async fn run(engine: &Engine, name: &str) -> Result<(Option<i64>, Vec<String>), EngineError> {
    engine.start_container(name).await?;
    let ending = async {
        loop {
            let container = engine.container(name).await?;
            if let Some(ContainerState::Stopped { exit_code }) = container.map(|found| found.state)
            {
                return Ok(exit_code);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let ended = tokio::time::timeout(LONGEST, ending).await;
    let exit_code = ended.ok().transpose()?;
    Ok((exit_code, engine.logs(name, LINES).await?))
}
