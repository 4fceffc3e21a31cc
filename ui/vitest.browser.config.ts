// Tests of the pages in a real browser with a real engine: scripts/test.sh builds what they need.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["browser/**/*.test.ts"],
    // One story after the other: each step needs the one before.
    fileParallelism: false,
    bail: 1,
    // Several of these may run at once, each of a file of its own.
    cache: false,
    // Long, as the computer may be busy with much else: what is there sooner is not waited for.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 90_000 } },
  },
});
