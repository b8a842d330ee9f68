import { defineConfig } from "vitest/config";

/** Real processes and real load: these files take the machine to themselves. */
const endToEnd = ["test/e2e/**/*.test.ts"];
const vectors = ["test/vectors/**/*.test.ts"];
const kubernetes = ["test/kubernetes/**/*.test.ts"];

export default defineConfig({
  test: {
    reporters: process.env["CI"]
      ? ["default", ["json", { outputFile: "dist/test-report.json" }]]
      : ["default"],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...endToEnd, ...vectors, ...kubernetes],
          testTimeout: 20_000,
          maxWorkers: 2,
        },
      },
      { test: { name: "vectors", include: vectors, testTimeout: 20_000 } },
      {
        test: {
          name: "e2e",
          include: endToEnd,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "kubernetes",
          include: kubernetes,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
