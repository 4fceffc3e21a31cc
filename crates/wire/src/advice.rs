//! What a person can do after a failure. Each face (command line, window) puts it into its own words,
//! which name what that face has: commands there, pages and buttons here.

use serde::{Deserialize, Deserializer, Serialize};

/// What a person can do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Advice {
    /// Start or install a container engine.
    StartEngine {
        /// What this computer has.
        found: EngineFound,
    },
    /// See whether the container engine is running.
    CheckEngine,
    /// Join the docker group, or use rootless Podman.
    JoinDockerGroup,
    /// Choose another engine, or fix what names this one.
    ChooseEngine,
    /// Give the engine's TLS files a place.
    AddEngineCertificates,
    /// Make ssh to the engine's host work without a prompt.
    CheckSsh,
    /// See whether address and port are those of an engine.
    CheckEngineAddress,
    /// Run Vivarium where the engine is, or choose one on this computer.
    UseLocalEngine,
    /// Use rootless Podman, or an engine that runs as root.
    UsePodmanOrRoot,
    /// Free space on this computer's disk.
    FreeDisk,
    /// Free space on the engine's disk, of old generations too.
    DeleteGenerations,
    /// Stop what uses a port, or choose another one in the machine's settings file.
    FreePort,
    /// Stop what uses a port, or recreate the machine, which then gets another one.
    FreePortOrRecreate,
    /// Fix the step at which a build failed.
    FixBuildStep,

    /// Start the machine.
    StartMachine,
    /// Let the paused machine go on, in the container engine, or restart it.
    ResumeMachine,
    /// See whether the machine is running.
    CheckMachine,
    /// Read the machine's log.
    ReadMachineLog,
    /// Look at the machine's services and log, or restart it.
    CheckServices,
    /// Wait a moment, or restart the machine.
    WaitOrRestart,
    /// Restart the kernel, whose variables are lost by it.
    RestartKernel,
    /// Restart the machine: its secrets changed while it ran.
    RestartForSecrets,
    /// Read the machine's log, then restart the machine or rebuild its image.
    RepairMachine,
    /// Recreate the machine, or undo the change that asks for it.
    RecreateMachine,
    /// Rebuild the image: it may be of another version.
    RebuildImage,
    /// Build the image for the first time.
    BuildImage,
    /// Rebuild the image, or use the profile `default`.
    RebuildOrUseDefault,
    /// Choose one of the machines that there are.
    ChooseMachine,
    /// Choose one of the machines that there are, or create one.
    ChooseOrCreateMachine,
    /// Choose a name that isn't taken.
    ChooseName,
    /// Choose a name that a container can have.
    ChooseMachineName,
    /// Choose the profile `default` or `locked`.
    ChooseProfile,
    /// Mount a smaller folder, or move Vivarium's data folder.
    MountSmallerFolder,
    /// Mount the outer folder read-only, or folders that don't contain each other.
    MountApart,
    /// Fix a settings file, or delete it.
    FixSpec {
        /// The file.
        path: String,
    },
    /// Fix the app's settings file, or change a setting, which rewrites it.
    FixSettings,
    /// Look at the owner and the permissions of the file or folder.
    CheckPermissions,
    /// Fix the path, or create the folder.
    CreateFolder {
        /// The folder.
        path: String,
    },
    /// Name the folder of a checkout of Vivarium.
    ChooseTemplate,
    /// Make the base image without a registry, or set another one.
    MakeBase {
        /// The script that makes it.
        script: String,
    },
    /// Remove or rename the container that has the machine's name.
    RemoveContainer,
    /// Delete files in the machine.
    DeleteFiles,
    /// Install WebKitGTK.
    InstallWebKit,

    /// Wait until the other operation has finished, or cancel it.
    WaitForOperation,
    /// Wait until some cells have finished, or interrupt.
    WaitForCells,
    /// Run the cell again: what it put out is no longer kept.
    RunCellAgain,
    /// Fix the request.
    FixRequest,
    /// See whether the name is right.
    CheckName,
    /// Ask for less at once.
    RequestLess,

    /// Wait until the new machine is ready.
    WaitForNewMachine,
    /// Wait until the old machine is back.
    WaitForOldMachine,
    /// Wait until the run has finished, then roll back.
    WaitThenRollBack,
    /// Look at the machine's current run.
    CheckRun,
    /// Cancel the run where it was started.
    CancelThere,
    /// Ask for another run.
    RequestRun,
    /// Review the changes again.
    ReviewChanges,
    /// Fix the repo: the machine was not changed.
    FixRepo,
    /// Choose one of the generations that there are.
    ChooseGeneration,
    /// Roll back to another generation first.
    RollBackFirst,
    /// Start the machine or open the app: the rest is tried again then.
    OpenAgain,
    /// Evolve again.
    EvolveAgain,
    /// Keep files out of the repo, or ignore them.
    IgnoreFiles,
    /// Shorten the `.gitignore` file.
    ShortenIgnoreFile,
    /// Fix the `.gitignore` file.
    FixIgnoreFile,
    /// Remove the file from the repo.
    RemoveFromRepo,
    /// List what the repo's own `.git` has.
    ListRepoRefs,
    /// Mount the engine's socket in the machine.
    MountEngineSocket,
    /// Mount folders for the machine's data and repo.
    MountDataAndRepo,
    /// Build the image with the program that evolves from inside.
    AddEvolveProgram,
    /// Let the host carry out evolves, or ask for no approval.
    UseHostExecutor,

    /// Start what serves sandboxes.
    ServeSandboxes,
    /// Copy a file out of a sandbox with the command line, which takes files of any size.
    CopySandboxFile,
    /// Use tokens, or listen on the loopback address alone.
    ListenOnLoopback,
    /// Choose another port to listen on.
    ChoosePort {
        /// The option that sets it.
        option: String,
    },
    /// Stop what uses the port, or choose another one to listen on.
    FreeOrChoosePort {
        /// The option that sets it.
        option: String,
    },
    /// Build the pages, then the program.
    BuildPages,

    /// Name a key as the program that reads it does.
    NameKeyAsRead,
    /// Enter the key, or remove it.
    EnterKey,
    /// Unlock the keychain, or keep keys in files.
    UnlockKeychain,
    /// Choose another name, or remove the token of that name.
    RenameToken,
    /// Choose what a token may do.
    ChooseScopes,
    /// Remove tokens that aren't used.
    RemoveTokens,

    /// Check the path of a notebook on this computer.
    CheckNotebookPath,
    /// Use a whole path.
    UseWholePath,
    /// Look at a file's permissions, and whether it is one.
    CheckFile,
    /// Find an intact copy of the notebook.
    RestoreNotebook,
    /// Fix the notebook's file with another program.
    FixNotebook,
    /// Save under another name, load the file again, or overwrite it.
    SaveElsewhereOrOverwrite,
    /// Save under another name or in another folder.
    SaveElsewhere,

    /// Read the MCP server's log.
    ReadServerLog,
    /// Open a new session with the MCP server.
    OpenSession,

    /// Build or pull the image of a sandbox.
    GetSandboxImage {
        /// The image.
        image: String,
    },
    /// Remove sandboxes that nobody uses, or raise the limit in the settings.
    RemoveSandboxes,
    /// Resume the sandbox.
    ResumeSandbox,
    /// Create another sandbox.
    CreateSandbox,

    /// Build the image of a coding tool, or fetch it from its registry.
    GetAgentImage {
        /// The tool.
        tool: String,
    },
    /// Approve the image of a coding tool that came from a registry.
    ApproveAgentImage {
        /// The tool.
        tool: String,
    },
    /// Allow agents to be given a folder, or choose another one.
    AllowAgentFolder {
        /// The folder.
        path: String,
    },
    /// Store a key, so that agents can be given it.
    StoreKey {
        /// Its name.
        name: String,
    },

    /// Open an address in a browser by hand.
    OpenInBrowser {
        /// The address.
        url: String,
    },

    /// In words of the face that shows it, or of an earlier version.
    Text {
        /// The words.
        text: String,
    },
}

/// What was found of a container engine that doesn't answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum EngineFound {
    /// Docker's service.
    DockerService,
    /// Podman, without its socket.
    Podman,
    /// An application such as Docker Desktop.
    Application,
    /// None.
    Nothing,
}

impl Advice {
    /// Words that no other face needs.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// The part that may come from elsewhere and be long.
    pub fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::FixSpec { path }
            | Self::CreateFolder { path }
            | Self::AllowAgentFolder { path } => Some(path),
            Self::GetAgentImage { tool } | Self::ApproveAgentImage { tool } => Some(tool),
            Self::StoreKey { name } => Some(name),
            Self::MakeBase { script } => Some(script),
            Self::ChoosePort { option } | Self::FreeOrChoosePort { option } => Some(option),
            Self::GetSandboxImage { image } => Some(image),
            Self::OpenInBrowser { url } => Some(url),
            Self::Text { text } => Some(text),
            _ => None,
        }
    }
}

/// Reads advice, or text as an earlier version wrote it. What a later version may advise is left out:
/// the failure itself is worth more.
pub(crate) fn lenient<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Box<Advice>>, D::Error> {
    let read = Option::<serde_json::Value>::deserialize(from)?;
    Ok(read.and_then(|value| match value {
        serde_json::Value::String(text) => Some(Box::new(Advice::Text { text })),
        value => serde_json::from_value(value).ok(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, FailureCode};

    fn read(next: &str) -> Option<Advice> {
        let text = format!(
            r#"{{"code":"internal","message":"m","cause":null,"next":{next},"detail":null}}"#
        );
        let failure = serde_json::from_str::<Failure>(&text).unwrap();
        failure.next.map(|next| *next)
    }

    #[test]
    fn advice_is_told_by_its_kind() {
        let advice = Advice::FixSpec {
            path: "/a.toml".into(),
        };
        let failure = Failure::new(FailureCode::Invalid, "m").next(advice);
        let told = serde_json::to_value(&failure).unwrap();
        assert_eq!(
            told["next"],
            serde_json::json!({"kind": "fix_spec", "path": "/a.toml"})
        );
        assert_eq!(serde_json::from_value::<Failure>(told).unwrap(), failure);
    }

    #[test]
    fn text_of_an_earlier_version_stays_and_advice_of_a_later_one_spoils_nothing() {
        assert_eq!(
            read(r#""Start the machine.""#),
            Some(Advice::text("Start the machine."))
        );
        assert_eq!(
            read(r#"{"kind":"start_machine"}"#),
            Some(Advice::StartMachine)
        );
        for unknown in [r#"{"kind":"of_a_later_version"}"#, "7", "{}", "null"] {
            assert_eq!(read(unknown), None, "{unknown}");
        }
    }
}
