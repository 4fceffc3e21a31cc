// What the page says of a sandbox, in a few words.

import { size } from "../../shared/size";
import { span } from "../../shared/time";
import type { Tone } from "../../shared/tone";
import { name as asName } from "../../shared/untrusted";
import type { NetworkMode, SandboxLimits, SandboxUsage, SandboxView } from "../../wire";

/** A sandbox that ends within this time is about to end. */
const SOON_MS = 60_000;

/** Its state. */
export function stateWords({ state, responding }: SandboxView): { tone: Tone; words: string } {
  if (state === "running" && !responding) return { tone: "bad", words: "Not responding" };
  switch (state) {
    case "running":
      return { tone: "good", words: "Running" };
    case "paused":
      return { tone: "idle", words: "Paused" };
    case "lost":
      return { tone: "bad", words: "Lost" };
    case "ended":
      return { tone: "idle", words: "Ended" };
  }
}

/** Why it is gone, as a sentence. */
export function reasonWords({ reason }: SandboxView): string {
  if (reason === null || reason === "") return "";
  const words = asName(reason, 400);
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?…)]$/.test(words) ? "" : "."}`;
}

/** Whether there is anything left of it. */
export const isThere = ({ state }: SandboxView): boolean => state === "running" || state === "paused";

/** When its time is over, and whether that is soon. */
export function endWords({ ends_at_ms, on_timeout, state }: SandboxView, now: number): { words: string; soon: boolean } {
  if (state === "lost" || state === "ended") return { words: "—", soon: false };
  const left = ends_at_ms - now;
  const verb = on_timeout === "pause" ? "pauses " : "";
  return { words: left <= 0 ? `${verb}now` : `${verb}in ${span(left)}`, soon: left <= SOON_MS };
}

const NETWORKS: Record<NetworkMode, string> = { none: "None", isolated: "Isolated", internet: "Internet" };

/** What it may reach. */
export const networkWords = (network: NetworkMode): string => NETWORKS[network] ?? "Unknown";

/** Processors, such as `1 CPU` or `0.5 CPUs`. */
export const cpuWords = (cpus: number): string => `${cpus} CPU${cpus === 1 ? "" : "s"}`;

/** Memory, such as `512 MiB` or `2 GiB`. */
export function memoryWords(mib: number): string {
  return mib >= 1024 && mib % 512 === 0 ? `${mib / 1024} GiB` : `${mib} MiB`;
}

/** Limits in one line. */
export const limitWords = ({ memory_mb, cpus }: SandboxLimits): string => `${memoryWords(memory_mb)}, ${cpuWords(cpus)}`;

/** Bytes in MiB, as limits are told. */
export const mib = (bytes: number): string => (bytes > 0 && bytes < 1 << 19 ? "< 1" : Math.round(bytes / (1 << 20)).toLocaleString("en"));

/** What it received and sent over its network. */
export function trafficWords(usage: SandboxUsage | null): string {
  const { network_received_bytes: received = null, network_sent_bytes: sent = null } = usage ?? {};
  return received === null || sent === null ? "…" : `${size(received)} in, ${size(sent)} out`;
}

/** What it uses of its processors: `12 %`, of which 100 is one whole. */
export const percentWords = (percent: number | null | undefined): string => (percent === null || percent === undefined ? "…" : `${Math.round(percent)} %`);

/** How many there are, for the page's header. */
export function pageWords(sandboxes: SandboxView[]): { tone: Tone; words: string } {
  const count = (state: SandboxView["state"]) => sandboxes.filter((one) => one.state === state).length;
  const [running, paused] = [count("running"), count("paused")];
  if (running + paused === 0) return { tone: "idle", words: "None running" };
  const words = [running > 0 && `${running} running`, paused > 0 && `${paused} paused`].filter(Boolean).join(", ");
  return { tone: running > 0 ? "good" : "idle", words };
}
