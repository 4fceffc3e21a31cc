// Sandboxes of the fake host.

import type { ExecView, Failure, FileEntry, PoolView, SandboxUsage, SandboxView } from "../wire";
import type { Command, Request } from "./host";

const now = Date.now();
const MINUTE = 60_000;
const MIB = 1 << 20;
const LIMITS = { memory_mb: 512, cpus: 1, pids: 256, disk_mb: 256 };
const LONG = "a-name-that-somebody-gave-without-thinking-of-those-who-have-to-read-it-in-a-narrow-column";

const OFF: Failure = { code: "not_running", message: "Sandboxes are turned off", cause: "vivarium serve isn't running", next: { kind: "serve_sandboxes" }, detail: null };
const NO_IMAGE: Failure = { code: "not_found", message: "image aios-sandbox not found", cause: null, next: { kind: "get_sandbox_image", image: "aios-sandbox" }, detail: null };

function usage(cpu_percent: number, memory_mib: number, disk_mib: number, pids: number): SandboxUsage {
  return { cpu_ms: 4200, cpu_percent, memory_bytes: memory_mib * MIB, disk_bytes: disk_mib * MIB, pids, network_received_bytes: 3.2e6, network_sent_bytes: 48_000 };
}

function sandbox(sandbox_id: string, age_ms: number, given: Partial<SandboxView> = {}): SandboxView {
  return {
    sandbox_id,
    state: "running",
    reason: null,
    container: `sandbox-session-${sandbox_id}`,
    image: "aios-sandbox",
    owner: null,
    responding: true,
    limits: LIMITS,
    disk: "memory",
    network: "none",
    gpu: false,
    runtime: null,
    metadata: {},
    env_names: [],
    from_pool: true,
    created_at_ms: now - age_ms,
    age_s: age_ms / 1000,
    last_used_at_ms: now - age_ms / 2,
    ends_at_ms: now - age_ms + 60 * MINUTE,
    on_timeout: "kill",
    auto_resume: false,
    usage: usage(0, 6, 0, 1),
    notes: [],
    ...given,
  };
}

const SOME = [
  sandbox("k3f9a2mq7x", 4 * MINUTE, { disk: "volume", notes: ["The writable folders are volumes on the container engine's disk, which has no quotas: if one of them has more than disk_mb, the sandbox is ended within seconds."], usage: usage(38, 184, 12, 9) }),
  sandbox("b7w2p0zr4d", 22 * MINUTE, { image: "python:3.13", network: "internet", owner: "agents", from_pool: false, limits: { ...LIMITS, memory_mb: 2048, cpus: 2 }, usage: usage(4, 412, 96, 14) }),
  sandbox("q1v8n5tj3c", 59.4 * MINUTE, { responding: false, usage: usage(0, 6, 0, 1), owner: "agents" }),
  sandbox("x5h4e9ky2u", 48 * MINUTE, { state: "paused", on_timeout: "pause", usage: usage(0, 61, 3, 4) }),
  sandbox("d0s6g3lf8i", 50 * MINUTE, { state: "ended", reason: "it was removed", usage: null }),
  sandbox("y2c7o1aw9b", 55 * MINUTE, { state: "lost", reason: "its container was removed outside of Vivarium", usage: null }),
];

const MANY = [
  sandbox("z".repeat(40), 3 * MINUTE, { image: `registry.example.org/${LONG}:latest`, owner: LONG, usage: usage(97, 509, 240, 250), notes: ["Files in the writable folders count against its memory."] }),
  ...Array.from({ length: 60 }, (_, at) => sandbox(`n${at}x5h4e9k`, at * MINUTE, { usage: usage((at * 7) % 100, (at * 37) % 512, at, at + 1), from_pool: at % 3 > 0, owner: at % 2 ? "agents" : null })),
];

const POOL: PoolView = {
  shapes: [
    { image: "aios-sandbox", limits: LIMITS, network: "none", size: 4, ready: 3, starting: 1, hits: 41, misses: 2, failure: null },
    { image: "python:3.13", limits: { ...LIMITS, memory_mb: 2048, cpus: 2 }, network: "internet", size: 2, ready: 0, starting: 0, hits: 0, misses: 1, failure: "image python:3.13 not found" },
  ],
  hits: 41,
  misses: 3,
  under_pressure: false,
};

function file(path: string, given: Partial<FileEntry> = {}): FileEntry {
  return { name: path.split("/").at(-1)!, path, kind: "file", size_bytes: 2048, mode: 0o644, uid: 1000, gid: 1000, modified_at_ms: now - 9 * MINUTE, ...given } as FileEntry;
}

const FILES: FileEntry[] = [
  file("/home/sandboxuser/results", { kind: "folder" }),
  file("/home/sandboxuser/latest", { kind: "symlink", target: "results/3" }),
  file("/home/sandboxuser/data.csv", { size_bytes: 1.3e6 }),
  file("/home/sandboxuser/train.py", { size_bytes: 4180, modified_at_ms: now - MINUTE / 2 }),
];
const HOSTILE_FILES: FileEntry[] = [
  file("/home/sandboxuser/<img src=x onerror=alert(1)>"),
  file("/home/sandboxuser/gpj\u202eexe.sh"),
  file("/home/sandboxuser/https://evil.example/"),
  file(`/home/sandboxuser/${"x".repeat(900)}`),
  file("/home/sandboxuser/not-utf8-\ufffd", { is_lossy: true }),
];

const GREETING = "\u001b[32msandboxuser@k3f9a2mq7x\u001b[0m:\u001b[34m~\u001b[0m$ ";
const EVIL = "\u001b]8;;https://evil.example\u0007a link\u001b]8;;\u0007\u001b]0;owned\u0007\u001b]52;c;ZXZpbA==\u0007<b>bold?</b> \u001b[31mred\u001b[0m\r\n";

const encode = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

export class FakeSandboxes {
  #scene: string;
  #all: SandboxView[];
  #isOff: boolean;
  #lacks: boolean;
  /** What the console says next, and who waits for it. */
  #said: string[] = [];
  #wake: () => void = () => {};
  #shells: ExecView[] = [];
  #seq = 0;
  #files: FileEntry[];

  constructor(scene: string) {
    this.#scene = scene;
    this.#isOff = scene === "sandboxes-off";
    this.#lacks = scene === "sandboxes-no-image";
    this.#files = scene === "hostile" ? HOSTILE_FILES : scene === "full" ? [...FILES, ...Array.from({ length: 400 }, (_, at) => file(`/home/sandboxuser/${at === 0 ? LONG.repeat(3) : `part-${at}.parquet`}`, { size_bytes: at * 1e5 }))] : FILES;
    this.#all = scene === "full" ? [...MANY, ...SOME] : scene === "hostile" ? [sandbox("h0stile", MINUTE, { image: "<b>evil</b>\u202eegami", owner: "gpj\u202eexe", usage: usage(1e6, 1e9, 1e9, 1e9), notes: ["<a href=https://evil.example>note</a>"] }), ...SOME] : scene === "new" ? [] : SOME;
  }

  #find(id: string): SandboxView {
    return this.#all.find((one) => one.sandbox_id === id)!;
  }

  #change(id: string, change: Partial<SandboxView>): SandboxView {
    this.#all = this.#all.map((one) => (one.sandbox_id === id ? { ...one, ...change } : one));
    return this.#find(id);
  }

  #say(text: string): void {
    this.#said.push(text);
    this.#wake();
  }

  readonly answers: { [K in Command]?: (request: Request<K>) => unknown } = {
    sandbox_serve: () => {
      this.#isOff = false;
      return {};
    },
    sandbox_list: () => {
      if (this.#isOff) throw OFF;
      return {
        sandboxes: this.#all,
        defaults: { image: "aios-sandbox", limits: LIMITS, network: "none", ttl_s: 3600, longest_ttl_s: 86_400 },
        address: "http://127.0.0.1:8000",
        needs_token: true,
        images: this.#scene === "full" ? [{ image: "python:3.13", doing: "[3/9] RUN apt-get install --no-install-recommends build-essential: Unpacking gcc-14", since_ms: now - MINUTE }] : [],
      };
    },
    sandbox_pool: () => {
      if (this.#isOff) throw OFF;
      return this.#scene === "new" ? { ...POOL, shapes: POOL.shapes.slice(0, 1), hits: 0, misses: 0 } : { ...POOL, under_pressure: this.#scene === "full" };
    },
    sandbox_image: () => {
      this.#lacks = false;
      return {};
    },
    sandbox_create: (request) => {
      if (this.#lacks) throw NO_IMAGE;
      const made = sandbox(`new${this.#all.length}`, 0, { created_at_ms: Date.now(), image: request.image ?? "aios-sandbox", network: (request.network as SandboxView["network"]) ?? "none", limits: { ...LIMITS, memory_mb: request.memory_mb ?? 512, cpus: request.cpus ?? 1 }, ends_at_ms: Date.now() + (request.ttl_s ?? 3600) * 1000, on_timeout: request.on_timeout ?? "kill" });
      this.#all = [made, ...this.#all];
      return made;
    },
    sandbox_pause: ({ sandbox_id }) => this.#change(sandbox_id, { state: "paused" }),
    sandbox_resume: ({ sandbox_id }) => this.#change(sandbox_id, { state: "running" }),
    sandbox_timeout: ({ sandbox_id, ttl_s }) => this.#change(sandbox_id, { ends_at_ms: Date.now() + ttl_s * 1000 }),
    sandbox_destroy: ({ sandbox_id }) => {
      this.#change(sandbox_id, { state: "ended", reason: "it was removed" });
      return {};
    },
    sandbox_execs: () => ({ execs: this.#shells }),
    sandbox_exec: ({ request }) => {
      const exec: ExecView = { exec_id: `e${this.#shells.length}`, pid: 12, command: request.command, cwd: null, env: {}, pty: true, background: true, started_at_ms: Date.now(), exit_code: null };
      this.#shells.push(exec);
      if (this.#scene === "hostile") this.#say(EVIL);
      this.#say(GREETING);
      return exec;
    },
    sandbox_output: async ({ exec_id, after }) => {
      if (this.#said.length === 0) await new Promise<void>((wake) => (this.#wake = wake));
      const base64 = encode(this.#said.splice(0).join(""));
      const exit_code = this.#shells.find((shell) => shell.exec_id === exec_id)?.exit_code ?? null;
      return { base64, last: after + ++this.#seq, dropped: false, ended: exit_code !== null, exit_code };
    },
    sandbox_input: ({ exec_id, base64 }) => {
      const typed = atob(base64);
      if (typed.includes("\u0004")) {
        this.#shells = this.#shells.map((shell) => (shell.exec_id === exec_id ? { ...shell, exit_code: 0 } : shell));
        this.#say("exit\r\n");
      } else this.#say(typed.replaceAll("\r", `\r\nyou pressed Enter\r\n${GREETING}`));
      return {};
    },
    sandbox_resize: () => ({}),
    sandbox_code: ({ request }) => {
      const failed = request.code.includes("raise");
      const outputs = failed
        ? [{ output_type: "error", ename: "ValueError", evalue: "no such column", traceback: ["\u001b[31mValueError\u001b[0m: no such column"] }]
        : request.code.includes("hostile")
          ? [
              { output_type: "display_data", metadata: {}, data: { "text/html": "<b id=inside>table</b><script>parent.owned = 1</script><a href=https://evil.example>leave</a>" } },
              { output_type: "display_data", metadata: {}, data: { "text/markdown": "[leave](https://evil.example)" } },
              { output_type: "stream", name: "stdout", text: "a\u202eb<i>no</i>" },
            ]
          : [
              { output_type: "stream", name: "stdout", text: "loading 200,000 rows\n" },
              { output_type: "execute_result", execution_count: 1, metadata: {}, data: { "text/plain": "   colour  n", "text/html": "<table><thead><tr><th></th><th>colour</th><th>n</th></tr></thead><tbody><tr><th>0</th><td>red</td><td>812</td></tr><tr><th>1</th><td>blue</td><td>407</td></tr></tbody></table>" } },
            ];
      return { outputs, truncated: false, succeeded: !failed, execution_count: 1, timing_ms: 12 };
    },
    sandbox_files: ({ path }) => {
      const entries = path === "/home/sandboxuser" ? this.#files : path.endsWith("/results") ? [file(`${path}/3`, { kind: "folder" }), file(`${path}/loss.png`, { size_bytes: 48_000 })] : [];
      return { entries, left_out: this.#scene === "full" ? 1200 : 0 };
    },
    sandbox_file_read: ({ path }) => ({ entry: file(path), base64: encode("colour,n\n") }),
    sandbox_file_write: ({ path, base64 }) => {
      const entry = file(path, { size_bytes: atob(base64).length, modified_at_ms: Date.now() });
      this.#files = [...this.#files.filter((one) => one.path !== path), entry];
      return entry;
    },
    sandbox_file_remove: ({ path }) => {
      this.#files = this.#files.filter((one) => one.path !== path);
      return {};
    },
  };
}
