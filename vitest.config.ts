import { defineConfig } from "vitest/config";

const report = process.env["TEST_REPORT"];

export default defineConfig({
  test: {
    include: [
      "**/src/**/*.test.ts",
      "test/**/*.test.ts",
      "entrypoint/**/*.test.ts",
    ],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    reporters:
      report === undefined
        ? ["default"]
        : ["default", ["json", { outputFile: report }]],
  },
});
