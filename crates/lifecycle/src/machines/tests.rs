use std::path::Path;

use wire::sandbox::NetworkMode;

use super::*;
use crate::{machine::Machine, spec::MountSpec};

fn options(home: &Path) -> MachineOptions {
    MachineOptions {
        home: Some(home.into()),
        ..Default::default()
    }
}

fn named(name: &str) -> NewMachine {
    NewMachine {
        name: name.into(),
        ..Default::default()
    }
}

fn load(home: &Path, name: &str) -> Machine {
    let options = MachineOptions {
        machine: Some(name.into()),
        ..options(home)
    };
    Machine::load(&options).unwrap()
}

#[test]
fn there_is_one_without_anybody_having_created_it() {
    let home = tempfile::tempdir().unwrap();
    let machines = Machines::of(&options(home.path()));
    assert_eq!(machines.list().unwrap(), ["os-host"]);
    let machine = load(home.path(), "os-host");
    assert_eq!(machine.container_name(), "os-host");
    assert_eq!(machine.spec().ports.kernel, 8080);
    assert_eq!(machine.image(), "os");
}

#[test]
fn a_machine_keeps_its_id_when_it_is_renamed() {
    let home = tempfile::tempdir().unwrap();
    let machines = Machines::of(&options(home.path()));
    machines.create(&named("lab")).unwrap();
    machines.rename("lab", "attic").unwrap();
    let pair = |name: &str, id: &str| (name.to_owned(), id.to_owned());
    let expected = [pair("os-host", "os-host"), pair("attic", "lab")];
    assert_eq!(machines.ids().unwrap(), expected);
    std::fs::write(machines.paths.spec_file("broken"), "name =").unwrap();
    assert_eq!(machines.ids().unwrap(), expected);
}

#[test]
fn sandboxes_are_allowed_without_touching_the_rest_of_the_file() {
    let home = tempfile::tempdir().unwrap();
    let machines = Machines::of(&options(home.path()));
    // Also in a file of a version that knew nothing of it.
    let text = "# mine\nname = \"lab\"\n\n[ports]\nkernel = 0 # any\nmcp = 0\nvnc = 0\n";
    make_dir(&machines.paths.specs_dir(), 0o700).unwrap();
    let file = machines.paths.spec_file("lab");
    std::fs::write(&file, text).unwrap();
    assert_eq!(
        load(home.path(), "lab").spec().sandboxes,
        SandboxesSpec::default()
    );
    let access = SandboxesSpec {
        allowed: true,
        network: NetworkMode::Isolated,
    };
    machines.allow_sandboxes("lab", access).unwrap();
    assert_eq!(load(home.path(), "lab").spec().sandboxes, access);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.starts_with(text), "{written}");
    machines
        .allow_sandboxes("lab", SandboxesSpec::default())
        .unwrap();
    assert!(!load(home.path(), "lab").spec().sandboxes.allowed);
    assert!(machines.allow_sandboxes("attic", access).is_err());
}

#[test]
fn an_earlier_versions_spec_is_taken_over_and_a_copy_kept() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    std::fs::create_dir(&config).unwrap();
    let text = "# mine\nname = \"lab\"\n[ports]\nkernel = 9000\n";
    std::fs::write(config.join("machine.toml"), text).unwrap();
    let machines = Machines::of(&options(home.path()));
    assert_eq!(machines.list().unwrap(), ["lab"]);
    let read = |name: &str| std::fs::read_to_string(config.join(name)).unwrap();
    assert_eq!(read("machines/lab.toml"), text);
    assert_eq!(read("machine.toml.old"), text);
    assert!(!config.join("machine.toml").exists());
    // It is meant without being named, with the image that it had.
    let machine = Machine::load(&options(home.path())).unwrap();
    assert_eq!(machine.container_name(), "lab");
    assert_eq!(machine.image(), "os");
}

#[test]
fn an_earlier_versions_spec_that_cant_be_read_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("machine.toml"), "name = 3\n").unwrap();
    let said = Machines::of(&options(home.path()))
        .list()
        .unwrap_err()
        .to_string();
    assert!(said.contains("machine.toml, line 1"), "{said}");
    assert!(config.join("machine.toml").exists());
}

#[test]
fn a_new_machine_has_names_ports_and_folders_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let machines = Machines::of(&options(home.path()));
    let new = NewMachine {
        profile: Some(crate::spec::Profile::Locked),
        memory: Some("4g".into()),
        cpus: Some(1.5),
        mounts: vec![MountSpec {
            source: home.path().display().to_string() + "/config",
            target: "/host".into(),
            read_only: true,
        }],
        ..named("work")
    };
    // The folder has to be there.
    machines.list().unwrap();
    machines.create(&new).unwrap();
    assert_eq!(machines.list().unwrap(), ["os-host", "work"]);
    let (first, machine) = (load(home.path(), "os-host"), load(home.path(), "work"));
    let spec = machine.spec();
    assert_eq!(
        (spec.ports.kernel, spec.ports.mcp, spec.ports.vnc),
        (0, 0, 0)
    );
    assert_eq!(spec.profile, crate::spec::Profile::Locked);
    assert_eq!(spec.limits.memory, "4g");
    assert_eq!(machine.image(), "os-work");
    assert_eq!(machine.container_name(), "work");
    let sources = |machine: &Machine| -> Vec<String> {
        let mounts = machine.spec().mounts.iter();
        mounts.map(|mount| mount.source.clone()).collect()
    };
    let data = home.path().join("data/machines/work/data");
    assert!(data.is_dir());
    assert!(sources(&machine).contains(&data.display().to_string()));
    assert!(
        sources(&first)
            .iter()
            .all(|source| !sources(&machine).contains(source))
    );
    // The first one is meant if none is named.
    assert_eq!(machines.find(None).unwrap().0, "os-host");
}

#[test]
fn what_a_new_machine_can_t_be_is_refused_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let machines = Machines::of(&options(home.path()));
    let refused = |new: &NewMachine| machines.create(new).unwrap_err();
    let name = refused(&named("../evil"));
    assert!(matches!(name, LifecycleError::MachineName { .. }), "{name}");
    let taken = refused(&named("os-host"));
    assert!(
        matches!(taken, LifecycleError::MachineExists { .. }),
        "{taken}"
    );
    let missing = refused(&NewMachine {
        mounts: vec![MountSpec {
            source: "/not/there".into(),
            target: "/x".into(),
            read_only: false,
        }],
        ..named("work")
    });
    assert!(
        matches!(missing, LifecycleError::NoSource { .. }),
        "{missing}"
    );
    let size = refused(&NewMachine {
        memory: Some("much".into()),
        ..named("work")
    });
    assert!(matches!(size, LifecycleError::Spec(_)), "{size}");
    assert_eq!(machines.list().unwrap(), ["os-host"]);
    assert!(!home.path().join("data/machines/work").exists());
}

#[test]
fn no_machine_sees_what_another_one_writes() {
    let home = tempfile::tempdir().unwrap();
    let machines = Machines::of(&options(home.path()));
    machines.list().unwrap();
    let file = home.path().join("config/machines/os-host.toml");
    let mount = format!(
        "\n[[mounts]]\nsource = \"{}\"\ntarget = \"/all\"\n",
        home.path().display()
    );
    let text = std::fs::read_to_string(&file).unwrap() + &mount;
    std::fs::write(&file, text).unwrap();
    let refused = machines.create(&named("work")).unwrap_err();
    assert!(
        matches!(refused, LifecycleError::Covered { .. }),
        "{refused}"
    );
}

#[test]
fn a_renamed_machine_keeps_its_places() {
    let home = tempfile::tempdir().unwrap();
    let machines = Machines::of(&options(home.path()));
    machines.create(&named("work")).unwrap();
    let before = load(home.path(), "work");
    machines.rename("work", "play").unwrap();
    assert_eq!(machines.list().unwrap(), ["os-host", "play"]);
    let after = load(home.path(), "play");
    assert_eq!(after.container_name(), "play");
    assert_eq!(after.image(), before.image());
    assert_eq!(after.token_file(), before.token_file());
    assert_eq!(after.spec().mounts, before.spec().mounts);
    // The name that its places are called by is not free.
    let taken = machines.create(&named("work")).unwrap_err();
    assert!(
        matches!(taken, LifecycleError::MachineExists { .. }),
        "{taken}"
    );
    // Back again, nothing is left of it.
    machines.rename("play", "work").unwrap();
    assert_eq!(load(home.path(), "work").spec(), before.spec());
}

#[test]
fn a_rename_that_was_cut_off_is_finished() {
    let home = tempfile::tempdir().unwrap();
    let machines = Machines::of(&options(home.path()));
    machines.create(&named("work")).unwrap();
    let file = home.path().join("config/machines/work.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let half = text.replace("name = \"work\"", "name = \"play\"\nid = \"work\"");
    std::fs::write(&file, half).unwrap();
    assert_eq!(machines.list().unwrap(), ["os-host", "play"]);
    assert!(!file.exists());
}

#[test]
fn a_machine_that_is_forgotten_leaves_its_spec() {
    let home = tempfile::tempdir().unwrap();
    let machines = Machines::of(&options(home.path()));
    machines.create(&named("work")).unwrap();
    machines.forget("work").unwrap();
    assert_eq!(machines.list().unwrap(), ["os-host"]);
    assert!(
        home.path()
            .join("config/machines/removed/work.toml")
            .exists()
    );
    let unknown = machines.find(Some("work")).unwrap_err();
    assert!(
        matches!(unknown, LifecycleError::NoMachine { .. }),
        "{unknown}"
    );
}
