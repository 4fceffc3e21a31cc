// A host for the development server, with scenes to look at. Never part of a build.

import type { Failure, MachineState, MachineStatus, Progress, StreamEvent, Event } from "../wire";
import type { Answer, Command, Host, Request, Socket, SocketHeard } from "./host";
import { FakeAccess } from "./fakeAccess";
import { FakeAgents } from "./fakeAgents";
import { fakeEvolve } from "./fakeEvolve";
import { FakeJobs } from "./fakeJobs";
import { fakeMcp } from "./fakeMcp";
import { hostileEvents, hostile } from "./fakeHostile";
import { FakeSandboxes } from "./fakeSandboxes";
import { asScene } from "./fakeScenes";
import { download, openTab, pageClipboard } from "./page";

const ENGINE_AWAY: Failure = {
  code: "engine_missing",
  message: "Cannot connect to a container engine at any of the usual sockets",
  cause: "/home/ada/.colima/default/docker.sock (Colima): Connection refused (os error 111)\nno socket at /var/run/docker.sock (Docker), /run/user/1000/docker.sock (rootless Docker), /run/user/1000/podman/podman.sock (rootless Podman), /home/ada/.docker/run/docker.sock (Docker Desktop), /run/podman/podman.sock (Podman)",
  next: { kind: "start_engine", found: "docker_service" },
  detail: null,
};
const BUILD_FAILED: Failure = {
  code: "build_failed",
  message: "Step 7 of 21 of the build failed",
  cause: "RUN apt-get install ended with exit code 100",
  next: { kind: "fix_build_step" },
  detail: "E: Unable to locate package tigervnc-standalone-servr\nThe command returned a non-zero code: 100",
};

/** As the engine says it of a machine whose spec was changed. */
const WOULD_RECREATE: Failure = {
  code: "would_recreate",
  message: "Machine os-host would be recreated",
  cause: "its ports and its folders changed, which requires a new container",
  next: { kind: "recreate_machine" },
  detail: "Recreating stops everything that runs in the machine (the kernel's variables, terminals, windows) and deletes all changes outside mounts and the home folder, such as installed packages. The home folder, /repo, /data and other mounts stay.",
};

/** Scenes: absent, stopped, running, recreate, desktop, building, build-failed, no-engine, evolving, jobs, jobs-reading, jobs-failing, asked, asked-reading, asked-failing; on every page: new, full, loading, failing, hostile; in the settings and on the pages of sandboxes and agents: busy; there: sandboxes-off, sandboxes-no-image. */
export class FakeHost implements Host {
  #scene: string;
  #access = new FakeAccess();
  #jobs: FakeJobs;
  #sandboxes: FakeSandboxes;
  #agents: FakeAgents;
  #machines = ["os-host", "research"];
  #take: (event: StreamEvent) => void = () => {};
  #seq = 0;
  #takeover: Answer<"takeover_get"> = { on: false, by: null, since_ms: null };
  #sandboxAccess: Answer<"sandbox_access_get"> = { access: { allowed: true, network: "none" }, sandboxes: [] };

  /** What the page asked for, oldest first. */
  #asked: { command: Command; request: unknown }[] = [];

  constructor(scene: string) {
    this.#scene = scene;
    this.#jobs = new FakeJobs(scene);
    this.#sandboxes = new FakeSandboxes(scene);
    this.#agents = new FakeAgents(scene, (event) => this.#tell(event));
    // For tests.
    Object.assign(globalThis, { asked: this.#asked });
  }

  async call<C extends Command>(command: C, request: Request<C>, machine: string | null = null): Promise<Answer<C>> {
    this.#asked.push({ command, request });
    const answers: { [K in Command]?: (request: Request<K>) => unknown } = {
      engine_info: () => {
        if (this.#scene === "no-engine") throw ENGINE_AWAY;
        return { name: "Docker", version: "29.1.0", api_version: "1.52", endpoint: "unix:///var/run/docker.sock", chosen_by: "Docker" };
      },
      app_info: () => ({ version: "0.1.0", config_dir: "/home/ada/.config/vivarium", data_dir: "/home/ada/.local/share/vivarium" }),
      engine_list: () => ({
        engines: [
          { engine: "unix:///var/run/docker.sock", title: "Docker", endpoint: "unix:///var/run/docker.sock" },
          { engine: "colima", title: "Docker's context colima", endpoint: "unix:///home/ada/.colima/docker.sock" },
        ],
      }),
      engine_test: ({ engine }) => {
        if (engine.includes("tcp")) throw ENGINE_AWAY;
        return { name: "Docker", version: "29.1.0", api_version: "1.52", endpoint: engine, chosen_by: "chosen by hand" };
      },
      ...fakeMcp,
      ...this.#access.answers,
      ...this.#jobs.answers,
      ...this.#sandboxes.answers,
      ...this.#agents.answers,
      ...fakeEvolve(this.#scene),
      settings_get: () => ({ settings: { theme: "system", close_to_tray: false, notify: true, serve_sandboxes: false, engine: null }, trouble: null }),
      settings_set: (settings) => ({ settings, trouble: null }),
      machine_list: () => ({ machines: this.#machines.map((name) => ({ name })) }),
      machine_create: ({ name }) => {
        this.#machines.push(name);
        return { machines: this.#machines.map((name) => ({ name })) };
      },
      machine_status: () => this.#status(),
      machine_stats: () => ({ cpu_percent: 20 + 15 * Math.sin(Date.now() / 5000), cpus: 2, memory_bytes: 6.1e8 + 2e8 * Math.sin(Date.now() / 9000), memory_limit_bytes: 4e9, pids: 91, pids_limit: 2048 }),
      machine_disk: () => ({ image_bytes: 1.27e9, written_bytes: 2.1e6, home_bytes: 4.8e8 }),
      service_list: () => ({
        services: [
          { name: "xvnc", state: "ready", pid: 7, since_ms: Date.now() - 2_800_000, restarts: 0, last_exit: null },
          { name: "openbox", state: "ready", pid: 9, since_ms: Date.now() - 2_800_000, restarts: 0, last_exit: null },
          { name: "pcmanfm", state: "backoff", retry_in_ms: 1400, restarts: 3, last_exit: 139 },
          { name: "kernel-main", state: "ready", pid: 8, since_ms: Date.now() - 90_000, restarts: 1, last_exit: 137 },
        ],
      }),
      service_log: () => ({ lines: LOG }),
      takeover_get: () => this.#takeover,
      sandbox_access_get: () => this.#sandboxAccess,
      sandbox_access_set: (access) => (this.#sandboxAccess = { access, sandboxes: [] }),
      takeover_set: ({ on, by }) => (this.#takeover = { on, by: by ?? null, since_ms: Date.now() }),
      kernel_variables: () => ({
        count: 3,
        variables: [
          { name: "frame", type: "DataFrame", size_bytes: 3.2e6, repr: "200000 rows × 2 columns" },
          { name: "model", type: "Pipeline", size_bytes: null, repr: "Pipeline(steps=[('scale', StandardScaler()), …])" },
          { name: "t", type: "ndarray", size_bytes: 3312, repr: "float64 array of 400" },
        ],
      }),
      snapshot_list: () => ({ snapshots: [{ name: "2026-11-21-0812", created_at_s: Date.now() / 1000 - 4000, size_bytes: 3.4e6, values: 3, damaged: null }] }),
      snapshot_show: ({ name }) => ({ name, created_at_s: Date.now() / 1000 - 4000, python: "3.13.5", size_bytes: 3.4e6, values: [{ name: "frame", type: "DataFrame", size_bytes: 3.2e6 }, { name: "t", type: "ndarray", size_bytes: 3312 }], skipped: [{ name: "server", type: "Socket", reason: "a socket can't be stored" }] }),
      snapshot_store: () => ({ saved: ["frame"], skipped: [] }),
      snapshot_reload: () => ({ restored: ["frame"], failed: [] }),
      machine_logs: () => ({ lines: LOG }),
      machine_up: ({ recreate }) => {
        const run_id = `fake-${this.#asked.length}`;
        if (this.#scene === "recreate" && !recreate) {
          this.#tell({ kind: "run_progress", run_id, progress: { kind: "phase", name: "create" } });
          this.#tell({ kind: "run_ended", job_kind: "start", run_id, started_at: Date.now(), failure: WOULD_RECREATE });
          return { run_id };
        }
        this.#scene = "running";
        this.#tell({ kind: "machine", status: this.#status() });
        return { run_id };
      },
      machine_restart: () => this.#status(),
      machine_down: () => {
        this.#scene = "stopped";
        return this.#status();
      },
      machine_remove: () => {
        this.#scene = "absent";
        return this.#status();
      },
      desktop_open: () => {
        // For tests, which answer there themselves.
        if (this.#scene === "desktop") return { url: "ws://127.0.0.1:9/vnc?ticket=fake", password: "fake" };
        throw { code: "not_running", message: "The fake host has no desktop", cause: null, next: null, detail: null } satisfies Failure;
      },
      kernel_exec: ({ cell_id, run_id, code }) => {
        if (this.#scene === "hostile") return hostileEvents(code, cell_id, run_id).forEach((event) => this.#tell(event));
        this.#tell({ kind: "cell_queued", cell_id, run_id });
        this.#tell({ kind: "cell_started", cell_id, run_id, ran_ms: 0 });
        this.#tell({ kind: "cell_output", cell_id, run_id, output: { output_type: "stream", name: "stdout", text: "hello\n" } });
        return {};
      },
    };
    if (this.#scene === "hostile") Object.assign(answers, hostile((event) => this.#tell(event)));
    // The other machines rest.
    if (machine !== null && machine !== this.#machines[0] && !this.#scene.startsWith("jobs-")) answers.job_list = () => ({ jobs: [], left_out: 0 });
    const answer = answers[command];
    return asScene(this.#scene, command, answer ? answer(request) : {}) as Answer<C>;
  }

  readonly clipboard = pageClipboard;
  readonly keepFile = download;
  readonly openLink = openTab;

  connect(_url: string, heard: SocketHeard): Socket {
    return this.#agents.connect(heard);
  }

  async subscribe(_after: number, take: (event: StreamEvent) => void): Promise<void> {
    this.#take = take;
    if (this.#scene !== "building" && this.#scene !== "build-failed") return;
    const progress = (progress: Progress) => this.#tell({ kind: "run_progress", run_id: "fake", progress });
    progress({ kind: "phase", name: "base" });
    progress({ kind: "phase", name: "build" });
    STEPS.forEach((title, at) => {
      progress({ kind: "step", index: at + 1, total: 21, title, cached: at < 3 });
      for (let line = 0; line < 12; line++) progress({ kind: "line", text: `\u001b[32m${at + 1}.${line}\u001b[0m Setting up something:amd64 (1.2.${line}-3) ...` });
    });
    if (this.#scene === "build-failed") this.#tell({ kind: "run_ended", run_id: "fake", job_kind: "start", started_at: Date.now(), failure: BUILD_FAILED });
  }

  #status(): MachineStatus {
    const states: Record<string, MachineState> = { absent: "absent", building: "absent", "build-failed": "absent", stopped: "stopped" };
    const state = states[this.#scene] ?? "running";
    const here = state !== "absent";
    return {
      name: "os-host",
      state,
      image: "os",
      image_present: here,
      image_stale: this.#scene === "stopped" || this.#scene === "recreate",
      container_id: here ? "8f2c1e0b77aa4d3390c5" : null,
      started_at_ms: here ? Date.now() - 1000 * 60 * 47 : null,
      addresses:
        state === "running"
          ? { kernel: "http://127.0.0.1:8080", mcp: "http://127.0.0.1:8765", vnc: "127.0.0.1:5900" }
          : null,
      body_version: state === "running" ? "0.1.0" : null,
    };
  }

  #tell(event: Event): void {
    this.#take({ seq: ++this.#seq, at_ms: Date.now(), machine: "os-host", event });
  }
}

const STEPS = [
  "FROM debian:trixie-slim",
  "ARG BUILDER=debian",
  "COPY body/rootfs/etc/apt /etc/apt",
  "RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl git bash tmux procps",
  "RUN useradd --uid 1000 --home-dir /root os",
  "COPY body/kernel /opt/vivarium/kernel",
  "RUN apt-get install -y tigervnc-standalone-server openbox pcmanfm xterm",
];

const LOG = Array.from({ length: 60 }, (_, at) =>
  at % 9 === 0
    ? `2026-11-21T08:${String(at).padStart(2, "0")}:03Z \u001b[33mWARN\u001b[0m body::supervisor: pcmanfm ended with 1, starts again in 1 s`
    : `2026-11-21T08:${String(at).padStart(2, "0")}:02Z \u001b[32mINFO\u001b[0m body::supervisor: xvnc is ready after 214 ms`,
);
