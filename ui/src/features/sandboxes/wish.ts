// What a person wishes of a new sandbox, and the request that comes of it.

import type { CreateRequest, DiskKind, NetworkMode, SandboxDefaults } from "../../wire";

/** Fields of the form, as they are typed. */
export interface Wish {
  image: string;
  network: NetworkMode;
  memory_mb: number;
  disk: DiskKind;
  /** Size of each writable folder, if they are on the disk. */
  disk_mb: number;
  cpus: number;
  /** Minutes until it ends. */
  minutes: number;
  pauses: boolean;
}

/** The smallest that a sandbox starts with. */
const LEAST_MEMORY_MB = 16;

/** A request that leaves everything to the settings. */
export function plainRequest(): CreateRequest {
  return {
    image: null,
    memory_mb: null,
    cpus: null,
    pids: null,
    disk_mb: null,
    disk: null,
    pull: null,
    network: null,
    timeout_s: null,
    ttl_s: null,
    on_timeout: null,
    auto_resume: false,
    env: {},
    gpu: false,
    runtime: null,
    metadata: {},
  };
}

/** The form before anything is changed. */
export function presetWish({ image, limits, network, ttl_s }: SandboxDefaults): Wish {
  return { image, network, memory_mb: limits.memory_mb, disk: "memory", disk_mb: limits.disk_mb, cpus: limits.cpus, minutes: Math.round(ttl_s / 60), pauses: false };
}

/** What can't be asked for; `null` if all is well. */
export function wrongWith({ image, memory_mb, disk, disk_mb, cpus, minutes }: Wish, { longest_ttl_s }: SandboxDefaults): string | null {
  if (image.trim() === "" || /\s/.test(image.trim())) return "Enter the name of an image.";
  if (!Number.isInteger(memory_mb) || memory_mb < LEAST_MEMORY_MB) return `Enter at least ${LEAST_MEMORY_MB} MiB of memory.`;
  if (disk === "volume" && !(Number.isInteger(disk_mb) && disk_mb > 0)) return "Enter the size of the volumes in MiB.";
  if (!(cpus > 0)) return "Enter a number of CPUs, such as 1 or 0.5.";
  if (!(minutes > 0)) return "Enter how many minutes it lives.";
  if (minutes * 60 > longest_ttl_s) return `A sandbox lives ${Math.floor(longest_ttl_s / 60)} minutes at most.`;
  return null;
}

export function requestOf({ image, network, memory_mb, disk, disk_mb, cpus, minutes, pauses }: Wish): CreateRequest {
  // In memory, the settings have the size.
  const folders = disk === "volume" ? { disk, disk_mb } : {};
  return { ...plainRequest(), ...folders, image: image.trim(), network, memory_mb, cpus, ttl_s: minutes * 60, on_timeout: pauses ? "pause" : "kill" };
}
