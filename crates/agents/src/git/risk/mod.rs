//! What of a change a reviewer should look at: files that tools run or obey without being asked, and
//! changes that are easy to overlook. A mark is no verdict.
//!
//! - `paths`: what a file is, by its path
//! - `contents`: what its content says

mod contents;
mod paths;

pub(super) use contents::mark;

/// Why a file is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Risk {
    /// A git hook, or the settings of a tool that installs some.
    GitHook,
    /// What a build server runs.
    ContinuousIntegration,
    /// What a shell runs when it enters the folder.
    ShellEnvironment,
    /// What an editor runs or obeys when it opens the folder.
    Editor,
    /// What AI tools run or obey.
    AgentSettings,
    /// How git treats files.
    GitSettings,
    /// A submodule, or the list of them.
    Submodule,
    /// A name that a file system may take for `.git`.
    GitFolder,
    /// A script that builds, tests or installs.
    BuildScript,
    /// Where packages come from.
    PackageSource,
    /// The scripts of a package, which its installation may run.
    PackageScripts,
    /// A file that can be run, and couldn't before.
    MadeExecutable,
    /// A link that leads out of the repository, or into `.git`.
    LinkLeadsOut,
    /// Lines with characters that turn the direction of the text.
    HiddenText,
    /// A name with characters that can't be seen.
    HiddenName,
}

impl Risk {
    /// Why it should be looked at, in a sentence.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::GitHook => "Git hooks run on your computer when you commit, merge or push.",
            Self::ContinuousIntegration => {
                "Your build server runs this, often with access to secrets."
            }
            Self::ShellEnvironment => "A shell can run this as soon as you enter the folder.",
            Self::Editor => "Your editor can run this as soon as you open the folder.",
            Self::AgentSettings => "AI tools obey this, and can run commands from it.",
            Self::GitSettings => "This changes how git treats files, and can hide changes.",
            Self::Submodule => "Submodules bring in the content of another repository.",
            Self::GitFolder => "Some file systems treat this name as git's own folder.",
            Self::BuildScript => "This runs when the project is built, tested or installed.",
            Self::PackageSource => "This changes where packages are downloaded from.",
            Self::PackageScripts => "Installing or building the package runs these scripts.",
            Self::MadeExecutable => "This file can now be run.",
            Self::LinkLeadsOut => {
                "This link leads out of the repository, or into git's own folder."
            }
            Self::HiddenText => "Characters in it change the order in which the text is shown.",
            Self::HiddenName => "The name has characters that can't be seen.",
        }
    }
}
