import { readdirSync } from "node:fs";

import svelte from "eslint-plugin-svelte";
import ts from "typescript-eslint";

const features = readdirSync(new URL("src/features", import.meta.url));

// The rooms of the UI: one importer of Tauri, features that know nothing of each other.
const tauri = { group: ["@tauri-apps/*"], message: "Only src/host talks to the window's process." };
const app = { group: ["**/app/**"], message: "src/app composes; nothing composes src/app." };
const page = { group: ["**/features/**"], message: "Pages are made of this, not the other way round." };

export default ts.config(
  { ignores: ["dist", "src/wire"] },
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      // Collections here are replaced or local; reactivity is asked for by name.
      "svelte/prefer-svelte-reactivity": "off",
    },
  },
  { files: ["src/{app,features,shared}/**"], rules: { "no-restricted-imports": ["error", { patterns: [tauri] }] } },
  { files: ["src/shared/**"], rules: { "no-restricted-imports": ["error", { patterns: [tauri, app, page] }] } },
  { files: ["src/host/**"], rules: { "no-restricted-imports": ["error", { patterns: [app, page] }] } },
  ...features.map((name) => ({
    files: [`src/features/${name}/**`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            tauri,
            app,
            ...features.filter((other) => other !== name).map((other) => ({
              group: [`**/${other}/**`, `../${other}`],
              message: "A feature never imports another; share through src/shared.",
            })),
          ],
        },
      ],
    },
  })),
);
