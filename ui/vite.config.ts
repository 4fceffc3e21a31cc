import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
  clearScreen: false,
  // One copy, whether it is imported or required.
  resolve: { alias: [{ find: /^katex$/, replacement: "katex/dist/katex.mjs" }] },
  server: { port: 1420, strictPort: true, host: "127.0.0.1" },
  build: { target: "es2022", reportCompressedSize: false, chunkSizeWarningLimit: 800 },
  test: { include: ["src/**/*.test.ts"] },
});
