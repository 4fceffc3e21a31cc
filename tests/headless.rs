//! The main job without a window: the real engine, the real image, the command line.

#[path = "support/body.rs"]
mod body;
#[path = "support/contract.rs"]
mod contract;
#[path = "support/full.rs"]
mod full;
#[path = "support/hung.rs"]
mod hung;
#[path = "support/jobs.rs"]
mod jobs;
#[path = "support/kills.rs"]
mod kills;
#[path = "support/limits.rs"]
mod limits;
#[path = "support/plain.rs"]
mod plain;
#[path = "support/refused.rs"]
mod refused;

use body::DEADLINE;
use e2e::{Instance, docker, wait_until};
use serde_json::{Value, json};

fn code(output: &std::process::Output) -> i32 {
    output.status.code().expect("an exit code")
}

#[test]
fn a_machine_comes_up_runs_cells_and_goes_without_a_trace() {
    a_life("default");
}

#[test]
fn so_does_a_locked_one() {
    a_life("locked");
}

fn a_life(profile: &'static str) {
    let machine = Instance::of(profile);

    // Before: absent, and said with an exit code for scripts.
    let before: Value =
        serde_json::from_slice(&machine.vivarium(&["status", "--json"]).stdout).unwrap();
    assert_eq!(before["state"], "absent");
    assert_eq!(code(&machine.vivarium(&["exec", "1"])), 3);

    machine.ok(&["up"]);
    let status: Value = serde_json::from_str(&machine.ok(&["status", "--json"])).unwrap();
    assert_eq!(status["state"], "running");
    assert_eq!(status["body_version"], env!("CARGO_PKG_VERSION"));

    // A cell, its exit code, what it keeps.
    assert_eq!(
        machine.ok(&["exec", "x = 6\nprint('hello')\nx * 7"]).trim(),
        "hello\n42"
    );
    assert_eq!(machine.ok(&["exec", "x"]).trim(), "6");
    let failing = machine.vivarium(&["exec", "1/0"]);
    assert_eq!(code(&failing), 1);
    assert!(String::from_utf8_lossy(&failing.stderr).contains("ZeroDivisionError"));

    // The shell, as the machine's user.
    assert_eq!(
        machine
            .ok(&["shell", "id -un; id -u"])
            .trim()
            .lines()
            .next(),
        Some("os")
    );
    let (_, services) = machine.api("GET", "/services", "");
    assert!(services.to_string().contains("xvnc"), "{services}");
    let owners = machine.inside("ps -eo user= --no-headers");
    assert!(owners.lines().all(|owner| owner.trim() == "os"), "{owners}");

    the_profile_holds(&machine);
    the_first_plot_finds_its_fonts(&machine);
    the_browser_keeps_its_sandbox(&machine);

    // One shell context for cells and commands, both ways.
    let told = "runtime.shell.cd('/usr/lib'); runtime.shell.env('FROM_CELL', '1')";
    machine.ok(&["exec", told]);
    assert_eq!(
        machine.ok(&["shell", "pwd; echo $FROM_CELL"]).trim(),
        "/usr/lib\n1"
    );
    let (status, _) = machine.api("POST", "/shell/cd", r#"{"path":"/root"}"#);
    assert_eq!(status, 200);
    assert_eq!(
        machine
            .ok(&["exec", "runtime.shell.run('pwd')['stdout']"])
            .trim(),
        "'/root\\n'"
    );

    // Files stay where they are over a restart; a new `up` changes nothing.
    machine.ok(&["exec", "open('/root/kept', 'w').write('yes')"]);
    machine.ok(&["restart"]);
    assert_eq!(
        machine.ok(&["exec", "open('/root/kept').read()"]).trim(),
        "'yes'"
    );
    let id = docker(&["inspect", "-f", "{{.Id}}", &machine.container()]);
    machine.ok(&["up"]);
    assert_eq!(
        docker(&["inspect", "-f", "{{.Id}}", &machine.container()]),
        id
    );

    // A polite end: PID 1 exits by itself, within the grace period.
    machine.ok(&["down"]);
    assert_eq!(
        docker(&["inspect", "-f", "{{.State.ExitCode}}", &machine.container()]),
        "0"
    );

    // Nothing published beyond loopback, nothing secret on the container.
    let inspected = docker(&["inspect", &machine.container()]);
    assert!(
        !inspected.contains(&machine.token()),
        "the token stands in docker inspect"
    );
    assert!(
        !inspected.contains("\"HostIp\": \"0.0.0.0\"") && !inspected.contains("\"HostIp\": \"\"")
    );

    machine.ok(&["rm", "--home-volume"]);
    for what in [["ps", "-aq"], ["network", "ls"], ["volume", "ls"]] {
        let listed = docker(&[
            what[0],
            what[1],
            "--filter",
            &format!("name={}", machine.name),
        ]);
        assert!(!listed.contains(&machine.name), "left behind: {listed}");
    }
}

#[test]
fn bad_input_gets_its_error_and_the_kernel_goes_on() {
    refused::bad_input("default");
}

#[test]
fn so_it_does_in_a_locked_machine() {
    refused::bad_input("locked");
}

#[test]
fn a_machine_with_the_socket_reaches_the_engine_as_its_user() {
    let machine = Instance::new();
    let told = machine.ok(&["up", "--set", "executor=socket"]);
    assert!(
        told.contains("become root on this computer"),
        "not warned: {told}"
    );
    let ask = "id -un; curl -sS --unix-socket /var/run/docker.sock http://engine/_ping";
    assert_eq!(machine.ok(&["shell", ask]).trim(), "os\nOK");

    // Without it the same machine sees no socket. It runs, so nothing is replaced unasked.
    let refused = machine.vivarium(&["up"]);
    assert_eq!(refused.status.code(), Some(5));
    machine.ok(&["shell", "test -e /var/run/docker.sock"]);
    machine.ok(&["up", "--recreate"]);
    machine.ok(&["shell", "test ! -e /var/run/docker.sock"]);
}

#[test]
fn the_whole_api_answers() {
    the_api("default");
}

#[test]
fn so_does_that_of_a_locked_machine() {
    the_api("locked");
}

fn the_api(profile: &'static str) {
    let machine = Instance::of(profile);
    machine.ok(&["up"]);
    body::whole_api(&machine);
    contract::holds(&machine);
    jobs::holds(&machine);
    body::crowd(&machine);
}

#[test]
fn what_is_stored_outlives_what_is_killed() {
    snapshots("default");
}

#[test]
fn so_it_does_in_a_locked_machine_too() {
    snapshots("locked");
}

#[test]
fn what_hangs_is_noticed_and_said() {
    let machine = Instance::of("default");
    machine.ok(&["up"]);
    hung::stopped(&machine);
    hung::paused(&machine);
}

fn snapshots(profile: &'static str) {
    let machine = Instance::of(profile);
    machine.ok(&["up"]);
    body::snapshots(&machine);
}

#[test]
fn what_is_killed_again_and_again_comes_back() {
    killed("default");
}

#[test]
fn so_it_is_in_a_locked_machine() {
    killed("locked");
}

fn killed(profile: &'static str) {
    let machine = Instance::of(profile);
    machine.ok(&["up"]);
    // VIVARIUM_TEST_KILLS=200 for a long run; VIVARIUM_TEST_SEED repeats one that failed.
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("VIVARIUM_TEST_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.expect("a time after 1970").as_secs()
    });
    let rounds = number("VIVARIUM_TEST_KILLS").unwrap_or(12);
    kills::kills(&machine, seed, usize::try_from(rounds).expect("a number"));
    kills::together(&machine);
}

#[test]
fn a_locked_machine_belongs_to_whoever_made_it() {
    let mut machine = Instance::of("locked");
    machine.user = Some(1234);
    machine.ok(&["up"]);
    let own = std::process::Command::new("id").arg("-u").output();
    let own = String::from_utf8(own.expect("id runs").stdout).expect("a number");
    let expected = if own.trim() == "0" {
        "1234"
    } else {
        own.trim()
    };
    let ask = "id -u; id -un; stat -c %u /root /root/.cache /data";
    let answer = machine.ok(&["shell", ask]);
    assert_eq!(
        answer.lines().collect::<Vec<_>>(),
        [expected, "os", expected, expected, expected]
    );
    machine.ok(&["shell", "touch ~/x ~/Desktop/x && rm ~/x ~/Desktop/x"]);
    assert_eq!(machine.ok(&["exec", "6 * 7"]).trim(), "42");
    wait_until("all is well", DEADLINE, || body::is_well(&machine));

    // Nothing is made anew where nothing changed, and the home stays over a new container.
    machine.ok(&["exec", "open('/root/kept', 'w').write('yes')"]);
    machine.ok(&["up", "--recreate", "--set", "environment.OTHER=x"]);
    assert_eq!(
        machine.ok(&["exec", "open('/root/kept').read()"]).trim(),
        "'yes'"
    );
    let left = docker(&[
        "ps",
        "-aq",
        "--filter",
        &format!("name={}-handover", machine.container()),
    ]);
    assert_eq!(left, "");
}

#[test]
fn a_machine_at_its_limits_says_so_and_goes_on() {
    let machine = small_one("default");
    limits::fork_bombs(&machine);
    limits::full_disk(&machine);
}

#[test]
fn so_does_a_locked_one_at_its_limits() {
    let machine = small_one("locked");
    limits::fork_bombs(&machine);
    limits::full_disk(&machine);
}

#[test]
fn floods_of_what_is_printed_cost_no_memory() {
    limits::floods(&small_one("default"));
}

#[test]
fn nor_do_they_in_a_locked_machine() {
    limits::floods(&small_one("locked"));
}

/// One that is up and has little of everything.
fn small_one(profile: &'static str) -> Instance {
    let machine = Instance::of(profile);
    let small = [
        "limits.pids=250",
        "limits.shm=8m",
        "environment.VIVARIUM_DATA_DIR=/dev/shm/data",
        "environment.VIVARIUM_RUN_DIR=/dev/shm/run",
    ];
    let sets = small.iter().flat_map(|one| ["--set", *one]);
    machine.ok(&std::iter::once("up").chain(sets).collect::<Vec<_>>());
    machine
}

#[test]
fn a_container_run_by_hand_takes_its_variables_secrets_and_dotenv() {
    plain::given();
}

#[test]
fn a_token_that_is_off_is_warned_of_and_keeps_pages_out() {
    plain::token_off();
}

#[test]
fn a_full_tmp_and_a_full_home_are_said_and_cost_nothing() {
    full::of_default();
}

#[test]
fn so_it_is_in_a_locked_container() {
    full::of_locked();
}

fn the_profile_holds(machine: &Instance) {
    let locked = machine.profile == "locked";
    assert_eq!(
        code(&machine.vivarium(&["shell", "sudo -n true"])) == 0,
        !locked
    );
    assert_eq!(
        code(&machine.vivarium(&["shell", "sudo -n touch /etc/x"])) == 0,
        !locked
    );
    let none = "0000000000000000";
    let capabilities = machine.inside("grep -h CapBnd /proc/1/status");
    assert_eq!(capabilities.contains(none), locked, "{capabilities}");
    for folder in ["/root", "/tmp", "/data", "/repo"] {
        machine.ok(&["shell", &format!("f=$(mktemp {folder}/XXXXXX) && rm $f")]);
    }
    // Files of their own: PCManFM marks links.
    let links = machine.inside("find /root/Desktop -name '*.desktop' -type l; ls /root/Desktop");
    assert_eq!(links, "browser.desktop\nfiles.desktop\nterminal.desktop");
    let colours = "import -window root /tmp/desktop.png && identify -format %k /tmp/desktop.png";
    wait_until("the desktop is drawn", DEADLINE, || {
        machine
            .inside(colours)
            .parse()
            .is_ok_and(|count: u32| count > 100)
    });
}

/// They were listed when the image was built, and the list is still the same.
fn the_first_plot_finds_its_fonts(machine: &Instance) {
    let list = "stat -c %i:%Y /root/.cache/matplotlib/fontlist-*";
    let before = machine.inside(list);
    assert!(before.contains(':') && !before.contains('\n'), "{before}");
    let plot = json!({"code": "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.title('x'); plt.show()"});
    let (_, answer) = machine.api("POST", "/exec", &plot.to_string());
    assert!(
        answer["outputs"][0]["data"]["image/png"].is_string(),
        "{answer}"
    );
    assert_eq!(answer["stderr"], "");
    assert_eq!(machine.inside(list), before);
}

fn the_browser_keeps_its_sandbox(machine: &Instance) {
    machine.ok(&[
        "shell",
        "DISPLAY=:99 setsid chromium about:blank >/dev/null 2>&1 &",
    ]);
    // A page's process, in namespaces of its own and under filters beyond the container's.
    let renderers = "mine=$(readlink /proc/self/ns/user); for pid in $(pgrep -f -- --type=renderer); do \
        [ \"$(readlink /proc/$pid/ns/user)\" = \"$mine\" ] || grep -h Seccomp_filters /proc/$pid/status; done";
    wait_until("a page is in a sandbox", DEADLINE, || {
        machine.inside(renderers).contains("Seccomp_filters:\t2")
    });
    let without = machine.inside("ps -eo args | grep -c -- '[-]-no-sandbox'");
    assert_eq!(without, "0");
    machine.inside("pkill -f /usr/lib/chromium/chromium");
}
