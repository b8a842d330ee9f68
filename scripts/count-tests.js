// Prints the last line of a CI run from vitest's report, and exits as the run did.
import { readFileSync } from "node:fs";

const [reportFile, status] = process.argv.slice(2);
let report = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, success: false };
try {
  report = JSON.parse(readFileSync(reportFile, "utf8"));
} catch {
  process.stdout.write("no test report was written\n");
}
const didFail = status !== "0" || !report.success;
// A run that died outside any test, in a hook or an import, must not count as none failed.
const failed = didFail ? Math.max(1, report.numFailedTests) : 0;
const skipped = report.numPendingTests + report.numTodoTests;
process.stdout.write(
  `${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`,
);
process.exit(didFail ? 1 : 0);
