// A reporter for vitest that writes a line of JSON for each test: its name, beginning, end and
// outcome. The file's name is in VIVARIUM_TEST_TIMES; scripts/testing/inner.py reads it.

import { appendFileSync } from "node:fs";

import type { Reporter, TestCase } from "vitest/node";

export default class TestTimes implements Reporter {
  onTestCaseResult(test: TestCase): void {
    const path = process.env["VIVARIUM_TEST_TIMES"];
    const measured = test.diagnostic();
    if (path === undefined || measured === undefined) return;
    const started = measured.startTime / 1000;
    const line = { name: test.fullName, started, ended: started + measured.duration / 1000, passed: test.result().state === "passed" };
    appendFileSync(path, `${JSON.stringify(line)}\n`);
  }
}
