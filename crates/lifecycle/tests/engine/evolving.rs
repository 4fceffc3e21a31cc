//! A machine of a few lines that speaks just enough of the body's API to evolve.

#![allow(clippy::unwrap_used)]

use std::process::{Child, Command, Stdio};

use dock::{CancellationToken, Dock};
use lifecycle::{Hear, LifecycleError, Machine, MachineOptions, Order, What};
use wire::{
    evolve::{EvolveRequest, EvolveRun},
    machine::MachineState,
};

use crate::tiny::TinyMachine;

/// Debian's base has Perl: a web server of a few lines is enough of a machine. What a cell would
/// keep is the file `/tmp/namespace`, which a snapshot copies to `/data`.
pub const BODY_DOCKERFILE: &str = "ARG BASE\nFROM ${BASE}\nLABEL vivarium.stage=os\n\
    RUN useradd --uid 1000 --home-dir /root --no-create-home os; chmod 0755 /root; chown os /root\n\
    COPY body/rootfs/ /\n\
    RUN chmod 0755 /usr/local/bin/*\n\
    LABEL vivarium.stage=os vivarium.test=NAME\n\
    CMD [\"/usr/local/bin/machine\"]\n";

/// PID 1: `/ping` on the kernel's port. `BOOT` is put in by a test.
const MACHINE: &str = r#"#!/usr/bin/perl
use IO::Socket::INET;
$SIG{TERM} = sub { exit 0 };
sub candidate { $ENV{VIVARIUM_CANDIDATE} }
BOOT
my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 20, ReuseAddr => 1) or die;
while (1) {
  my $c = $s->accept or next;
  while (<$c>) { last if /^\r?\n$/ }
  my $text = '{"status":"ok","version":"tiny"}';
  print $c "HTTP/1.0 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
  close $c;
}
"#;

/// `body call` and `body prove`.
const BODY: &str = r#"#!/usr/bin/perl
use strict; use IO::Socket::INET;
sub copy { system("cp", @_) }
my ($word, $method, $path, $json) = @ARGV;
sub up { IO::Socket::INET->new(PeerAddr => "127.0.0.1:8080", Timeout => 1) }
sub say_ { print $_[0]; exit 0 }
sub refuse { print '{"error":{"code":"x","message":"' . $_[0] . '"},"request_id":"x"}'; exit 22 }
if ($word eq "prove") {
PROVE
  for (1..200) { last if up(); select(undef, undef, undef, 0.05) }
  my $ok = up() ? "true" : "false";
  say_ qq({"ok":$ok,"checks":[{"name":"kernel","ok":$ok,"detail":"tiny","took_ms":1}]});
}
my ($name) = ($json // "") =~ /"name":"([^"]+)"/;
if ($path eq "/ping") { up() ? say_('{"status":"ok"}') : refuse("not yet") }
if ($path eq "/evolve/queue") {
  $json =~ /"closed":true/ ? open(my $f, ">", "/tmp/closed") : unlink("/tmp/closed"); say_('{"status":"completed"}')
}
if ($path eq "/executions") {
  say_(-e "/tmp/cell" ? '{"executions":[{"id":"a","execution_id":"a","kernel":"main","state":"running","code":"","last_seq":0,"outputs":[],"input":null,"answer":null}]}' : '{"executions":[]}')
}
if ($path =~ m,^/executions/,) { unlink "/tmp/cell"; say_('{"status":"completed","state":"over"}') }
if ($path eq "/kernels") { say_('{"kernels":[{"name":"main","state":"idle","waiting":0}]}') }
if ($path eq "/cryo/store") {
  copy("/tmp/namespace", "/data/$name"); say_(qq({"status":"completed","name":"$name","saved":["x"],"skipped":[{"name":"t","type":"thread","reason":"no"}],"size_bytes":1,"timing_ms":1}))
}
if ($path eq "/cryo/reload") {
  -e "/data/$name" or refuse("no such snapshot"); copy("/data/$name", "/tmp/namespace");
  say_(qq({"status":"completed","name":"$name","restored":["x"],"failed":[],"timing_ms":1}))
}
if ($method eq "DELETE") { unlink "/data/" . substr($path, 6); say_('{"status":"completed"}') }
refuse("no such route: $path");
"#;

/// For machines that come up in no time.
pub const QUICK: &[&str] = &[
    "evolve.settle_s=15",
    "evolve.prove_s=15",
    "evolve.steady_s=0",
];

/// A machine that is up, of generation 0: the template's image.
pub struct Tiny {
    pub tiny: TinyMachine,
    pub dock: Dock,
}

impl Tiny {
    pub async fn up(name: &str, overrides: &[&str]) -> Self {
        let mut all = QUICK.to_vec();
        all.extend(overrides);
        let tiny = TinyMachine::new(name, BODY_DOCKERFILE, &all);
        Self::of(tiny).await
    }

    /// One of another Dockerfile, whose template is completed first.
    pub async fn from(name: &str, dockerfile: &str, complete: impl FnOnce(&TinyMachine)) -> Self {
        let tiny = TinyMachine::new(name, dockerfile, QUICK);
        complete(&tiny);
        Self::of(tiny).await
    }

    async fn of(tiny: TinyMachine) -> Self {
        let engine = tiny.options.engine.connect().await;
        let dock = engine.unwrap();
        tiny.write("body/rootfs/usr/local/bin/machine", &machine(""));
        tiny.write("body/rootfs/usr/local/bin/body", &body(""));
        tiny.write("body/rootfs/version", "1");
        tiny.up(&dock).await.unwrap();
        let this = Self { tiny, dock };
        this.shell(
            "printf kept > /tmp/namespace; printf home > /root/kept; printf data > /data/kept",
        )
        .await;
        this
    }

    pub fn machine(&self) -> Machine {
        Machine::load(&self.tiny.options).unwrap()
    }

    /// Writes a file of the machine's repo.
    pub fn edit(&self, path: &str, text: &str) {
        let path = self.machine().repo_dir().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub async fn run(&self, what: What) -> Result<EvolveRun, LifecycleError> {
        carry_out(&self.tiny.options, what).await
    }

    pub async fn evolve(&self) -> EvolveRun {
        self.run(What::Evolve(EvolveRequest::default()))
            .await
            .unwrap()
    }

    pub async fn shell(&self, script: &str) -> String {
        let name = self.machine().container_name().to_owned();
        let output = self.dock.exec(&name, &["sh", "-c", script], None).await;
        let output = output.unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a machine has to be after whatever happened: up, alone, with all that it had.
    pub async fn is_whole(&self, version: &str, what: &str) {
        let status = self.machine().status(&self.dock).await.unwrap();
        assert_eq!(status.state, MachineState::Running, "{what}");
        let seen = "cat /version /tmp/namespace /root/kept /data/kept; ls /tmp/closed 2>/dev/null";
        let seen = self.shell(seen).await;
        assert_eq!(seen, format!("{version}kepthomedata"), "{what}");
        let beside = self
            .dock
            .containers_labelled("vivarium.instance", &self.tiny.instance)
            .await
            .unwrap();
        assert_eq!(beside, [self.machine().container_name()], "{what}");
        let repository = format!("{}-os", self.tiny.instance);
        let mut tags = self.dock.image_tags(&repository).await.unwrap();
        tags.retain(|tag| tag != "latest");
        let all = self.machine().generations(&self.dock).await.unwrap();
        let known = all.generations.iter();
        let mut known: Vec<String> = known.map(|one| format!("gen-{}", one.number)).collect();
        tags.sort();
        known.sort();
        assert_eq!(tags, known, "{what}: images and generations");
        let candidate = format!("{}-next-home", self.machine().container_name());
        assert!(!volumes().contains(&candidate), "{what}");
    }

    pub async fn tidy(self) {
        let all = self.machine().generations(&self.dock).await.unwrap();
        self.machine().remove(&self.dock, true).await.unwrap();
        for generation in all.generations {
            self.dock.remove_image(&generation.image).await.unwrap();
        }
        self.tiny.tidy(&self.dock).await;
    }
}

impl Drop for Tiny {
    /// A test that failed leaves nothing either.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let instance = &self.tiny.instance;
        let label = format!("label=vivarium.instance={instance}");
        for container in docker(&["ps", "-aq", "--filter", &label]) {
            docker(&["rm", "-fv", &container]);
        }
        docker(&["network", "rm", &format!("{instance}-os-host-net")]);
        for volume in docker(&["volume", "ls", "-q", "--filter", &label]) {
            docker(&["volume", "rm", &volume]);
        }
        for image in docker(&["images", "-q", "--filter", &label]) {
            docker(&["rmi", "-f", &image]);
        }
    }
}

pub fn machine(boot: &str) -> String {
    MACHINE.replace("BOOT", boot)
}

pub fn body(prove: &str) -> String {
    BODY.replace("PROVE", prove)
}

fn volumes() -> Vec<String> {
    docker(&["volume", "ls", "-q"])
}

pub fn docker(words: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(words).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

pub async fn carry_out(options: &MachineOptions, what: What) -> Result<EvolveRun, LifecycleError> {
    let cancel = CancellationToken::new();
    carry_out_heard(options, what, &cancel, &mut |_| {}).await
}

/// The same, for who hears it or gives it up.
pub async fn carry_out_heard(
    options: &MachineOptions,
    what: What,
    cancel: &CancellationToken,
    hear: Hear<'_>,
) -> Result<EvolveRun, LifecycleError> {
    let dock = options
        .engine
        .connect()
        .await
        .map_err(LifecycleError::from)?;
    let machine = Machine::load(options)?;
    let order = Order {
        run_id: format!("r{}", unique()),
        asked_by: Default::default(),
        what,
    };
    machine.carry_out(&dock, order, cancel, hear).await
}

fn unique() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_nanos()
}

impl Tiny {
    /// A run in a process that finds no program.
    pub fn without_git(&self, what: &What) -> EvolveRun {
        let name = match what {
            What::Evolve(_) => "evolve",
            What::Rollback(_) => "rollback",
        };
        let output = self
            .command()
            .env("VIVARIUM_TEST_WHAT", name)
            .env("PATH", "/nonexistent")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text
            .lines()
            .find_map(|line| serde_json::from_str(line).ok());
        line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "evolve::child", "--nocapture"])
            .env("VIVARIUM_TEST_EVOLVE", self.tiny.folder())
            .env("VIVARIUM_INSTANCE", &self.tiny.instance);
        command
    }

    /// Starts a run in a process of its own; it ends at the failpoint.
    pub fn child(&self, failpoint: &str) -> Child {
        self.command()
            .env("VIVARIUM_FAILPOINT", failpoint)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }
}
