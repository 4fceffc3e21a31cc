// The rooms of the UI, as eslint.config.js has them: every feature is kept apart, also one that is new.

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { ESLint } from "eslint";
import { expect, test } from "vitest";

const features = readdirSync(new URL("features", import.meta.url));

test.each(features)("%s imports no other feature, nothing of app, and no Tauri", async (feature) => {
  const eslint = new ESLint({ cwd: fileURLToPath(new URL("..", import.meta.url)) });
  const others = features.filter((other) => other !== feature);
  const forbidden = [...others.map((other) => `../${other}/new`), "../../app/new", "@tauri-apps/api"];
  const allowed = ["../../shared/new", "../../host", "./own"];
  const source = [...forbidden, ...allowed].map((path) => `import "${path}";\n`).join("");
  const [result] = await eslint.lintText(source, { filePath: `src/features/${feature}/new.ts` });
  const refused = result!.messages.filter(({ ruleId }) => ruleId === "no-restricted-imports").map(({ line }) => line);
  expect(refused).toEqual(forbidden.map((_, at) => at + 1));
});
