//! What an agent may do, and what it can reach.

use std::{fs, io::Read, net::TcpListener, time::Duration};

use agents::AgentError;
use wire::agent::{AgentLimits, AgentWorkspace, ReadOnlyMount, StartAgent};

use crate::{Site, docker, inside, made, plain, shell, soon, wanted};

#[tokio::test]
async fn an_agent_has_limits_and_no_rights() {
    if !wanted() {
        return;
    }
    let (site, agents, id) = made("rights").await;
    let format = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}} {{.HostConfig.NetworkMode}} {{.Config.User}}";
    let told = docker(&["inspect", "-f", format, &id.container()]);
    let network = format!("{}-tmux-agents", site.instance);
    assert_eq!(
        told.trim(),
        format!("4294967296 2000000000 2048 [ALL] [no-new-privileges] false {network} agent")
    );
    assert_eq!(
        inside(&agents, &id, "id -un; pwd").await,
        "agent\n/workspace"
    );
    assert_eq!(
        inside(
            &agents,
            &id,
            "grep -h CapEff /proc/self/status /proc/1/status | sort -u"
        )
        .await,
        "CapEff:\t0000000000000000"
    );
    assert_eq!(
        inside(
            &agents,
            &id,
            "ls /var/run/docker.sock 2>&1 | grep -c 'No such'"
        )
        .await,
        "1"
    );
    assert_eq!(
        inside(
            &agents,
            &id,
            "touch /.vivarium/x 2>&1 | grep -c 'Read-only'"
        )
        .await,
        "1"
    );
    // A kind of socket that no namespace bounds, in all that runs in the terminal.
    let socket = r#"perl -e 'socket(S, 40, 1, 0) or print "$!"'"#;
    soon(agents.send(&id, &format!("{socket} >~/vsock 2>&1")))
        .await
        .unwrap();
    crate::until("it was tried", async || {
        inside(&agents, &id, "cat ~/vsock")
            .await
            .contains("not supported")
    })
    .await;

    let request = StartAgent {
        limits: Some(AgentLimits {
            memory_mb: 256,
            cpus: 0.5,
            pids: 64,
        }),
        ..plain()
    };
    let small = soon(agents.spawn(&request, &shell()))
        .await
        .unwrap()
        .agent
        .id;
    let told = docker(&[
        "inspect",
        "-f",
        "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}",
        &small.container(),
    ]);
    assert_eq!(told.trim(), "268435456 500000000 64");
    let none = StartAgent {
        limits: Some(AgentLimits {
            memory_mb: 0,
            cpus: f64::NAN,
            pids: 0,
        }),
        ..plain()
    };
    assert!(matches!(
        soon(agents.spawn(&none, &shell())).await,
        Err(AgentError::Invalid { .. })
    ));
}

#[tokio::test]
async fn a_folder_in_place_is_written_and_its_repository_is_not() {
    if !wanted() {
        return;
    }
    let site = Site::new("place");
    let folder = site.folder.path().join("project");
    fs::create_dir_all(folder.join(".git/hooks")).unwrap();
    fs::write(folder.join(".git/config"), "[core]\n").unwrap();
    // Whoever the agent is here: its number is the image's.
    nix::unistd::chown(&folder, Some(1000.into()), Some(1000.into())).unwrap();
    nix::unistd::chown(&folder.join(".git/config"), Some(1000.into()), None).unwrap();
    let agents = site.start().await;
    let at = |path: &std::path::Path| StartAgent {
        workspace: AgentWorkspace::InPlace {
            path: path.display().to_string(),
        },
        ..plain()
    };
    let id = soon(agents.spawn(&at(&folder), &shell()))
        .await
        .unwrap()
        .agent
        .id;
    assert_eq!(
        inside(&agents, &id, "echo made >file; cat file").await,
        "made"
    );
    assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "made\n");
    let tries = "for f in .git/config .git/hooks/post-checkout .git/new; do echo x >>$f; done 2>&1 | grep -c 'Read-only'; mv .git .gone 2>&1 | grep -c busy";
    assert_eq!(inside(&agents, &id, tries).await, "3\n1");
    assert_eq!(
        fs::read_to_string(folder.join(".git/config")).unwrap(),
        "[core]\n"
    );
    let outside = tempfile::tempdir().unwrap();
    let link = site.folder.path().join("link");
    std::os::unix::fs::symlink(outside.path(), &link).unwrap();
    for path in [outside.path(), &link] {
        let refused = soon(agents.spawn(&at(path), &shell())).await;
        assert!(
            matches!(refused, Err(AgentError::NotAllowed { .. })),
            "{path:?}"
        );
    }
    // A folder that is gone, or another one by now, isn't mounted when it is resumed.
    soon(agents.stop(&id, Default::default())).await.unwrap();
    assert!(!agents.get(&id).unwrap().state.is_live());
    fs::rename(&folder, site.folder.path().join("moved")).unwrap();
    let resumed = soon(agents.resume(&id)).await;
    assert!(
        matches!(resumed, Err(AgentError::Folder { .. })),
        "{resumed:?}"
    );
    assert!(!folder.exists());
    std::os::unix::fs::symlink(outside.path(), &folder).unwrap();
    let resumed = soon(agents.resume(&id)).await;
    assert!(
        matches!(resumed, Err(AgentError::NotAllowed { .. })),
        "{resumed:?}"
    );
}

#[tokio::test]
async fn what_is_mounted_to_be_read_cannot_be_changed() {
    if !wanted() {
        return;
    }
    let site = Site::new("mounts");
    let file = site.folder.path().join("gitconfig");
    fs::write(&file, "[user]\n").unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let agents = site.start().await;
    let request = StartAgent {
        mounts: vec![ReadOnlyMount {
            source: file.display().to_string(),
            target: "/home/agent/.gitconfig".into(),
        }],
        ..plain()
    };
    let id = soon(agents.spawn(&request, &shell()))
        .await
        .unwrap()
        .agent
        .id;
    assert_eq!(
        inside(
            &agents,
            &id,
            "cat ~/.gitconfig; echo x >>~/.gitconfig || echo refused"
        )
        .await
        .lines()
        .next(),
        Some("[user]")
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "[user]\n");
}

#[tokio::test]
async fn this_computer_has_a_name_only_where_that_is_allowed() {
    if !wanted() {
        return;
    }
    let site = Site::new("reach");
    let agents = site.start().await;
    let without = soon(agents.spawn(&plain(), &shell()))
        .await
        .unwrap()
        .agent
        .id;
    let gateway = docker(&[
        "network",
        "inspect",
        "bridge",
        "-f",
        "{{(index .IPAM.Config 0).Gateway}}",
    ]);
    let listener = TcpListener::bind((gateway.trim(), 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let call =
        format!("exec 3<>/dev/tcp/host.docker.internal/{port} && echo called >&3 && echo reached");
    let refused = inside(&agents, &without, &format!("({call}) 2>&1")).await;
    assert!(!refused.contains("reached"), "{refused}");
    let request = StartAgent {
        host_access: true,
        ..plain()
    };
    let with = soon(agents.spawn(&request, &shell()))
        .await
        .unwrap()
        .agent
        .id;
    assert_eq!(inside(&agents, &with, &call).await, "reached");
    let mut said = String::new();
    let (mut stream, _) = listener.accept().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "called\n");
}

#[tokio::test]
async fn another_network_can_be_joined() {
    if !wanted() {
        return;
    }
    let site = Site::new("networks");
    let network = format!("{}-other", site.instance);
    docker(&[
        "network",
        "create",
        "--label",
        &format!("vivarium.instance={}", site.instance),
        &network,
    ]);
    let agents = site.start().await;
    let request = StartAgent {
        networks: vec![network.clone()],
        ..plain()
    };
    let id = soon(agents.spawn(&request, &shell()))
        .await
        .unwrap()
        .agent
        .id;
    let told = docker(&[
        "inspect",
        "-f",
        "{{json .NetworkSettings.Networks}}",
        &id.container(),
    ]);
    assert!(
        told.contains(&network) && told.contains("-tmux-agents"),
        "{told}"
    );
}
