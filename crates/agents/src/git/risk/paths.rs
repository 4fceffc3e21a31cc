//! What a file is, by its path. Letters count as the same in both cases, as some file systems and
//! tools take them.

use super::Risk;
use crate::git::tree_path::{TreePath, is_unseen};

/// Files of these names, in any folder.
const NAMES: [(Risk, &[&str]); 9] = [
    (
        Risk::GitHook,
        &[
            ".pre-commit-config.yaml",
            ".pre-commit-config.yml",
            ".pre-commit-hooks.yaml",
            "lefthook.yml",
            "lefthook.yaml",
            ".lefthook.yml",
            ".lefthook.yaml",
            "lefthook-local.yml",
            ".overcommit.yml",
            ".huskyrc",
            ".huskyrc.json",
            ".lintstagedrc",
            ".lintstagedrc.json",
        ],
    ),
    (
        Risk::ContinuousIntegration,
        &[
            ".gitlab-ci.yml",
            ".travis.yml",
            ".drone.yml",
            ".cirrus.yml",
            ".woodpecker.yml",
            ".appveyor.yml",
            "appveyor.yml",
            "azure-pipelines.yml",
            "bitbucket-pipelines.yml",
            "jenkinsfile",
            "cloudbuild.yaml",
            "buildspec.yml",
            "action.yml",
            "action.yaml",
        ],
    ),
    (
        Risk::ShellEnvironment,
        &[
            ".envrc",
            ".env",
            ".bashrc",
            ".bash_profile",
            ".profile",
            ".zshrc",
            ".zshenv",
            ".zprofile",
            "mise.toml",
            ".mise.toml",
            ".rtx.toml",
            "shell.nix",
            "flake.nix",
            "devenv.nix",
        ],
    ),
    (
        Risk::Editor,
        &[
            "devcontainer.json",
            ".devcontainer.json",
            ".exrc",
            ".vimrc",
            ".nvimrc",
            ".nvim.lua",
            ".lvimrc",
            ".dir-locals.el",
            ".sublime-project",
        ],
    ),
    (
        Risk::AgentSettings,
        &[
            ".mcp.json",
            "mcp.json",
            ".cursorrules",
            ".cursorignore",
            ".windsurfrules",
            ".clinerules",
            ".roorules",
            ".aider.conf.yml",
            ".aiderignore",
            "opencode.json",
            "opencode.jsonc",
            "kilo.json",
            "agents.md",
            "agent.md",
            "claude.md",
            "claude.local.md",
            "gemini.md",
            "qwen.md",
            "copilot-instructions.md",
        ],
    ),
    (
        Risk::GitSettings,
        &[".gitattributes", ".gitconfig", ".lfsconfig", ".mailmap"],
    ),
    (Risk::Submodule, &[".gitmodules"]),
    (
        Risk::BuildScript,
        &[
            "dockerfile",
            "containerfile",
            "compose.yml",
            "compose.yaml",
            "docker-compose.yml",
            "docker-compose.yaml",
            "makefile",
            "gnumakefile",
            "justfile",
            "rakefile",
            "taskfile.yml",
            "tiltfile",
            "vagrantfile",
            "cmakelists.txt",
            "build.rs",
            "build.gradle",
            "build.gradle.kts",
            "settings.gradle",
            "settings.gradle.kts",
            "init.gradle",
            "gradlew",
            "gradlew.bat",
            "mvnw",
            "mvnw.cmd",
            "setup.py",
            "conftest.py",
            "sitecustomize.py",
            "noxfile.py",
            "tox.ini",
            "binding.gyp",
            ".pnp.cjs",
            ".pnpmfile.cjs",
            "extconf.rb",
        ],
    ),
    (
        Risk::PackageSource,
        &[
            ".npmrc",
            ".yarnrc",
            ".yarnrc.yml",
            ".pypirc",
            "pip.conf",
            "uv.toml",
            "bunfig.toml",
            "nuget.config",
            "gradle-wrapper.properties",
            "maven-wrapper.properties",
            "rust-toolchain",
            "rust-toolchain.toml",
        ],
    ),
];

/// Everything in folders of these names, in any folder.
const FOLDERS: [(Risk, &[&str]); 5] = [
    (
        Risk::GitHook,
        &[".githooks", ".git-hooks", ".husky", ".lefthook"],
    ),
    (
        Risk::ContinuousIntegration,
        &[
            ".circleci",
            ".buildkite",
            ".woodpecker",
            ".semaphore",
            ".teamcity",
            ".tekton",
        ],
    ),
    (
        Risk::Editor,
        &[
            ".vscode",
            ".idea",
            ".zed",
            ".fleet",
            ".devcontainer",
            ".nvim",
            ".vs",
        ],
    ),
    (
        Risk::AgentSettings,
        &[
            ".claude",
            ".claude-plugin",
            ".cursor",
            ".codex",
            ".gemini",
            ".qwen",
            ".opencode",
            ".kilocode",
            ".kilo",
            ".factory",
            ".augment",
            ".qoder",
            ".codebuddy",
            ".amp",
            ".agents",
            ".continue",
            ".windsurf",
            ".roo",
            ".cline",
        ],
    ),
    (Risk::PackageSource, &[".cargo"]),
];

/// Everything in folders of these names in these folders.
const NESTED: [(Risk, &str, &str); 8] = [
    (Risk::ContinuousIntegration, ".github", "workflows"),
    (Risk::ContinuousIntegration, ".github", "actions"),
    (Risk::AgentSettings, ".github", "instructions"),
    (Risk::AgentSettings, ".github", "prompts"),
    (Risk::ContinuousIntegration, ".gitlab", "ci"),
    (Risk::ContinuousIntegration, ".gitea", "workflows"),
    (Risk::ContinuousIntegration, ".forgejo", "workflows"),
    (Risk::BuildScript, ".mvn", "wrapper"),
];

/// What a path is known for.
pub(super) fn risks(path: &TreePath) -> Vec<Risk> {
    let names: Vec<String> = path
        .names()
        .map(|name| String::from_utf8_lossy(name).to_lowercase())
        .collect();
    let Some((name, folders)) = names.split_last() else {
        return Vec::new();
    };
    let mut risks = Vec::new();
    let by_name = NAMES
        .iter()
        .filter(|(_, known)| known.contains(&name.as_str()));
    risks.extend(by_name.map(|(risk, _)| *risk));
    let is_one = |known: &&[&str]| {
        folders
            .iter()
            .any(|folder| known.contains(&folder.as_str()))
    };
    risks.extend(
        FOLDERS
            .iter()
            .filter(|(_, known)| is_one(known))
            .map(|(risk, _)| *risk),
    );
    for pair in folders.windows(2) {
        let nested = NESTED
            .iter()
            .filter(|(_, outer, inner)| pair == [*outer, *inner]);
        risks.extend(nested.map(|(risk, ..)| *risk));
    }
    risks.extend(by_end(name));
    if path.names().any(is_like_git) {
        risks.push(Risk::GitFolder);
    }
    let mut chars = path
        .as_bytes()
        .utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars());
    if chars.any(is_unseen) {
        risks.push(Risk::HiddenName);
    }
    risks
}

/// Names of which only an end is known.
fn by_end(name: &str) -> Option<Risk> {
    let is_environment = name.starts_with(".env.") && !name.ends_with(".example");
    if is_environment {
        return Some(Risk::ShellEnvironment);
    }
    if name.ends_with(".code-workspace") {
        return Some(Risk::Editor);
    }
    let is_container = name.starts_with("dockerfile.") || name.ends_with(".dockerfile");
    (is_container || name.ends_with(".mk")).then_some(Risk::BuildScript)
}

/// Whether a file system may take a name for `.git`: HFS leaves out characters that can't be seen,
/// NTFS takes short names, and drops what follows a colon and dots and blanks at the end.
pub(super) fn is_like_git(name: &[u8]) -> bool {
    let text = String::from_utf8_lossy(name);
    let is_joiner = |char: &char| matches!(char, '\u{200c}' | '\u{200d}');
    let seen = text
        .chars()
        .filter(|char| !is_unseen(*char) && !is_joiner(char));
    let seen: String = seen.collect();
    let lower = seen.to_lowercase();
    let stem = lower.split([':', '\\']).next().unwrap_or_default();
    let stem = stem.trim_end_matches(['.', ' ']);
    stem == ".git" || stem == "git~1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_run_are_known_by_their_paths() {
        for (path, risk) in [
            (".github/workflows/ci.yml", Risk::ContinuousIntegration),
            ("sub/.gitlab-ci.yml", Risk::ContinuousIntegration),
            (".husky/pre-commit", Risk::GitHook),
            (".envrc", Risk::ShellEnvironment),
            ("a/.ENVRC", Risk::ShellEnvironment),
            (".vscode/tasks.json", Risk::Editor),
            (".vscode/settings.json", Risk::Editor),
            (".claude/settings.local.json", Risk::AgentSettings),
            (".cursor/mcp.json", Risk::AgentSettings),
            (".mcp.json", Risk::AgentSettings),
            ("sub/CLAUDE.md", Risk::AgentSettings),
            (".gitattributes", Risk::GitSettings),
            (".gitmodules", Risk::Submodule),
            ("Dockerfile", Risk::BuildScript),
            ("docker/Dockerfile.gpu", Risk::BuildScript),
            ("Makefile", Risk::BuildScript),
            (".cargo/config.toml", Risk::PackageSource),
            (".git/config", Risk::GitFolder),
            ("a/.GIT./config", Risk::GitFolder),
            ("GIT~1/config", Risk::GitFolder),
            (".g\u{200c}it/config", Risk::GitFolder),
            ("a/.git::$INDEX_ALLOCATION/x", Risk::GitFolder),
            ("a\u{202e}b", Risk::HiddenName),
        ] {
            let found = risks(&TreePath::new(path));
            assert!(found.contains(&risk), "{path:?}: {found:?}");
        }
        for path in [
            "src/main.rs",
            "docs/github/workflows.md",
            "git/x",
            ".gitignore",
            "hooks/useX.ts",
        ] {
            assert!(risks(&TreePath::new(path)).is_empty(), "{path}");
        }
    }
}
