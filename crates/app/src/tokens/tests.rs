use std::os::unix::fs::PermissionsExt;

use lifecycle::NewMachine;

use super::*;

struct Fixture {
    tokens: Tokens,
    options: MachineOptions,
    home: tempfile::TempDir,
}

impl Fixture {
    /// A home with the machines `os-host` and `lab`.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = MachineOptions {
            home: Some(home.path().into()),
            ..Default::default()
        };
        let lab = NewMachine {
            name: "lab".into(),
            ..Default::default()
        };
        Machines::of(&options).create(&lab).unwrap();
        Self {
            tokens: Tokens::of(&options),
            options,
            home,
        }
    }

    fn create(
        &self,
        name: &str,
        scope: &str,
        machines: Option<&[&str]>,
    ) -> Result<TokenCreated, TokenError> {
        self.tokens.create(&TokenCreateRequest {
            name: name.into(),
            scopes: vec![scope.parse().unwrap()],
            machines: machines.map(|names| names.iter().map(|&name| name.into()).collect()),
            numbered: false,
        })
    }

    /// What a machine reads.
    fn of(&self, machine: &str) -> Vec<TokenRecord> {
        let text = self.tokens.paths.secret(machine, TOKEN_FILE);
        text.map_or(Vec::new(), |text| {
            serde_json::from_str::<TokenFile>(&text).unwrap().tokens
        })
    }

    fn names(&self, machine: &str) -> Vec<String> {
        self.of(machine)
            .into_iter()
            .map(|record| record.name)
            .collect()
    }
}

#[test]
fn a_machine_knows_the_hashes_of_its_tokens_and_of_no_others() {
    let made = Fixture::new();
    let all = made.create("all", "read", None).unwrap();
    made.create("lab-only", "exec", Some(&["lab"])).unwrap();
    assert_eq!(made.names("os-host"), ["all"]);
    assert_eq!(made.names("lab"), ["all", "lab-only"]);
    let token = all.token.reveal();
    let digits = token.strip_prefix("e2b_").unwrap();
    assert!(digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let record = &made.of("lab")[0];
    assert_eq!(
        record.hash,
        blake3::hash(token.as_bytes()).to_hex().as_str()
    );
    assert_eq!(record.scopes, [Scope::Read]);
    // The token itself is in no file.
    let kept = std::fs::read_to_string(made.tokens.path()).unwrap();
    assert!(!kept.contains(token));
    let mode = std::fs::metadata(made.tokens.path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    made.tokens.remove("all").unwrap();
    assert_eq!(made.names("os-host"), [] as [&str; 0]);
    assert!(
        !made
            .home
            .path()
            .join("data/machines/os-host/secrets/tokens.json")
            .exists()
    );
    assert_eq!(made.names("lab"), ["lab-only"]);
    assert!(matches!(
        made.tokens.remove("all"),
        Err(TokenError::Unknown { .. })
    ));
}

#[test]
fn a_machine_that_is_new_or_renamed_or_removed() {
    let made = Fixture::new();
    made.create("all", "read", None).unwrap();
    made.create("one", "exec", Some(&["lab"])).unwrap();
    let machines = Machines::of(&made.options);
    machines.rename("lab", "attic").unwrap();
    let list = made.tokens.list().unwrap();
    assert_eq!(
        list.tokens[1].machines.as_deref(),
        Some(&["attic".to_owned()][..])
    );
    let later = NewMachine {
        name: "later".into(),
        ..Default::default()
    };
    machines.create(&later).unwrap();
    assert_eq!(made.names("later"), [] as [&str; 0]);
    made.tokens.hand_to("later").unwrap();
    assert_eq!(made.names("later"), ["all"]);
    made.tokens.forget_machine("lab").unwrap();
    assert_eq!(made.names("lab"), [] as [&str; 0]);
    assert_eq!(
        made.tokens.list().unwrap().tokens[1].machines.as_deref(),
        Some(&[][..])
    );
}

#[test]
fn names_are_plain_and_each_there_once() {
    let made = Fixture::new();
    for name in ["", "a b", "a/b", "ä", &"a".repeat(65)] {
        let refused = made.create(name, "read", None).unwrap_err();
        assert!(matches!(refused, TokenError::Name { .. }), "{name}");
    }
    let first = made.create("cursor", "mcp:*", None).unwrap();
    let second = made.create("cursor", "mcp:*", None);
    assert!(matches!(second, Err(TokenError::Taken { .. })));
    let numbered = |_| {
        let made = made.tokens.create(&TokenCreateRequest {
            name: "cursor".into(),
            scopes: vec![Scope::every_mcp_server()],
            machines: None,
            numbered: true,
        });
        made.unwrap()
    };
    let names: Vec<_> = (0..2).map(numbered).map(|made| made.entry.name).collect();
    assert_eq!(names, ["cursor-2", "cursor-3"]);
    assert_eq!(first.entry.name, "cursor");
    let without = TokenCreateRequest {
        name: "none".into(),
        ..Default::default()
    };
    assert!(matches!(
        made.tokens.create(&without),
        Err(TokenError::NoScope)
    ));
    let nobody = made.create("b", "read", Some(&["nobody"]));
    assert!(matches!(nobody, Err(TokenError::NoMachine { .. })));
}
