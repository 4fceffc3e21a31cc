"""The project's steps: what is built, what is tested, and what each needs.

Jobs that build with cargo hold the lock `cargo`, since cargo lets only one build use a target
folder. Everything else runs as soon as what it needs is there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from . import inner, rust
from .jobs import Job

# The features with which all of the workspace is built: the same everywhere, so that clippy, the
# documentation and the tests share what they compile.
FEATURES = ("--features", "e2e/bench,wire/ts")
# The machine's supervisor is built apart from the rest: other crates' features are not in what it runs with.
WORKSPACE = ("--workspace", "--exclude", "body", *FEATURES)
CARGO = frozenset({"cargo"})
# xvfb-run looks for a free display, and two at once find the same; and while the package is made,
# the window's program is replaced.
DISPLAY = frozenset({"display"})
# The test that builds the images of agents; others use them.
AGENT_IMAGES = "agent-images:agents/images::building::the_images_are_built"
# What some tests in a browser need beside the machine's image.
OF_BROWSER = {"sandbox-files.test.ts": ["sandbox-init"], "agents-engine.test.ts": ["sandbox-init", "agent-image"]}
# Tests that can't run beside others, with the reason.
ALONE: dict[str, str] = {}


@dataclass
class Project:
    """Where everything is, and how much is asked for."""

    root: Path
    logs: Path
    instance: str
    full: bool = False
    fast: bool = False
    # Steps (or jobs) that are wanted; all if there is none.
    only: list[str] = field(default_factory=list)

    @property
    def target(self) -> Path:
        return self.root / "target"


def environment(project: Project) -> dict[str, str]:
    """What every job finds in its environment."""
    told = {
        "VIVARIUM_TEMPLATE": str(project.root),
        "VIVARIUM_TEST_INSTANCE": project.instance,
        # For a build that is made once, what incremental builds write down is only work.
        "CARGO_INCREMENTAL": os.environ.get("CARGO_INCREMENTAL", "0"),
        "CARGO_TERM_COLOR": "never",
        # The message says enough, and a backtrace would push it out of what is shown of the log.
        "RUST_BACKTRACE": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if not project.fast:
        told["VIVARIUM_TEST_ENGINE"] = "1"
    if project.full:
        told |= {"VIVARIUM_TEST_TERMINAL_MB": "1024", "VIVARIUM_TEST_POWER_CUTS": "all", "VIVARIUM_TEST_KILLS": "200", "VIVARIUM_TEST_EVOLVES": "50", "VIVARIUM_TEST_AGENTS": "all"}
    return told


def traits(program: rust.Program) -> rust.Traits | None:
    """How a test program's tests run; None for one that has none to run here."""
    machine = {"needs": ("image", "binaries"), "cores": 0.75, "memory_mb": 1500, "limit_s": 1200}
    tiny = {"needs": ("base", "builder"), "cores": 0.5, "memory_mb": 400, "limit_s": 900}
    match program.package, program.target:
        case "e2e", "window" | "hostile":
            screen = ("xvfb-run", "-a", "-s", "-screen 0 1400x900x24 -noreset")
            return rust.Traits(program.target, locks=DISPLAY, prefix=screen, **machine)
        case "e2e", "headless" | "mcp_servers" | "evolve" | "machines" | "access" | "command_line" | "compose" | "documents":
            return rust.Traits(program.target.replace("_", "-"), **machine)
        case "e2e", "machine_sandboxes":
            return rust.Traits("machine-sandboxes", **machine | {"needs": (*machine["needs"], "sandbox-init", "sandbox-image")})
        case "lifecycle", "engine":
            return rust.Traits("containers", **tiny)
        case "cli", "engines":
            return rust.Traits("engines", **tiny)
        case "body-evolve", "engine":
            # They copy the program into their image.
            return rust.Traits("self-evolve", **tiny | {"needs": ("base", "binaries")})
        case "sandbox", "engine":
            return rust.Traits("sandboxes", needs=("base", "sandbox-init", "sandbox-image"), cores=0.75, memory_mb=1200, limit_s=900)
        case "cli", "tasks":
            return rust.Traits("tasks", needs=("base", "sandbox-init", "sandbox-image"), cores=0.75, memory_mb=1200, limit_s=600)
        case "agents", "images":
            # Certificates of a network that inspects TLS: used while the images are built.
            bundle = os.environ.get("VIVARIUM_BUILD_CA") or os.environ.get("SSL_CERT_FILE", "")
            return rust.Traits("agent-images", needs=(AGENT_IMAGES,), cores=0.5, memory_mb=600, limit_s=900, environment=(("VIVARIUM_BUILD_CA", bundle),))
        case "cli", "agent_turns":
            bundle = os.environ.get("VIVARIUM_BUILD_CA") or os.environ.get("SSL_CERT_FILE", "")
            return rust.Traits("agent-images", needs=(AGENT_IMAGES, "sandbox-init"), cores=0.75, memory_mb=1500, limit_s=900, environment=(("VIVARIUM_BUILD_CA", bundle),))
        case ("agents", "engine") | ("cli", "agents"):
            return rust.Traits("agents", needs=("base", "sandbox-init", "agent-image"), cores=0.75, memory_mb=800, limit_s=600)
        case "body", _:
            return rust.Traits("supervisor")
        case "wire", "typescript":
            return rust.Traits("wire-types")
        case _:
            return rust.Traits("crates")


def single(job: Job) -> Job:
    """What is particular to some tests."""
    # One at a time: each prints 2 GB.
    if "floods_of_what_is_printed" in job.name or "nor_do_they_in_a_locked_machine" in job.name:
        job.locks |= {"floods"}
        job.cores = 0.9
    # One at a time: each has an engine of its own, on a file system in memory.
    if "::power::" in job.name or "::restart::what_ran" in job.name:
        job.locks |= {"power"}
        job.memory_mb = 3000
        job.cores = 0.9
    if job.id == AGENT_IMAGES:
        job.needs = ("base",)
        job.cores = 0.9
    # Fetches gigabytes, if it does anything.
    if job.step == "agent-images" and "::full::" in job.name:
        job.limit_s = 5400
    # Of a machine that is replaced there are two for a while.
    if job.step in ("evolve", "compose", "hostile"):
        job.memory_mb = 2500
    # With the run's own image in place of a few lines.
    if job.step == "containers" and "machine::" in job.name:
        job.needs = ("image", "binaries")
    return job


# Steps that need an engine: left out by --fast.
WITH_ENGINE = frozenset({
    "base", "builder", "layers-of-image", "static", "image", "clone-image", "window", "hostile", "headless", "mcp-servers", "machine-sandboxes", "evolve", "machines", "access", "command-line", "compose", "documents",
    "containers", "engines", "self-evolve", "sandboxes", "tasks", "sandbox-init", "sandbox-image", "sandbox-clients", "agent-images", "agents", "agent-image", "openapi", "browser", "package", "package-test",
})


def jobs(project: Project) -> list[Job]:
    """All jobs that are known before anything is compiled."""
    found = [
        Job("runner", "runner", ["python3", "-m", "unittest", "discover", "-q", "-s", "scripts/testing", "-t", "scripts"], cores=0.5),
        Job("format", "format", ["cargo", "fmt", "--all", "--check"]),
        Job("rooms", "rooms", ["./scripts/rooms.sh"], cores=0.5),
        Job("rooms", "wording", ["python3", "scripts/wording.py"], cores=0.5),
        *ui(project),
        *builds(project),
        timed(project, Job("worker", "worker", ["./body/kernel/tests/run.sh"], limit_s=300)),
        timed(project, Job("mcp-clients", "mcp-clients", ["./tests/mcp/run.sh"], needs=["compile-supervisor"], environment={"VIVARIUM_BODY": str(project.target / "debug/body")}, limit_s=900)),
        timed(project, Job("mcp-conformance", "mcp-conformance", ["./tests/mcp/conformance/run.sh"], needs=["compile-supervisor"], environment={"VIVARIUM_BODY": str(project.target / "debug/body")}, limit_s=900)),
    ]
    if not project.fast:
        found += with_engine(project)
    for job in found:
        job.repeat = job.repeat or f"./scripts/test.sh --only {job.id}"
        job.folder = job.folder or project.root
    return found


def ui(project: Project) -> list[Job]:
    """The pages: build, types, lints, tests."""
    folder = project.root / "ui"
    return [
        Job("ui", "build", ["bash", "-c", ". scripts/lib/build.sh && build_ui"], limit_s=600),
        Job("ui", "types", ["npm", "run", "--silent", "check"], needs=["ui:build"], folder=folder),
        Job("ui", "lints", ["npm", "run", "--silent", "lint"], needs=["ui:build"], folder=folder),
        timed(project, Job("ui", "tests", ["npm", "run", "--silent", "test", "--", "--silent", "--reporter=dot", "--reporter=./test-times.ts"], needs=["ui:build"], folder=folder)),
    ]


def builds(project: Project) -> list[Job]:
    """Each set of profile, target and flags once: checked, tests."""
    def compiled(log: Path) -> list[Job]:
        found = []
        for program in rust.programs(log):
            how = traits(program)
            if how and not (project.fast and how.step in WITH_ENGINE):
                found += rust.tests(program, how, lambda name: ALONE.get(name, ""))
        found = [single(job) for job in found]
        chosen = [job for job in found if wanted(job, project.only)]
        # A test that others build on runs with each of them.
        needed = {need for job in chosen for need in job.needs}
        return [job for job in found if wanted(job, project.only) or job.id in needed]

    tests = ["cargo", "test", "--locked", "--no-run", "--message-format=json-render-diagnostics"]
    return [
        Job("compile", "compile", [*tests, *WORKSPACE], needs=["ui:build"], locks=CARGO, cores=1.5, memory_mb=2500, limit_s=2400, then=compiled),
        Job("binaries", "binaries", ["cargo", "build", "--locked", *WORKSPACE, "--bins"], needs=["compile"], locks=CARGO, cores=1.5, memory_mb=1500, limit_s=1200),
        # In a build of its own: other crates' features are not in what the machine runs.
        Job("compile-supervisor", "compile-supervisor", ["bash", "-c", f"{' '.join(tests)} --package body && cargo build --locked --package body"], locks=CARGO, cores=1.5, memory_mb=2000, limit_s=1800, then=compiled),
        Job("clippy", "clippy", ["cargo", "clippy", "--locked", "--workspace", "--all-targets", *FEATURES, "--", "-D", "warnings"], locks=CARGO, cores=1.5, memory_mb=2500, limit_s=1800),
        Job("documentation", "documentation", ["cargo", "doc", "--locked", "--workspace", "--no-deps", "--document-private-items", *FEATURES], needs=["clippy"], environment={"RUSTDOCFLAGS": "-D warnings"}, locks=CARGO, cores=1.5, memory_mb=2500, limit_s=1800),
    ]


def with_engine(project: Project) -> list[Job]:
    """What needs a container engine, but for the Rust tests."""
    waits = {"cores": 0.5, "memory_mb": 500}
    machine = {"cores": 0.75, "memory_mb": 2000, "limit_s": 1500}
    browser = [
        timed(project, Job(
            "browser", test.name.removesuffix(".test.ts"),
            ["npm", "run", "--silent", "test:browser", "--", "--reporter=dot", "--reporter=./test-times.ts", f"browser/{test.name}"],
            needs=["image", "binaries", "ui:build", *OF_BROWSER.get(test.name, [])], folder=project.root / "ui", **machine,
        ))
        for test in sorted((project.root / "ui/browser").glob("*.test.ts"))
    ]
    return [
        Job("sandbox-init", "sandbox-init", ["bash", "-c", ". scripts/lib/build.sh && build_static sandbox-init"], locks=CARGO, cores=1.5, memory_mb=1500, limit_s=1200),
        Job("base", "base", ["bash", "-c", ". scripts/lib/engine.sh && ensure_base"], limit_s=900, **waits),
        Job("builder", "builder", ["bash", "-c", ". scripts/lib/engine.sh && ensure_builder"], needs=["base"], limit_s=900, **waits),
        Job("layers-of-image", "layers-of-image", ["bash", "-c", ". scripts/lib/build.sh && offer_build_ca && build_layers"], needs=["base"], limit_s=1800, **waits),
        Job("static", "static", ["./scripts/lib/test-binaries.sh"], needs=["builder"], cores=1.5, memory_mb=2500, limit_s=2400),
        Job("image", "image", ["./scripts/lib/test-image.sh"], needs=["static", "binaries", "layers-of-image"], limit_s=1800, **waits),
        Job("sandbox-image", "sandbox-image", ["bash", "-c", ". scripts/lib/build.sh && offer_build_ca && build_sandbox_image vivarium-test-sandbox"], needs=["base"], limit_s=1800, **waits),
        Job("agent-image", "agent-image", ["docker", "build", "--quiet", "--tag", "vivarium-test-agent", "crates/agents/tests/image"], needs=["base"], limit_s=900, **waits),
        Job("clone-image", "clone-image", ["./scripts/clone-build.sh", "--build-arg", "DOCKER_CLI=1"], needs=["static", "layers-of-image"], limit_s=1800, **waits),
        Job("openapi", "openapi", ["./tests/openapi/run.sh"], needs=["image", "binaries"], **machine),
        timed(project, Job("sandbox-clients", "sandbox-clients", ["./tests/sandbox_clients/run.sh"], needs=["sandbox-image", "sandbox-init", "binaries"], environment={"VIVARIUM_SANDBOX_IMAGE": "vivarium-test-sandbox"}, **machine)),
        *browser,
        Job("package", "package", ["./scripts/package.sh"], needs=["static", "sandbox-init", "binaries"], environment={"VIVARIUM_PROFILE": "dev", "VIVARIUM_BODY_BUILT": "1", "VIVARIUM_CARGO_ARGUMENTS": " ".join(WORKSPACE)}, locks=CARGO | DISPLAY, cores=1.5, memory_mb=2500, limit_s=1800),
        Job("package-test", "package-test", ["./scripts/package-test.sh"], needs=["package", "image"], **machine),
    ]


def timed(project: Project, job: Job) -> Job:
    """Lets the job's own runner write down its tests' times."""
    path = inner.file_of(project.logs, job.step, job.name)
    job.environment = {**job.environment, inner.VARIABLE: str(path)}
    job.inner = lambda _: inner.read(path)
    job.progress = path
    return job


def wanted(job: Job, only: list[str]) -> bool:
    """Whether a job is asked for: by its step, its id, or a part of its id behind the step."""
    if not only:
        return True
    for one in only:
        step, _, name = one.partition(":")
        if job.step == step and (not name or name in job.name):
            return True
    return False


def steps() -> list[str]:
    """Names of all steps, for --only."""
    project = Project(Path("."), Path("."), "")
    made = {job.step for job in jobs(project)}
    of_programs = {"window", "hostile", "headless", "mcp-servers", "machine-sandboxes", "evolve", "machines", "access", "command-line", "compose", "documents", "containers", "engines", "self-evolve", "sandboxes", "tasks", "agent-images", "agents", "supervisor", "wire-types", "crates"}
    return sorted(made | of_programs)


# The builds that make a step's test programs.
PROGRAMS_OF = {"supervisor": "compile-supervisor"}


def with_needs(all_jobs: list[Job], only: list[str]) -> list[Job]:
    """The jobs that are asked for, with all that they need."""
    if not only:
        return all_jobs
    chosen = {job.id for job in all_jobs if wanted(job, only)}
    for one in only:
        step = one.partition(":")[0]
        if not any(job.step == step for job in all_jobs):
            chosen.add(PROGRAMS_OF.get(step, "compile"))
            if step in ("sandboxes", "tasks", "machine-sandboxes"):
                chosen |= {"base", "sandbox-init", "sandbox-image"}
                chosen |= {"image", "binaries"} if step == "machine-sandboxes" else set()
            elif step == "agent-images":
                chosen |= {"base", "sandbox-init"}
            elif step == "agents":
                chosen |= {"base", "sandbox-init", "agent-image"}
            elif step not in ("supervisor", "crates", "wire-types"):
                chosen |= {"base", "builder", "binaries"} if step in ("containers", "engines", "self-evolve") else {"image", "binaries"}
    while True:
        needs = {need for job in all_jobs if job.id in chosen or job.step in chosen for need in job.needs}
        more = {job.id for job in all_jobs if job.id in needs or job.step in needs} - chosen
        if not more:
            return [job for job in all_jobs if job.id in chosen]
        chosen |= more


def needs_engine(fast: bool, only: list[str]) -> bool:
    """Whether any step of a run needs a container engine."""
    return not fast and (not only or any(one.partition(":")[0] in WITH_ENGINE for one in only))
