//! What a spec turns into.

use super::*;
use crate::spec::Executor;

fn plan(spec: &Spec, image_id: &str) -> ContainerSpec {
    plan_of(spec, "os", image_id)
}

fn plan_of(spec: &Spec, image: &str, image_id: &str) -> ContainerSpec {
    let paths = Paths::find(Some(Path::new("/h")), Some("blue"));
    let names = Names::new(spec, Some("blue"));
    let socket = EngineSocket {
        path: "/run/user/7/docker.sock".into(),
        group: 998,
    };
    let site = Site {
        repo: "/r".into(),
        history: Some("/h.git".into()),
        image: image.into(),
        image_id: image_id.into(),
        seccomp: "{}".into(),
        socket: (spec.executor == Executor::Socket).then_some(socket),
        podman: false,
        user_namespace: None,
    };
    container(spec, &names, &paths, &site)
}

#[test]
fn the_plans_digest_follows_spec_and_image() {
    let digest = |spec: &Spec, image: &str| plan(spec, image).labels[label::PLAN].clone();
    let spec = Spec::default();
    assert_eq!(digest(&spec, "a"), digest(&spec, "a"));
    assert_ne!(digest(&spec, "a"), digest(&spec, "b"));
    // A generation that is the template's image is no other machine.
    let named = plan_of(&spec, "os:gen-1", "a");
    assert_eq!(named.labels[label::PLAN], digest(&spec, "a"));
    assert_eq!(named.image, "os:gen-1");
    // Limits that the engine changes in place don't take another container.
    let mut limited = Spec::default();
    limited.limits.memory = "4g".into();
    limited.limits.cpus = 1.5;
    limited.limits.pids = 100;
    assert_eq!(digest(&spec, "a"), digest(&limited, "a"));
    limited.limits.shm = "2g".into();
    assert_ne!(digest(&spec, "a"), digest(&limited, "a"));
    let other = Spec {
        criu: true,
        ..Spec::default()
    };
    assert_ne!(digest(&spec, "a"), digest(&other, "a"));
}

#[test]
fn only_the_usual_folders_are_made() {
    let home = tempfile::tempdir().unwrap();
    let paths = Paths::find(Some(home.path()), None);
    let mut spec = Spec::default();
    make_sources(&spec, &paths).unwrap();
    assert!(home.path().join(".mcp-state").is_dir());
    let typed = home.path().join("typo");
    spec.mounts[0].source = typed.display().to_string();
    let refused = make_sources(&spec, &paths);
    assert!(matches!(refused, Err(LifecycleError::NoSource { path, .. }) if path == typed));
    assert!(!typed.exists());
}

/// It would be made anew after each of its evolves.
#[test]
fn the_plan_of_a_machine_that_replaces_itself_is_the_same_for_another_image() {
    let spec = Spec {
        executor: Executor::Socket,
        ..Spec::default()
    };
    let digest = |image: &str| plan(&spec, image).labels[label::PLAN].clone();
    assert_eq!(digest("a"), digest("b"));
    assert_eq!(plan(&spec, "a").image, "os");
}

#[test]
fn nothing_secret_and_no_socket_by_default() {
    let plan = plan(&Spec::default(), "a");
    assert!(
        !plan
            .environment
            .keys()
            .any(|name| name.contains("TOKEN") || name.contains("PASSWORD"))
    );
    assert!(
        !plan
            .binds
            .iter()
            .any(|bind| bind.target.contains("docker.sock"))
    );
    let secrets = plan
        .binds
        .iter()
        .find(|bind| bind.target == "/run/secrets")
        .unwrap();
    assert!(secrets.read_only);
    assert_eq!(plan.name, "blue-os-host");
    assert_eq!(plan.network.as_deref(), Some("blue-os-host-net"));
}

#[test]
fn a_machine_reads_its_history_and_writes_none() {
    let plan = plan(&Spec::default(), "a");
    let history = plan.binds.iter().find(|bind| bind.target == HISTORY);
    let history = history.unwrap();
    assert_eq!(
        (history.source.as_str(), history.read_only),
        ("/h.git", true)
    );
    let mut binds = without_history(&plan).binds;
    assert!(binds.iter().all(|bind| bind.target != HISTORY));
    binds.insert(3, history.clone());
    assert_eq!(binds, plan.binds);
}

#[test]
fn the_locked_profile_closes_what_the_default_leaves_open() {
    let mut spec = Spec {
        profile: Profile::Locked,
        ..Spec::default()
    };
    let locked = plan(&spec, "a");
    assert!(locked.drop_capabilities && locked.read_only);
    let has = |option: &str| locked.security_options.iter().any(|one| one == option);
    assert!(has("no-new-privileges") && has("seccomp={}"));
    let (uid, gid) = machine_ids();
    assert_ne!(uid, 0);
    assert_eq!(locked.user, Some(format!("{uid}:{gid}")));
    assert!(locked.tmpfs["/run"].contains(&format!("uid={uid},gid={gid}")));
    assert!(!locked.tmpfs.contains_key("/data"));
    spec.mounts.clear();
    assert!(plan(&spec, "a").tmpfs.contains_key("/data"));
    assert_eq!(plan(&Spec::default(), "a").user, None);
}

#[test]
fn seccomp_is_off_for_criu_alone() {
    let options = |criu| {
        let spec = Spec {
            criu,
            ..Spec::default()
        };
        plan(&spec, "a").security_options
    };
    assert_eq!(options(false), ["seccomp={}"]);
    assert_eq!(options(true), ["seccomp=unconfined"]);
}

#[test]
fn a_machine_with_the_socket_is_in_its_group() {
    let spec = Spec {
        executor: Executor::Socket,
        ..Spec::default()
    };
    let plan = plan(&spec, "a");
    assert_eq!(plan.groups, [998]);
    assert_eq!(plan.environment["VIVARIUM_GROUPS"], "998");
    let socket = plan.binds.iter().find(|bind| bind.target == SOCKET);
    assert_eq!(socket.unwrap().source, "/run/user/7/docker.sock");
}

#[test]
fn the_sockets_group_is_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    std::fs::write(&path, "").unwrap();
    let socket = EngineSocket::find(&format!("unix://{}", path.display()), false);
    let group = std::fs::metadata(&path).unwrap().gid();
    assert_eq!(socket.group, group);
    assert_eq!(socket.path, path.display().to_string());
    assert_eq!(EngineSocket::find("tcp://far:2375", false).path, SOCKET);
}

/// Else an update would want every machine recreated.
#[test]
fn what_only_sandboxes_use_is_not_in_a_machine_s_digest() {
    let plan = plan(&Spec::default(), "a");
    let text = as_text(&plan);
    assert!(text.ends_with(", read_only: false }"), "{text}");
    let changed = ContainerSpec {
        read_only: true,
        ..plan
    };
    assert_ne!(as_text(&changed), text);
}
