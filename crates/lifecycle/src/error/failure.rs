//! What a person is told when something goes wrong with a machine: what failed, why, and what to do.

use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

use super::LifecycleError;
use crate::{difference::list, ports::process};

/// What goes with a container that is replaced.
const LOST_BY_RECREATING: &str = "Recreating stops everything that runs in the machine (the kernel's variables, \
    terminals, windows) and deletes all changes outside mounts and the home folder, such as installed \
    packages. The home folder, /repo, /data and other mounts stay.";

impl From<LifecycleError> for Failure {
    fn from(error: LifecycleError) -> Self {
        let sentence = error.to_string();
        let mut chars = sentence.chars();
        let message: String = chars
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .chain(chars)
            .collect();
        let failure = |code| Failure::new(code, message.clone());
        match error {
            LifecycleError::Engine(error) => error.into(),
            LifecycleError::NoMachine { known, .. } => failure(FailureCode::NotFound)
                .because(format!("existing machines: {}", known.join(", ")))
                .next(Advice::ChooseOrCreateMachine),
            LifecycleError::WhichMachine { known } => failure(FailureCode::Invalid)
                .because(format!("existing machines: {}", known.join(", ")))
                .next(Advice::ChooseMachine),
            LifecycleError::MachineExists { .. } => {
                failure(FailureCode::Busy).next(Advice::ChooseName)
            }
            LifecycleError::MachineName { .. } => failure(FailureCode::Invalid)
                .because("the name is also used for a container")
                .next(Advice::ChooseMachineName),
            LifecycleError::Covered { folder, .. } => failure(FailureCode::Invalid)
                .because(format!("the new machine's files would be inside that folder, at {}", folder.display()))
                .next(Advice::MountSmallerFolder),
            LifecycleError::Spec(error) => failure(FailureCode::Invalid)
                .next(Advice::FixSpec { path: error.place().to_string() }),
            LifecycleError::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                failure(FailureCode::DiskFull)
                    .because(source.to_string())
                    .next(Advice::FreeDisk)
            }
            LifecycleError::File { source, .. } => failure(FailureCode::Internal)
                .because(source.to_string())
                .next(Advice::CheckPermissions),
            LifecycleError::NoTemplate { path } => failure(FailureCode::NotFound)
                .because(format!("{} does not exist", path.join("body/Dockerfile").display()))
                .next(Advice::ChooseTemplate),
            LifecycleError::NoDockerfile => failure(FailureCode::Invalid)
                .because("the new image is built from it, and it was deleted or moved")
                .next(Advice::FixRepo),
            LifecycleError::NoBase { cause, script, .. } => failure(FailureCode::NotFound).because(cause).next(Advice::MakeBase {
                script: script.display().to_string(),
            }),
            LifecycleError::PortTaken { holder, source, found, .. } => {
                let cause = match holder {
                    Some(holder) => Some(format!("it is used by {holder}")),
                    None => source.and_then(|source| Failure::from(source).cause),
                };
                let next = if found { Advice::FreePortOrRecreate } else { Advice::FreePort };
                Failure { cause, ..failure(FailureCode::PortTaken) }.next(next)
            }
            LifecycleError::WouldRecreate { differences, .. } => failure(FailureCode::WouldRecreate)
                .because(format!("{} changed, which requires a new container", list(&differences)))
                .next(Advice::RecreateMachine)
                .detail(LOST_BY_RECREATING),
            LifecycleError::NotRecreated { failure: why, runs } => {
                let state = if runs {
                    "The previous container is running again, with its files; processes that ran in it were stopped"
                } else {
                    "The previous container was kept and is stopped"
                };
                Failure {
                    message: format!("{}. {state}", why.message.trim_end_matches('.')),
                    ..why
                }
            }
            LifecycleError::NoRepoFolder { path } => failure(FailureCode::NotFound)
                .because("it is set with --repo or VIVARIUM_REPO")
                .next(Advice::CreateFolder { path: path.display().to_string() }),
            LifecycleError::NoSource { path, .. } => failure(FailureCode::NotFound)
                .because("it is a mount in the machine's settings file")
                .next(Advice::CreateFolder { path: path.display().to_string() }),
            LifecycleError::NotRunning { .. } => failure(FailureCode::NotRunning).next(Advice::StartMachine),
            LifecycleError::Paused { .. } => failure(FailureCode::NotRunning)
                .because("the container engine paused it, so that nothing in it runs")
                .next(Advice::ResumeMachine),
            LifecycleError::Unhealthy { cause, log, .. } => failure(FailureCode::Unhealthy)
                .because(cause)
                .next(Advice::RepairMachine)
                .detail(log.join("\n")),
            LifecycleError::InitHome { log, .. } => failure(FailureCode::Unhealthy)
                .because("it starts without root and as a different user than the image's")
                .next(Advice::RebuildOrUseDefault)
                .detail(log.join("\n")),
            LifecycleError::Foreign { .. } => failure(FailureCode::Busy)
                .because("it does not have Vivarium's labels")
                .next(Advice::RemoveContainer),
            LifecycleError::Far { .. } => failure(FailureCode::Invalid)
                .because("a machine uses folders and ports of the computer that its engine runs on")
                .next(Advice::UseLocalEngine),
            LifecycleError::Rootless { .. } => failure(FailureCode::Invalid)
                .because("the machine's own user could neither read its secrets nor write your folders")
                .next(Advice::UsePodmanOrRoot),
            LifecycleError::Busy { holder, .. } => {
                let ours = holder == Some(std::process::id());
                let cause = holder.map(|holder| match ours {
                    true => "another operation of this app has not finished".to_owned(),
                    false => format!("it is used by {}", process(holder)),
                });
                Failure { cause, ..failure(FailureCode::Busy) }
                    .next(Advice::WaitForOperation)
            }
            LifecycleError::History(error) => error.told(message),
            LifecycleError::NestedMount { .. } | LifecycleError::NestedMachines { .. } => failure(FailureCode::Invalid)
                .because("a program in that machine could replace it with a link to any of your folders")
                .next(Advice::MountApart),
            LifecycleError::RunName { .. } => failure(FailureCode::Invalid)
                .because("the machine chose a name that is already used or contains other characters than letters and digits")
                .next(Advice::RequestRun),
            LifecycleError::RepoChanged { .. } => failure(FailureCode::Changed)
                .because("files in /repo changed after they were reviewed")
                .next(Advice::ReviewChanges),
            LifecycleError::NoSpace { free_bytes } => failure(FailureCode::DiskFull)
                .because(format!("only {} MB are free on the engine's disk", free_bytes >> 20))
                .next(Advice::DeleteGenerations),
            LifecycleError::NotProved { checks, log } => failure(FailureCode::Unhealthy)
                .because(checks.join("; "))
                .next(Advice::FixRepo)
                .detail(log.join("\n")),
            LifecycleError::CellsRun { .. } => failure(FailureCode::Busy)
                .because("variables can only be saved when no cell is running")
                .next(Advice::WaitForCells),
            LifecycleError::Inside { words, code, .. } => {
                let failure = failure(FailureCode::Internal).because(words);
                match code {
                    Some(code) => failure.refused(code),
                    None => failure,
                }
            }
            LifecycleError::NoGeneration { .. } | LifecycleError::NoEarlier => {
                failure(FailureCode::NotFound).next(Advice::ChooseGeneration)
            }
            LifecycleError::GenerationGone { .. } => failure(FailureCode::NotFound)
                .because("it was removed from the container engine")
                .next(Advice::ChooseGeneration),
            LifecycleError::GenerationInUse { .. } => failure(FailureCode::Busy)
                .next(Advice::RollBackFirst),
            LifecycleError::NotUndone { failure: why } => Failure { detail: why.detail, ..failure(FailureCode::Internal) }
                .because(format!("{}{}", why.message, why.cause.map(|cause| format!(": {cause}")).unwrap_or_default()))
                .next(Advice::OpenAgain),
            LifecycleError::NotInside => failure(FailureCode::NotFound)
                .because("a machine evolves itself through the socket of the engine that runs it")
                .next(Advice::MountEngineSocket),
            LifecycleError::NotMounted { .. } => failure(FailureCode::Invalid)
                .because("a machine that replaces itself stores its runs in /data and is built from /repo")
                .next(Advice::MountDataAndRepo),
            LifecycleError::NoRestarter { log } => failure(FailureCode::Unhealthy)
                .because("the restarter replaces the machine")
                .next(Advice::AddEvolveProgram)
                .detail(log.join("\n")),
            LifecycleError::NoYes => failure(FailureCode::Invalid)
                .because("a machine with the engine's socket could approve itself")
                .next(Advice::UseHostExecutor),
            LifecycleError::Cancelled => failure(FailureCode::Cancelled),
        }
    }
}
