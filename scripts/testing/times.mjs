// A reporter for node:test that writes a line of JSON for each test: its name, beginning, end and outcome.
export default async function* times(source) {
  for await (const { type, data } of source) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const ended = Date.now() / 1000;
    yield `${JSON.stringify({ name: data.name, started: ended - data.details.duration_ms / 1000, ended, passed: type === "test:pass" })}\n`;
  }
}
