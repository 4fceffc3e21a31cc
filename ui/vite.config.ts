import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  clearScreen: false,
  // One copy, whether it is imported or required.
  resolve: { alias: [{ find: /^katex$/, replacement: "katex/dist/katex.mjs" }] },
  server: { port: 1420, strictPort: true, host: "127.0.0.1" },
  build: {
    target: "es2022",
    reportCompressedSize: false,
    chunkSizeWarningLimit: 800,
    // One style sheet, which index.html links: Vite never retries the sheet of a lazy page if it failed once.
    cssCodeSplit: false,
    // WebKit never imports a script whose preload failed; the import alone can be tried again.
    modulePreload: false,
    // The first script is one file: the browser loads what a script imports only once.
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "main", test: /\/src\/(main|styles|shared\/retry)\.ts$|vite\/preload-helper/ }] } },
    },
  },
  // Long, as the computer may be busy with much else.
  test: { include: ["src/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000 },
});
