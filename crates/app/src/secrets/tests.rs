use std::{os::unix::fs::PermissionsExt, path::Path};

use lifecycle::NewMachine;

use super::{keychain::Keychain, no_keychain::NoKeychain, *};

/// The keys of a home with the machines `os-host` and `lab`.
struct Fixture {
    secrets: Secrets,
    options: MachineOptions,
    home: tempfile::TempDir,
}

fn without_keychain() -> Result<Keychain, NoKeychain> {
    Err(NoKeychain::NoService("no D-Bus session".into()))
}

fn with_keychain() -> Result<Keychain, NoKeychain> {
    Ok(Keychain::of(keyring_core::mock::Store::new().unwrap()))
}

impl Fixture {
    fn new(open: fn() -> Result<Keychain, NoKeychain>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = MachineOptions {
            home: Some(home.path().into()),
            ..Default::default()
        };
        let machines = Machines::of(&options);
        machines.list().unwrap();
        let lab = NewMachine {
            name: "lab".into(),
            ..Default::default()
        };
        machines.create(&lab).unwrap();
        let secrets = opened(&options, home.path(), open);
        Self {
            secrets,
            options,
            home,
        }
    }

    fn set(&self, name: &str, value: &str, machines: &[&str]) -> Result<SecretList, SecretError> {
        let machines: Vec<String> = machines.iter().map(|&name| name.to_owned()).collect();
        self.secrets
            .set(name, &SecretValue::new(value), Some(&machines))
    }

    /// What a machine sees.
    fn of(&self, machine: &str, file: &str) -> Option<String> {
        self.secrets.paths.secret(machine, file).ok()
    }
}

fn opened(
    options: &MachineOptions,
    home: &Path,
    open: fn() -> Result<Keychain, NoKeychain>,
) -> Secrets {
    let paths = Paths::find(Some(home), None);
    let store = Store::opened_by(paths.data_dir.join("secrets/values"), "test".into(), open);
    Secrets::with(options, paths, store)
}

fn machines(list: &SecretList) -> Vec<&str> {
    list.secrets[0]
        .machines
        .iter()
        .map(String::as_str)
        .collect()
}

/// All bytes of all files below.
fn everything(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            all.extend(everything(&entry.path()));
        } else {
            let path = entry.path().display().to_string();
            all.push((path, std::fs::read(entry.path()).unwrap()));
        }
    }
    all
}

#[test]
fn a_key_is_in_the_chosen_machines_and_in_no_other() {
    for open in [with_keychain, without_keychain] {
        let made = Fixture::new(open);
        let list = made.set("A_API_KEY", "one\n", &["lab"]).unwrap();
        assert_eq!(machines(&list), ["lab"]);
        assert_eq!(made.of("lab", "a_api_key").as_deref(), Some("one"));
        assert_eq!(made.of("os-host", "a_api_key"), None);

        // Another value goes to those that have it.
        made.secrets
            .set("A_API_KEY", &SecretValue::new("two"), None)
            .unwrap();
        assert_eq!(made.of("lab", "a_api_key").as_deref(), Some("two"));

        // Others are chosen without the value.
        let list = made
            .secrets
            .hand_to("A_API_KEY", &["os-host".into()])
            .unwrap();
        assert_eq!(machines(&list), ["os-host"]);
        assert_eq!(made.of("lab", "a_api_key"), None);
        assert_eq!(made.of("os-host", "a_api_key").as_deref(), Some("two"));
        let list = made.secrets.hand_to("A_API_KEY", &[]).unwrap();
        assert_eq!(machines(&list), [] as [&str; 0]);
        assert_eq!(made.of("os-host", "a_api_key"), None);

        made.secrets.hand_to("A_API_KEY", &["lab".into()]).unwrap();
        let list = made.secrets.remove("A_API_KEY").unwrap();
        assert_eq!(list.secrets, []);
        assert_eq!(made.of("lab", "a_api_key"), None);
        let again = made.secrets.remove("A_API_KEY").unwrap_err();
        assert!(matches!(again, SecretError::Unknown { .. }));
    }
}

#[test]
fn a_renamed_machine_keeps_its_keys_and_a_removed_one_leaves_none() {
    let made = Fixture::new(without_keychain);
    made.set("A_API_KEY", "one", &["lab", "os-host"]).unwrap();
    Machines::of(&made.options).rename("lab", "attic").unwrap();
    assert_eq!(
        machines(&made.secrets.list().unwrap()),
        ["os-host", "attic"]
    );
    made.secrets.forget_machine("lab").unwrap();
    assert_eq!(made.of("lab", "a_api_key"), None);
    assert_eq!(machines(&made.secrets.list().unwrap()), ["os-host"]);
}

#[test]
fn without_a_keychain_values_are_in_private_files_and_it_says_so() {
    let made = Fixture::new(without_keychain);
    let list = made.set("A_API_KEY", "s3cret", &[]).unwrap();
    assert_eq!(list.place, SecretPlace::File);
    assert_eq!(
        list.without_keychain.as_deref(),
        Some("no Secret Service: no D-Bus session")
    );
    let folder = made.home.path().join("data/secrets/values");
    assert_eq!(list.folder, folder.display().to_string());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("A_API_KEY")), 0o600);
    let holds = |bytes: &[u8]| bytes.windows(6).any(|part| part == b"s3cret");
    let places = everything(made.home.path());
    let places: Vec<_> = places.iter().filter(|(_, bytes)| holds(bytes)).collect();
    assert_eq!(places.len(), 1, "{places:?}");
}

#[test]
fn with_a_keychain_the_value_is_in_no_file_but_those_of_the_chosen_machines() {
    let made = Fixture::new(with_keychain);
    let list = made.set("A_API_KEY", "s3cret", &["lab"]).unwrap();
    assert_eq!(list.place, SecretPlace::Keychain);
    assert_eq!(list.without_keychain, None);
    let holds = |bytes: &[u8]| bytes.windows(6).any(|part| part == b"s3cret");
    let all = everything(made.home.path());
    let places: Vec<_> = all.iter().filter(|(_, bytes)| holds(bytes)).collect();
    assert_eq!(places.len(), 1, "{places:?}");
    assert!(places[0].0.ends_with("machines/lab/secrets/a_api_key"));
}

#[test]
fn a_key_that_was_in_a_file_moves_to_the_keychain() {
    let made = Fixture::new(without_keychain);
    made.set("A_API_KEY", "one", &["lab"]).unwrap();
    let later = opened(&made.options, made.home.path(), with_keychain);
    assert_eq!(later.list().unwrap().secrets[0].place, SecretPlace::File);
    let list = later
        .set("A_API_KEY", &SecretValue::new("two"), None)
        .unwrap();
    assert_eq!(list.secrets[0].place, SecretPlace::Keychain);
    assert!(
        !made
            .home
            .path()
            .join("data/secrets/values/A_API_KEY")
            .exists()
    );
    // The file's store can't read it any more, and says why.
    let failure = Failure::from(
        made.secrets
            .hand_to("A_API_KEY", &["os-host".into()])
            .unwrap_err(),
    );
    assert_eq!(
        failure.cause.as_deref(),
        Some("no Secret Service: no D-Bus session")
    );
    assert_eq!(
        failure.next.as_deref(),
        Some(&wire::advice::Advice::UnlockKeychain)
    );
}

#[test]
fn a_key_of_the_environment_is_stored_for_one_machine_and_once() {
    let made = Fixture::new(with_keychain);
    made.set("A_API_KEY", "one", &["lab"]).unwrap();
    let adopt = |value: &str| {
        let value = SecretValue::new(value);
        made.secrets.adopt("os-host", "A_API_KEY", &value).unwrap()
    };
    assert!(adopt("two"));
    assert!(!adopt("two"));
    assert_eq!(machines(&made.secrets.list().unwrap()), ["os-host", "lab"]);
    assert_eq!(made.of("os-host", "a_api_key").as_deref(), Some("two"));
    assert!(adopt("three"));
}

#[test]
fn what_is_no_key_changes_nothing() {
    let made = Fixture::new(without_keychain);
    let long = "x".repeat(LONGEST + 1);
    for (name, value, machine) in [
        ("OS_TOKEN", "x", "lab"),
        ("../A", "x", "lab"),
        ("A_API_KEY", " \n", "lab"),
        ("A_API_KEY", "a\0b", "lab"),
        ("A_API_KEY", &long, "lab"),
        ("A_API_KEY", "x", "nobody"),
    ] {
        let refused = made.set(name, value, &[machine]);
        let failure = Failure::from(refused.unwrap_err());
        assert!(!format!("{failure:?}").contains(&long), "{name}");
        assert_eq!(made.secrets.list().unwrap().secrets, [], "{name}");
    }
    assert_eq!(made.of("lab", "a_api_key"), None);
}
