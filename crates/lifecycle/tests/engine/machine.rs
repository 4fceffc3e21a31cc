//! The machine of the image that `scripts/test.sh` built, in its locked profile: it boots
//! with nothing but the machine's user, and Chromium keeps its sandbox in it. Only where
//! VIVARIUM_TEST_INSTANCE names that image's instance.

use std::path::PathBuf;

use lifecycle::{CancellationToken, Engine, Machine, MachineOptions, UpOptions};
use wire::machine::MachineState;

/// Starts Chromium and tells of each renderer: how many seccomp filters, which user namespace.
/// (A bracket in a pattern keeps it from finding this script itself.) First the shell's own
/// user namespace, last whether any process gave up its sandbox. A renderer gets its filter a
/// moment after its start.
const LOOK_AT_RENDERERS: &str = r#"
readlink /proc/self/ns/user
renderers() { grep -lsz -- "--type=r[e]nderer" /proc/[0-9]*/cmdline; }
chromium --headless --user-data-dir=/tmp/profile --remote-debugging-port=0 about:blank >/dev/null 2>&1 &
chromium=$! tries=0
until [ -n "$(renderers)" ] || [ $tries -ge 1200 ]; do sleep 0.1; tries=$((tries + 1)); done
unfiltered() { for renderer in $(renderers); do grep -sqx "Seccomp_filters:.1" "$(dirname "$renderer")/status" && return; done; return 1; }
while unfiltered && [ $tries -lt 1200 ]; do sleep 0.1; tries=$((tries + 1)); done
for renderer in $(renderers); do
  folder=$(dirname "$renderer")
  echo "renderer $(awk '/^Seccomp_filters:/ {print $2}' "$folder/status") $(readlink "$folder/ns/user")"
done
grep -qsz -- "--no-s[a]ndbox" /proc/[0-9]*/cmdline && echo 'no sandbox'
kill $chromium
"#;

fn options(home: PathBuf) -> Option<MachineOptions> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let found = set("VIVARIUM_TEST_INSTANCE").zip(set("VIVARIUM_TEMPLATE"));
    let Some((instance, template)) = found else {
        eprintln!("left out: VIVARIUM_TEST_INSTANCE and VIVARIUM_TEMPLATE name no built image");
        return None;
    };
    Some(MachineOptions {
        machine: None,
        as_written: false,
        instance: Some(instance),
        home: Some(home),
        template: template.into(),
        repo: None,
        engine: lifecycle::EngineChoice::default(),
        overrides: vec!["name=locked".into(), "profile=locked".into()],
    })
}

async fn look(machine: &Machine, engine: &Engine) {
    let cancel = CancellationToken::new();
    let status = machine
        .up(engine, UpOptions::default(), &cancel, &mut |_| {})
        .await
        .expect("up");
    assert_eq!(status.state, MachineState::Running);
    let name = machine.container_name();

    let script = "grep -E '^(CapBnd|NoNewPrivs|Seccomp|Uid):' /proc/1/status; touch /etc/x || echo read-only";
    let seen = engine
        .exec(name, &["sh", "-c", script], None)
        .await
        .expect("it ran");
    let seen = String::from_utf8(seen.stdout).expect("UTF-8");
    let expected = "Uid:\t1000\t1000\t1000\t1000\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nread-only\n";
    if nix::unistd::geteuid().is_root() {
        assert_eq!(seen, expected);
    }

    let script = ["bash", "-c", LOOK_AT_RENDERERS];
    let seen = engine.exec(name, &script, None).await.expect("it ran");
    let seen = String::from_utf8(seen.stdout).expect("UTF-8");
    let mut lines = seen.lines();
    let outside = lines.next().expect("a line");
    let renderers: Vec<&str> = lines.collect();
    assert!(!renderers.is_empty(), "{seen}");
    for renderer in renderers {
        let fields: Vec<&str> = renderer.split(' ').collect();
        assert_eq!(fields[..2], ["renderer", "2"], "{seen}");
        assert_ne!(fields[2], outside, "{seen}");
    }
}

#[tokio::test]
async fn a_locked_machine_boots_and_chromium_keeps_its_sandbox() {
    let home = tempfile::tempdir().unwrap();
    let Some(options) = options(home.path().into()) else {
        return;
    };
    let engine = Engine::connect().await.unwrap();
    let machine = Machine::load(&options).unwrap();
    // In a task, so that a failed assertion is waited for and the machine still goes.
    let (looking, docked) = (machine.clone(), engine.clone());
    let looked = tokio::spawn(async move { look(&looking, &docked).await }).await;
    machine.remove(&engine, true).await.unwrap();
    looked.unwrap();
}
