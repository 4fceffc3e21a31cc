//! A machine of a few lines that speaks just enough of the body's API to evolve.

#![allow(clippy::unwrap_used)]

use std::process::{Child, Command, Stdio};

use containers::{CancellationToken, Engine};
use lifecycle::{LifecycleError, Machine, MachineOptions, OnRunEvent, RunRequest, RunWork};
use wire::{
    evolve::{EvolveRequest, EvolveRun, StepName, StepState},
    machine::MachineState,
};

pub(crate) use crate::docker;
pub use crate::perl::{body, machine};
use crate::tiny::TinyMachine;

/// Its label comes first, so that no layer is another test's too: those go with the last image that has
/// them, while another test's build may be about to use them. The stage is a machine's own until all
/// is there, so that what another machine's build tidies up is not the end of a build that goes on.
pub const BODY_DOCKERFILE: &str = "ARG BASE\nFROM ${BASE}\nLABEL vivarium.stage=NAME vivarium.test=NAME\n\
    RUN useradd --uid 1000 --home-dir /root --no-create-home os; chmod 0755 /root; chown os /root\n\
    COPY body/rootfs/ /\n\
    RUN chmod 0755 /usr/local/bin/*\n\
    MORE\
    LABEL vivarium.stage=os\n\
    CMD [\"/usr/local/bin/machine\"]\n";

/// For machines that come up in no time, on a computer that may be busy with much else.
pub const QUICK: &[&str] = &[
    "evolve.settle_s=60",
    "evolve.prove_s=60",
    "evolve.steady_s=0",
];

/// A machine that is up, of generation 0: the template's image.
pub struct Tiny {
    pub tiny: TinyMachine,
    pub engine: Engine,
}

impl Tiny {
    pub async fn up(name: &str, overrides: &[&str]) -> Self {
        let mut all = QUICK.to_vec();
        all.extend(overrides);
        let tiny = TinyMachine::new(name, &BODY_DOCKERFILE.replace("MORE", ""), &all);
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
        let engine = engine.unwrap();
        tiny.write("body/rootfs/usr/local/bin/machine", &machine(""));
        tiny.write("body/rootfs/usr/local/bin/body", &body(""));
        tiny.write("body/rootfs/version", "1");
        tiny.up(&engine).await.unwrap();
        let this = Self { tiny, engine };
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

    /// Makes the Dockerfile of the machine's repo one with this instruction more; with none, as it was.
    pub fn edit_dockerfile(&self, more: &str) {
        let text = BODY_DOCKERFILE
            .replace("MORE", more)
            .replace("NAME", &self.tiny.instance);
        self.edit("body/Dockerfile", &text);
    }

    /// Reads a file of the machine's repo.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.machine().repo_dir().join(path)).unwrap()
    }

    /// The bare repository that keeps the machine's files.
    pub fn history(&self) -> std::path::PathBuf {
        let machine = self.machine().repo_dir();
        machine.parent().unwrap().join("evolve/history.git")
    }

    pub async fn run(&self, work: RunWork) -> Result<EvolveRun, LifecycleError> {
        carry_out(&self.tiny.options, work).await
    }

    pub async fn evolve(&self) -> EvolveRun {
        self.run(RunWork::Evolve(EvolveRequest::default()))
            .await
            .unwrap()
    }

    pub async fn shell(&self, script: &str) -> String {
        let name = self.machine().container_name().to_owned();
        let output = self.engine.exec(&name, &["sh", "-c", script], None).await;
        let output = output.unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a machine has to be after whatever happened: up, alone, with all that it had.
    pub async fn is_whole(&self, version: &str, what: &str) {
        let status = self.machine().status(&self.engine).await.unwrap();
        assert_eq!(status.state, MachineState::Running, "{what}");
        let seen = "cat /version /tmp/namespace /root/kept /data/kept; ls /tmp/closed 2>/dev/null";
        let seen = self.shell(seen).await;
        assert_eq!(seen, format!("{version}kepthomedata"), "{what}");
        let beside = self
            .engine
            .containers_labelled("vivarium.instance", &self.tiny.instance)
            .await
            .unwrap();
        assert_eq!(beside, [self.machine().container_name()], "{what}");
        let repository = format!("{}-os", self.tiny.instance);
        let mut tags = self.engine.image_tags(&repository).await.unwrap();
        tags.retain(|tag| tag != "latest");
        let all = self.machine().generations(&self.engine).await.unwrap();
        let known = all.generations.iter();
        let mut known: Vec<String> = known.map(|one| format!("gen-{}", one.number)).collect();
        tags.sort();
        known.sort();
        assert_eq!(tags, known, "{what}: images and generations");
        let candidate = format!("{}-next-home", self.machine().container_name());
        assert!(!volumes().contains(&candidate), "{what}");
    }

    pub async fn tidy(self) {
        let all = self.machine().generations(&self.engine).await.unwrap();
        self.machine().remove(&self.engine, true).await.unwrap();
        for generation in all.generations {
            self.engine.remove_image(&generation.image).await.unwrap();
        }
        self.tiny.tidy(&self.engine).await;
    }
}

fn volumes() -> Vec<String> {
    docker(&["volume", "ls", "-q"])
}

/// The step at which a run failed, and why.
pub fn failed_at(run: &EvolveRun) -> (StepName, String) {
    let mut steps = run.steps.iter();
    let step = steps.find(|step| step.state == StepState::Failed);
    (
        step.unwrap_or_else(|| panic!("{run:?}")).name,
        run.error.clone().unwrap_or_default(),
    )
}

pub async fn carry_out(
    options: &MachineOptions,
    work: RunWork,
) -> Result<EvolveRun, LifecycleError> {
    let cancel = CancellationToken::new();
    carry_out_heard(options, work, &cancel, &mut |_| {}).await
}

/// The same, for who hears it or gives it up.
pub async fn carry_out_heard(
    options: &MachineOptions,
    work: RunWork,
    cancel: &CancellationToken,
    hear: OnRunEvent<'_>,
) -> Result<EvolveRun, LifecycleError> {
    let engine = options
        .engine
        .connect()
        .await
        .map_err(LifecycleError::from)?;
    let machine = Machine::load(options)?;
    let order = RunRequest {
        run_id: format!("r{}", unique()),
        asked_by: Default::default(),
        work,
    };
    machine.carry_out(&engine, order, cancel, hear).await
}

fn unique() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_nanos()
}

impl Tiny {
    /// A run in a process that finds no program.
    pub fn without_git(&self, what: &RunWork) -> EvolveRun {
        self.in_a_process(what, "/nonexistent").0
    }

    /// A run in a process of its own, and the most memory that it had, in bytes.
    pub fn measured(&self, what: &RunWork) -> (EvolveRun, u64) {
        self.in_a_process(what, &std::env::var("PATH").unwrap())
    }

    fn in_a_process(&self, what: &RunWork, path: &str) -> (EvolveRun, u64) {
        let name = match what {
            RunWork::Evolve(_) => "evolve",
            RunWork::Rollback(_) => "rollback",
        };
        let output = self
            .command()
            .env("VIVARIUM_TEST_WHAT", name)
            .env("PATH", path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let told = lines.find_map(|line| serde_json::from_str(line).ok());
        told.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "evolve_killed::child", "--nocapture"])
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
