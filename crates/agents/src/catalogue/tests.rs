use std::{collections::BTreeSet, fs, path::PathBuf};

use super::*;

fn docker() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docker")
}

fn id(text: &str) -> ToolId {
    text.parse().unwrap()
}

/// The catalogue with this file over it.
fn with(own: &str) -> Catalogue {
    let config = tempfile::tempdir().unwrap();
    let file = Catalogue::file(config.path());
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, own).unwrap();
    Catalogue::load(config.path())
}

/// The only problem of that file, without its folder.
fn problem(own: &str) -> String {
    let catalogue = with(own);
    assert_eq!(catalogue.problems().len(), 1, "{:?}", catalogue.problems());
    let text = catalogue.problems()[0].to_string();
    text.rsplit_once("agents/").unwrap().1.to_owned()
}

#[test]
fn all_fifteen_tools_are_there_without_a_problem() {
    let catalogue = Catalogue::built_in();
    assert_eq!(catalogue.problems(), []);
    let names: Vec<_> = catalogue.tools().map(|(id, _)| id.as_str()).collect();
    assert_eq!(
        names,
        [
            "aider",
            "amp",
            "auggie",
            "claude",
            "codebuddy",
            "codex",
            "droid",
            "gemini",
            "jules",
            "kilo",
            "opencode",
            "qoder",
            "qwen",
            "shai",
            "shell"
        ]
    );
}

#[test]
fn each_tool_has_a_dockerfile_that_installs_its_pin_and_ends_with_its_version() {
    for (id, tool) in Catalogue::built_in().tools() {
        let file = docker().join(format!("agents/{id}/Dockerfile"));
        if tool.not_built.is_some() {
            assert!(!file.exists(), "{id}");
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains(&format!("vivarium.agents.tool={id}")), "{id}");
        let last = text.trim_end().lines().last().unwrap();
        assert!(
            last.starts_with("RUN") && last.contains(&format!("{} --version", tool.binary)),
            "{id}: {last}"
        );
        if let Some(package) = &tool.package {
            let version = format!("ARG VERSION={}", package.version());
            assert_eq!(text.matches(&version).count(), 2, "{id}: {version}");
            assert!(text.contains(&format!("\"{}", package.name())), "{id}");
        }
    }
}

#[test]
fn a_tool_that_the_project_does_not_build_says_why() {
    let catalogue = Catalogue::built_in();
    let not_built: Vec<_> = catalogue
        .tools()
        .filter(|(_, tool)| tool.not_built.is_some())
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(not_built, ["jules", "shai"]);
}

#[test]
fn the_image_with_all_tools_has_each_that_runs_with_its_python() {
    let text = fs::read_to_string(docker().join("agents/all/Dockerfile")).unwrap();
    let copied: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("COPY --from=")?.split(' ').next())
        .collect();
    let catalogue = Catalogue::built_in();
    let wanted: BTreeSet<_> = catalogue
        .tools()
        .filter(|(_, tool)| tool.package.is_some() && tool.base.is_none())
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(copied, wanted);
}

#[test]
fn the_image_for_graphics_cards_differs_in_its_base_alone() {
    let lines = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(docker().join(name)).unwrap();
        let text = text
            .replace("CUDA_IMAGE", "BASE")
            .replace("agents-base-gpu", "agents-base");
        let (_, rest) = text.split_once("\n\n").unwrap();
        rest.lines().map(str::to_owned).collect()
    };
    assert_eq!(lines("Dockerfile"), lines("Dockerfile.gpu"));
}

#[test]
fn a_person_changes_one_key_and_adds_a_tool() {
    let catalogue = with(
        r#"
        [tool.claude.package]
        version = "2.2.0"

        [tool.mine]
        title = "Mine"
        binary = "mine"
        package = { source = "pypi", name = "mine", version = "1.0" }
        interactive = ["{prompt}"]
        prompt = ["{text}"]
        "#,
    );
    assert_eq!(catalogue.problems(), []);
    let claude = catalogue.tool(&id("claude")).unwrap();
    assert_eq!(claude.pinned_version().unwrap().as_str(), "2.2.0");
    assert_eq!(claude.title, "Claude Code");
    let mine = catalogue.tool(&id("mine")).unwrap();
    let start = Start {
        prompt: Some("hello"),
        ..Default::default()
    };
    assert_eq!(mine.interactive_command(&start).unwrap(), ["mine", "hello"]);
}

#[test]
fn a_broken_entry_drops_only_itself_and_says_why() {
    let catalogue = with(
        r#"
        [tool.claude]
        titel = "x"

        [tool.codex.package]
        version = "^1"

        [tool.qwen]
        title = "Mine"
        "#,
    );
    let told: Vec<_> = catalogue
        .problems()
        .iter()
        .map(|problem| (problem.tool.as_deref(), problem.line))
        .collect();
    assert_eq!(told, [(Some("claude"), Some(2)), (Some("codex"), Some(5))]);
    // The project's entries stay.
    assert_eq!(catalogue.tool(&id("claude")).unwrap().title, "Claude Code");
    let codex = catalogue.tool(&id("codex")).unwrap();
    assert_eq!(codex.pinned_version().unwrap().as_str(), "0.171.0");
    assert_eq!(catalogue.tool(&id("qwen")).unwrap().title, "Mine");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (own, told) in [
        (
            "[tool.claude]\ntitel = 1\n",
            "catalogue.toml, line 1: tool claude: unknown field `titel`",
        ),
        (
            "\n[tool.claude.package]\nversion = \"latest\"\n",
            "catalogue.toml, line 2: tool claude: invalid version: \"latest\"",
        ),
        (
            "[tool.Mine]\n",
            "catalogue.toml, line 1: tool Mine: invalid name: \"Mine\"",
        ),
        (
            "[tool.base]\n",
            "catalogue.toml, line 1: tool base: invalid name: \"base\"",
        ),
        ("[tool.claude\n", "catalogue.toml, line 1:"),
        ("[tools.claude]\n", "catalogue.toml: unknown field `tools`"),
        ("tool = 1\n", "catalogue.toml: `tool` isn't a table"),
        (
            "[tool]\nclaude = 1\n",
            "catalogue.toml: tool claude: invalid type",
        ),
        (
            "[tool.claude]\nbinary = \"../x\"\n",
            "binary: invalid: \"../x\"",
        ),
        (
            "[tool.claude]\nhome_page = \"javascript:x\"\n",
            "home_page: invalid",
        ),
        (
            "[tool.claude]\ninteractive = [\"x{id}\"]\n",
            "invalid argument: \"x{id}\"",
        ),
        (
            "[tool.claude]\ninteractive = [\"{id}\"]\n",
            "interactive: {id} has no meaning there",
        ),
        (
            "[tool.claude]\nunattended = [\"-p\"]\n",
            "unattended: expected either {prompt} or {text}",
        ),
        (
            "[tool.claude.session]\nresume = [\"-r\"]\n",
            "session.resume: {id} is missing",
        ),
        (
            "[tool.claude]\ndefault_mode = \"auto\"\n",
            "default_mode: auto isn't one that asks",
        ),
        (
            "[tool.claude]\ndefault_mode = \"none\"\n",
            "default_mode: none isn't one of the modes",
        ),
        (
            "[tool.claude]\nkeys = [\"A=B\"]\n",
            "keys and environment: invalid: \"A=B\"",
        ),
        (
            "[tool.claude.hooks]\nfile = \"/etc/passwd\"\n",
            "invalid path: \"/etc/passwd\"",
        ),
        (
            "[[tool.claude.first_run]]\npath = \"a/../../b\"\nformat = \"text\"\ncontent = \"\"\n",
            "invalid path: \"a/../../b\"",
        ),
        (
            "[[tool.claude.first_run]]\npath = \"a\"\nformat = \"json\"\ncontent = \"[]\"\n",
            "first_run: a: invalid type",
        ),
        (
            "[tool.claude.package]\nname = \"-g\"\n",
            "package: invalid: \"-g\"",
        ),
        ("[tool.claude]\nbase = \"-x\"\n", "base: invalid: \"-x\""),
    ] {
        let text = problem(own);
        assert!(text.contains(told), "{own}\n{text}");
    }
}

#[test]
fn a_file_that_is_too_large_or_no_text_leaves_the_project_s_entries() {
    for own in [vec![b'#'; (1 << 20) + 1], vec![0xff]] {
        let config = tempfile::tempdir().unwrap();
        let file = Catalogue::file(config.path());
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, own).unwrap();
        let catalogue = Catalogue::load(config.path());
        assert_eq!(catalogue.problems().len(), 1);
        assert_eq!(catalogue.tools().count(), 15);
    }
}

#[test]
fn commands_are_what_each_tool_takes() {
    let catalogue = Catalogue::built_in();
    let conversation: ConversationId = "11111111-2222-4333-8444-555555555555".parse().unwrap();
    let told = |name: &str, mode: &str, conversation: Conversation, unattended: bool| {
        let tool = catalogue.tool(&id(name)).unwrap();
        let start = Start {
            mode: Some(tool.mode(mode).unwrap()),
            conversation,
            prompt: Some("Fix it"),
        };
        let command = match unattended {
            true => tool.unattended_command(&start),
            false => tool.interactive_command(&start),
        };
        command.map(|words| words.join(" ")).unwrap_or_default()
    };
    let new = || Conversation::NewOf(conversation.clone());
    let resume = || Conversation::Resume(conversation.clone());
    for (name, mode, which, unattended, command) in [
        (
            "claude",
            "manual",
            new(),
            false,
            "claude --session-id ID --permission-mode manual Fix it",
        ),
        (
            "claude",
            "bypassPermissions",
            resume(),
            true,
            "claude -p --resume ID --dangerously-skip-permissions --output-format stream-json --verbose Fix it",
        ),
        (
            "codex",
            "ask",
            resume(),
            false,
            "codex resume ID --sandbox read-only --config approval_policy=on-request --config developer_instructions=No command can run in a sandbox in this container. Request escalated permissions with each command, so that the person is asked. Fix it",
        ),
        (
            "codex",
            "full-access",
            new(),
            true,
            "codex exec --dangerously-bypass-approvals-and-sandbox --json --skip-git-repo-check Fix it",
        ),
        (
            "codex",
            "full-access",
            resume(),
            true,
            "codex exec --dangerously-bypass-approvals-and-sandbox resume ID --json --skip-git-repo-check Fix it",
        ),
        (
            "opencode",
            "ask",
            resume(),
            false,
            "opencode --session ID --prompt Fix it",
        ),
        (
            "opencode",
            "auto",
            Conversation::New,
            true,
            "opencode run --auto --format json Fix it",
        ),
        // In a terminal its settings decide.
        ("opencode", "auto", Conversation::New, false, ""),
        (
            "droid",
            "all",
            resume(),
            true,
            "droid exec --session-id ID --skip-permissions-unsafe --output-format stream-json Fix it",
        ),
        (
            "aider",
            "yes",
            Conversation::Last,
            true,
            "aider --restore-chat-history --yes-always --message Fix it",
        ),
        // It can't go on with one of an id.
        ("aider", "yes", resume(), true, ""),
    ] {
        let expected = command.replace("ID", conversation.as_str());
        assert_eq!(told(name, mode, which, unattended), expected);
    }
    let shell = catalogue.tool(&id("shell")).unwrap();
    assert_eq!(
        shell.interactive_command(&Start::default()).unwrap(),
        ["bash", "--login"]
    );
}

#[test]
fn neither_a_prompt_nor_an_id_becomes_an_option() {
    let catalogue = Catalogue::built_in();
    let claude = catalogue.tool(&id("claude")).unwrap();
    let start = Start {
        prompt: Some("--dangerously-skip-permissions\0"),
        ..Default::default()
    };
    let command = claude.interactive_command(&start).unwrap();
    assert_eq!(command, ["claude", " --dangerously-skip-permissions"]);
    for hostile in [
        "",
        "-x",
        "--config=x",
        "a b",
        "../x",
        "a\n",
        &"a".repeat(129),
    ] {
        hostile.parse::<ConversationId>().unwrap_err();
    }
}

#[test]
fn each_tool_asks_unless_a_person_chose_otherwise() {
    for (id, tool) in Catalogue::built_in().tools() {
        let Some(default) = &tool.default_mode else {
            assert!(tool.modes.is_empty(), "{id}");
            continue;
        };
        // Amp and Auggie have no flag for it.
        let policy = tool.mode(default).unwrap().policy;
        let expected = match id.as_str() {
            "amp" | "auggie" => Policy::Auto,
            _ => Policy::Ask,
        };
        assert_eq!(policy, expected, "{id}");
    }
}

#[test]
fn no_recipe_names_a_host_to_fetch_from() {
    let mut folders = vec![docker()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("base") || path.ends_with("agents/base") {
                    folders.push(path);
                }
                continue;
            }
            let recipe = path.file_name().unwrap().to_string_lossy().into_owned();
            if recipe.starts_with("Dockerfile") || recipe.starts_with("install-") {
                let text = fs::read_to_string(&path).unwrap();
                assert!(!text.contains("://"), "{}", path.display());
            }
        }
    }
}
