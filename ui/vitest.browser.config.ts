// Tests of the pages in a real browser with a real engine: scripts/test.sh builds what they need.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["browser/**/*.test.ts"],
    // One story after the other: each step needs the one before.
    fileParallelism: false,
    bail: 1,
    testTimeout: 40_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
  },
});
