// Keeps what cargo compiled of other people's crates outside the clone, so that a fresh clone on
// this computer need not compile it again.
//
//   node scripts/lib/dependency-cache.mjs restore|save [TARGET_FOLDER]
//
// Only registry crates are kept: each is named by a hash of its version, features, profile, flags
// and compiler, and cargo checks that before it uses one. Nothing of this workspace is among them,
// so what is cached never decides what is tested. A cache that is missing or damaged costs time only.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, constants } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const MOST_BYTES = 12 * 2 ** 30;

const [command, folder = "target"] = process.argv.slice(2);
if (!["restore", "save"].includes(command)) {
  console.error("dependency-cache.mjs restore|save [TARGET_FOLDER]");
  process.exit(2);
}
const compiler = createHash("sha256").update(execFileSync("rustc", ["-vV"])).digest("hex").slice(0, 16);
const caches = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "vivarium/dependencies");
const cache = join(caches, compiler);

try {
  mkdirSync(caches, { recursive: true });
  if (command === "restore") restore();
  else save();
} catch (error) {
  // The disk may be full, or another clone may be saving just now.
  console.error(`The cache of compiled dependencies was not used (${command}): ${error.message}`);
}

/** Folders of profiles: debug, release, and the same below a target's name. */
function profiles(root) {
  const found = [];
  const look = (relative) => {
    for (const entry of readdirSync(join(root, relative), { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      const path = join(relative, entry.name);
      if (existsSync(join(root, path, ".fingerprint"))) found.push(path);
      else if (relative === "" && /^[a-z0-9_]+-[a-z]+-/.test(entry.name)) look(path);
    }
  };
  if (existsSync(root)) look("");
  return found;
}

/** Compiled units of a profile: hash → when it was compiled. Without the workspace's own. */
function units(profile, own) {
  const found = new Map();
  for (const name of readdirSync(join(profile, ".fingerprint"))) {
    const [, crate, hash] = /^(.+)-([0-9a-f]{16})$/.exec(name) ?? [];
    if (hash && !own.has(crate)) found.set(hash, statSync(join(profile, ".fingerprint", name)).mtimeMs);
  }
  return found;
}

/** Copies the units of a profile, with their times: by them cargo knows what is older than what. */
function copyUnits(from, to, wanted) {
  for (const part of [".fingerprint", "build", "deps"]) {
    if (!existsSync(join(from, part))) continue;
    mkdirSync(join(to, part), { recursive: true });
    for (const name of readdirSync(join(from, part))) {
      const hash = /-([0-9a-f]{16})(\.|$)/.exec(name)?.[1];
      if (!hash || !wanted.has(hash)) continue;
      cpSync(join(from, part, name), join(to, part, name), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
    }
  }
}

function size(path) {
  const stat = statSync(path);
  return stat.isDirectory() ? readdirSync(path).reduce((sum, name) => sum + size(join(path, name)), 0) : stat.size;
}

/** Fills profiles that this clone has not begun to build. */
function restore() {
  if (!existsSync(cache)) return;
  for (const profile of profiles(cache)) {
    const place = join(folder, profile);
    if (existsSync(place)) continue;
    mkdirSync(join(place, ".."), { recursive: true });
    // Aside, and then renamed: one that is half there would be a broken build.
    const aside = mkdtempSync(join(folder, ".restoring-"));
    try {
      cpSync(join(cache, profile), aside, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
      renameSync(aside, place);
    } finally {
      rmSync(aside, { recursive: true, force: true });
    }
  }
}

/** Replaces the cache by what it has and what this clone compiled beside it. */
function save() {
  const metadata = JSON.parse(execFileSync("cargo", ["metadata", "--no-deps", "--offline", "--format-version", "1"], { maxBuffer: 2 ** 26 }));
  const own = new Set(metadata.packages.map(({ name }) => name));
  const aside = mkdtempSync(join(caches, ".saving-"));
  try {
    let added = 0;
    const kept = new Set(existsSync(cache) ? profiles(cache) : []);
    for (const profile of new Set([...kept, ...profiles(folder)])) {
      const here = existsSync(join(folder, profile, ".fingerprint")) ? units(join(folder, profile), own) : new Map();
      const there = kept.has(profile) ? units(join(cache, profile), own) : new Map();
      const fresh = new Set([...here.keys()].filter((hash) => !there.has(hash)));
      added += fresh.size;
      copyUnits(join(folder, profile), join(aside, profile), fresh);
    }
    if (added === 0) return;
    for (const profile of profiles(aside)) {
      for (const part of [".fingerprint", "build", "deps"]) {
        const from = join(aside, profile, part);
        if (!existsSync(from)) continue;
        mkdirSync(join(cache, profile, part), { recursive: true });
        // What cargo looks for first is moved last: a unit that is half there is not used.
        if (part === ".fingerprint") continue;
        for (const name of readdirSync(from)) if (!existsSync(join(cache, profile, part, name))) renameSync(join(from, name), join(cache, profile, part, name));
      }
      const from = join(aside, profile, ".fingerprint");
      for (const name of readdirSync(from)) if (!existsSync(join(cache, profile, ".fingerprint", name))) renameSync(join(from, name), join(cache, profile, ".fingerprint", name));
    }
    if (size(cache) > MOST_BYTES) {
      // Old versions gather over the months. The next save begins again.
      const old = mkdtempSync(join(caches, ".old-"));
      renameSync(cache, join(old, "cache"));
      rmSync(old, { recursive: true, force: true });
    }
    for (const name of readdirSync(caches)) {
      // Another compiler's, and what a killed run left.
      if (name !== compiler && Date.now() - statSync(join(caches, name)).mtimeMs > 30 * 86_400_000) rmSync(join(caches, name), { recursive: true, force: true });
    }
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}
