import { execFileSync } from "node:child_process";

import { expect, test } from "vitest";

import { TARGETS, tokenFor } from "./configuration";

const of = (id: string) => TARGETS.find((target) => target.id === id)!.text;

/** The words that a shell makes of a line; anything that it runs beside that stands before them. */
function words(line: string): string[] {
  const script = `claude() { printf '%s\\0' "$@"; }\n${line}`;
  return execFileSync("/bin/sh", ["-c", script], { encoding: "utf8", env: { PATH: "/nowhere" } }).split("\0").slice(0, -1);
}

test("the line for a terminal adds the server and runs nothing else, whatever it is called", () => {
  for (const name of ["weather", "a b", "$(touch /tmp/x)", "`id`", "x; id", "x' 'y", 'a"b', "-h", "--scope=user", "a\nid", "${IFS}", "*", "(x)", "~", "!!", "..", "é", ""]) {
    const url = `http://127.0.0.1:8765/servers/${encodeURIComponent(name)}/mcp`;
    const token = "to'k$(id)en";
    const line = of("claude-code")(url, token, name);
    // Outside of quotes there is nothing that any shell would take for more than a letter.
    expect(line.replaceAll(/'[^']*'|\\'/g, ""), name).toMatch(/^[\w@%+=:,./ -]*$/);
    const made = words(line);
    const safe = made[4] ?? "";
    expect(made, name).toEqual(["mcp", "add", "--transport", "http", safe, url, "--header", `Authorization: Bearer ${token}`]);
    expect(safe, name).toMatch(/^[\w.][\w.-]*$/);
  }
  expect(words(of("claude-code")("http://x/mcp", "t", "weather"))[4]).toBe("weather");
});

test("the files' forms are JSON in which a name is only a name", () => {
  const name = 'x"}, "evil": {"command": "id';
  for (const id of ["claude-desktop", "cursor", "vscode"]) {
    const made = JSON.parse(of(id)("http://x/mcp", "t", name)) as Record<string, Record<string, object>>;
    expect(Object.values(made).map((servers) => Object.keys(servers))).toEqual([[name]]);
  }
});

test("each client has a token named after it, for its servers and this machine", () => {
  const cursor = TARGETS.find(({ id }) => id === "cursor")!;
  expect(tokenFor(cursor, "weather", "os-host")).toEqual({ name: "cursor", scopes: ["mcp:weather"], machines: ["os-host"], numbered: true });
  expect(tokenFor(cursor, null, "lab").scopes).toEqual(["mcp:*"]);
  // The app refuses other names.
  for (const target of TARGETS) expect(tokenFor(target, null, "lab").name).toMatch(/^[\w.-]{1,64}$/);
});
