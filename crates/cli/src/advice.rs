//! What a person can do after a failure, in the words of the command line: they name its commands and
//! options.

use std::borrow::Cow;

use wire::advice::{Advice, EngineFound};

/// The words for it.
pub fn words(advice: &Advice) -> Cow<'_, str> {
    use Advice as A;
    Cow::Borrowed(match advice {
        A::StartEngine { found } => start_engine(*found),
        A::CheckEngine => {
            "Check that the container engine is running: vivarium engines lists them."
        }
        A::JoinDockerGroup => {
            "Add your user to the docker group (sudo usermod -aG docker $USER) and log in again, or use rootless Podman."
        }
        A::ChooseEngine => {
            "Choose another engine with --engine (vivarium engines lists them), or fix DOCKER_HOST or the Docker context."
        }
        A::AddEngineCertificates => {
            "Put ca.pem, cert.pem and key.pem of this engine into the folder set in DOCKER_CERT_PATH, or into the Docker context."
        }
        A::CheckSsh => {
            "Check that ssh connects to that host without a prompt and that docker version works there."
        }
        A::CheckEngineAddress => {
            "Check the address and port: 2375 is for plain HTTP, 2376 for TLS."
        }
        A::UseLocalEngine => {
            "Run Vivarium there, or choose an engine on this computer with --engine."
        }
        A::UsePodmanOrRoot => {
            "Use rootless Podman, which keeps user IDs, or an engine that runs as root."
        }
        A::FreeDisk => "Free some space (for example with docker system prune) and try again.",
        A::DeleteGenerations => {
            "Delete old generations (vivarium generations --remove) or free space with docker system prune, then try again."
        }
        A::FreePort => {
            "Stop the program that uses it, or choose another port in the machine's settings file (0 for any free port)."
        }
        A::FreePortOrRecreate => {
            "Stop the program that uses it, or run vivarium up --recreate: the machine gets another port, and everything installed outside its home is lost."
        }
        A::FixBuildStep => "Check the last lines of the step, fix the problem and try again.",

        A::StartMachine => "Start the machine with vivarium up.",
        A::ResumeMachine => {
            "Resume its container (docker unpause, podman unpause), or restart the machine with vivarium restart."
        }
        A::CheckMachine => "Check that the machine is running: vivarium status.",
        A::ReadMachineLog => "Check the machine's log: vivarium logs.",
        A::CheckServices => {
            "Check the machine's log (vivarium logs), or restart the machine (vivarium restart)."
        }
        A::WaitOrRestart => "Wait a moment, or restart the machine with vivarium restart.",
        A::RestartKernel => {
            "Resume its process, or restart the kernel, which loses its variables: vivarium shell 'curl -X POST --unix-socket /run/vivarium/body.sock http://localhost/restart'."
        }
        A::RestartForSecrets => {
            "The secrets changed while the machine was running. Restart it with vivarium restart."
        }
        A::RepairMachine => {
            "Check the machine's log (vivarium logs), then restart the machine (vivarium restart) or rebuild its image (vivarium up --rebuild)."
        }
        A::RecreateMachine => "Recreate it with vivarium up --recreate, or undo the change.",
        A::RebuildImage => "Rebuild the image with vivarium up --rebuild.",
        A::BuildImage => "Run vivarium up to build it.",
        A::RebuildOrUseDefault => {
            "Rebuild the image (vivarium up --rebuild), or set the profile \"default\" in the machine's settings file."
        }
        A::ChooseMachine => "Choose one with --machine NAME or VIVARIUM_MACHINE.",
        A::ChooseOrCreateMachine => {
            "Choose one of them with --machine NAME, or create one with vivarium machine create NAME."
        }
        A::ChooseName => "Choose another name.",
        A::ChooseMachineName => {
            "Use up to 60 letters, digits, _ . and -; the first character must be a letter or a digit."
        }
        A::ChooseProfile => "Choose default or locked.",
        A::MountSmallerFolder => {
            "Mount a smaller folder there, or move Vivarium's data folder (XDG_DATA_HOME)."
        }
        A::MountApart => {
            "Mount the outer folder read-only, or choose folders that don't contain each other."
        }
        A::FixSpec { path } => {
            return format!("Fix {path}, or delete it to restore the defaults.").into();
        }
        A::FixSettings => {
            "Fix the file, or change a setting in the app. A copy of the file is kept."
        }
        A::CheckPermissions => "Check its owner and permissions.",
        A::CreateFolder { path } => {
            return format!("Fix the path, or create the folder: mkdir -p {path}").into();
        }
        A::ChooseTemplate => {
            "Set the folder of a Vivarium checkout with --template or VIVARIUM_TEMPLATE."
        }
        A::MakeBase { script } => {
            return format!(
                "Run {script} to build it without a registry, or set another base in the machine's settings file."
            )
            .into();
        }
        A::RemoveContainer => {
            "Remove or rename that container, or choose another name in the machine's settings file."
        }
        A::DeleteFiles => "Delete files that you don't need in the machine, then try again.",
        A::InstallWebKit => "Install libwebkit2gtk-4.1-0 (the name of the Debian package).",

        A::WaitForOperation => "Wait until the other operation has finished, or cancel it.",
        A::WaitForCells => "Wait until some cells have finished, or interrupt them.",
        A::RunCellAgain => "Run the cell again.",
        A::FixRequest => "Fix the request and try again.",
        A::CheckName => "Check the name.",
        A::RequestLess => "Request less, or check the machine's log: vivarium logs.",

        A::WaitForNewMachine => "Try again when the new machine is ready.",
        A::WaitForOldMachine => "Wait until the old machine is restored.",
        A::WaitThenRollBack => "Wait until it has finished, then roll back with vivarium rollback.",
        A::CheckRun => {
            "It was already answered, or is over. vivarium generations shows what came of it."
        }
        A::CancelThere => {
            "Cancel it there, with Ctrl-C in its terminal or the button in its window."
        }
        A::RequestRun => "Request another run: vivarium evolve here, or evolve in the machine.",
        A::ReviewChanges => {
            "Review the changes again (vivarium evolve --diff), then approve them or evolve."
        }
        A::FixRepo => "Fix the repo and try again. The machine was not changed.",
        A::ChooseGeneration => "Choose one of the generations that vivarium generations lists.",
        A::RollBackFirst => "Roll back to another generation first: vivarium rollback.",
        A::OpenAgain => "Run vivarium up: Vivarium tries again whenever the machine is started.",
        A::EvolveAgain => "Run vivarium evolve to store the files in /repo.",
        A::IgnoreFiles => {
            "Remove files that aren't part of the machine from /repo, or list them in a .gitignore file there."
        }
        A::ShortenIgnoreFile => "Shorten that .gitignore file.",
        A::FixIgnoreFile => "Fix that .gitignore file.",
        A::RemoveFromRepo => "Remove that file from /repo.",
        A::ListRepoRefs => {
            "vivarium shell 'git -C /repo show-ref' lists what the machine's own repository has."
        }
        A::MountEngineSocket => "Mount that engine's own socket at /var/run/docker.sock.",
        A::MountDataAndRepo => {
            "Mount a folder there. See docker/docker-compose.yml for an example."
        }
        A::AddEvolveProgram => {
            "Check that the image contains /usr/local/bin/body-evolve (build argument DOCKER_CLI=1), then try again."
        }
        A::UseHostExecutor => {
            "Set executor = \"host\" in the machine's settings file, or needs_yes = false."
        }

        A::ServeSandboxes => "Run vivarium serve.",
        A::CopySandboxFile => "Copy it with vivarium sandbox cp.",
        A::ListenOnLoopback => {
            "Leave out --no-token, or listen on 127.0.0.1. Inside a container --no-token is accepted: there, what is published decides."
        }
        A::ChoosePort { option } => return format!("Choose another port with {option}.").into(),
        A::GetSandboxImage { image } => {
            return Cow::Owned(format!(
                "Check the image's name, or build or pull it: docker pull {image}."
            ));
        }
        A::RemoveSandboxes => {
            "Remove sandboxes that nobody uses (vivarium sandbox ls, vivarium sandbox rm), or raise most in the table [sandboxes] of settings.toml."
        }
        A::ResumeSandbox => "Resume the sandbox first.",
        A::CreateSandbox => "Create another one: vivarium sandbox run.",
        A::FreeOrChoosePort { option } => {
            return format!(
                "Stop the program that uses it, or choose another port with {option} (0 for any free port)."
            )
            .into();
        }
        A::BuildPages => "Run `cd ui && npm ci && npm run build`, then build vivarium again.",

        A::NameKeyAsRead => "Use the name that the program reads, such as OPENAI_API_KEY.",
        A::EnterKey => "Enter the key. To delete a key, run vivarium secret rm NAME.",
        A::UnlockKeychain => {
            "Unlock the keychain and try again, or set VIVARIUM_KEYCHAIN=off to keep keys in files."
        }
        A::RenameToken => {
            "Choose another name, or remove that token first: vivarium token rm NAME."
        }
        A::ChooseScopes => "Choose --scope read, exec, admin, mcp:NAME or mcp:*.",
        A::RemoveTokens => "Remove tokens that aren't used: vivarium token rm NAME.",

        A::CheckNotebookPath => {
            "Check the path. It must be a path on the computer that runs Vivarium."
        }
        A::UseWholePath => "Use a path that starts with / or ~/.",
        A::CheckFile => "Check its permissions and that it is a file.",
        A::RestoreNotebook => {
            "The file was not changed. An intact copy may be in a backup or version control."
        }
        A::FixNotebook => {
            "The file was not changed. Fix it in an editor, or open it in Jupyter and save it again."
        }
        A::SaveElsewhereOrOverwrite => "Save under another name, reload it, or overwrite it.",
        A::SaveElsewhere => {
            "The file on disk was not changed. Save under another name or in another folder."
        }

        A::ReadServerLog => "See vivarium mcp list for its state, and vivarium logs.",
        A::OpenSession => "Open a new session.",
        A::GetAgentImage { tool } => {
            return format!("Run vivarium agent images build {tool}").into();
        }
        A::ApproveAgentImage { tool } => {
            return format!(
                "Look at its digest, and if you trust who made it, run vivarium agent images approve {tool}"
            )
            .into();
        }
        A::AllowAgentFolder { path } => {
            return format!(
                "Allow it, or a folder above it: vivarium agent workspace add '{path}'"
            )
            .into();
        }
        A::StoreKey { name } => {
            return format!("Store it: vivarium secret set {name}").into();
        }
        A::OpenInBrowser { url } => return format!("Open it in a browser: {url}").into(),
        A::Text { text } => text.as_str(),
    })
}

fn start_engine(found: EngineFound) -> &'static str {
    match found {
        EngineFound::DockerService => {
            "Start Docker: sudo systemctl start docker. You can also choose another engine with --engine or DOCKER_HOST."
        }
        EngineFound::Podman => {
            "Podman is installed but its socket is not enabled: systemctl --user enable --now podman.socket. You can also choose another engine with --engine or DOCKER_HOST."
        }
        EngineFound::Application => {
            "Start your container engine, such as Docker Desktop, OrbStack or Colima. You can also choose another engine with --engine or DOCKER_HOST."
        }
        EngineFound::Nothing => {
            "Install and start Docker or Podman. You can also choose another engine with --engine or DOCKER_HOST."
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::arguments::Arguments;

    /// Every command that the words name is one that there is, with the options that they name.
    #[test]
    fn the_words_name_commands_that_there_are() {
        let source = include_str!("advice.rs");
        let source = source.split("#[cfg(test)]").next().unwrap();
        let mut named = 0;
        for rest in source.split("vivarium ").skip(1) {
            let mut command = Arguments::command();
            let words = rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
            for (index, word) in words.take(3).enumerate() {
                if let Some(option) = word.strip_prefix("--") {
                    let has = command
                        .get_arguments()
                        .any(|one| one.get_long() == Some(option));
                    assert!(has, "vivarium {rest:.40}: --{option}");
                    continue;
                }
                let Some(found) = command.find_subcommand(word) else {
                    assert!(index > 0 || word == "again", "vivarium {rest:.40}");
                    break;
                };
                command = found.clone();
                named += 1;
            }
        }
        assert!(named > 20, "{named}");
    }

    #[test]
    fn what_is_particular_is_in_the_words() {
        let of = |advice: Advice| words(&advice).into_owned();
        let path = || "/a b".to_owned();
        assert!(of(Advice::FixSpec { path: path() }).contains("/a b"));
        assert!(of(Advice::CreateFolder { path: path() }).contains("/a b"));
        assert!(of(Advice::MakeBase { script: path() }).contains("/a b"));
        let option = || "--ui-port".to_owned();
        assert!(of(Advice::ChoosePort { option: option() }).contains("--ui-port"));
        assert!(of(Advice::FreeOrChoosePort { option: option() }).contains("--ui-port"));
        let image = || "a:b".to_owned();
        assert!(of(Advice::GetSandboxImage { image: image() }).contains("a:b"));
        let tool = || "claude".to_owned();
        assert!(of(Advice::GetAgentImage { tool: tool() }).contains("build claude"));
        assert!(of(Advice::ApproveAgentImage { tool: tool() }).contains("approve claude"));
        assert!(of(Advice::AllowAgentFolder { path: path() }).contains("'/a b'"));
        let name = || "A_KEY".to_owned();
        assert!(of(Advice::StoreKey { name: name() }).contains("A_KEY"));
        let url = "https://x.example/".to_owned();
        assert!(of(Advice::OpenInBrowser { url: url.clone() }).contains(&url));
        assert_eq!(of(Advice::text("As it is.")), "As it is.");
    }
}
