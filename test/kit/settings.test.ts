import {
  defineSettings,
  parseSettings,
  printHelp,
  printSettingsTable,
  SettingsError,
  SettingsHelp,
  type SettingsProblem,
} from "@sluice/kit";
import { describe, expect, expectTypeOf, test } from "vitest";

const table = defineSettings({
  concurrency: {
    variable: "CONTAINER_CONCURRENCY",
    kind: "integer",
    required: true,
    min: 0,
    summary: "Limit.",
  },
  revision: { variable: "SERVING_REVISION", kind: "text", required: true, summary: "Name." },
  publicPort: { variable: "SLUICE_PUBLIC_PORT", kind: "port", default: 8000, summary: "Gateway." },
  quietMs: {
    variable: "SLUICE_QUIET_PERIOD",
    kind: "durationMs",
    default: 30_000,
    max: 600_000,
    summary: "Quiet | still.",
  },
  ratio: { variable: "SLUICE_RATIO", kind: "number", min: 0, max: 1, summary: "Share." },
  isFull: { variable: "ENABLE_FULL", flag: "full", kind: "boolean", default: false, summary: "All of it." },
  level: {
    variable: "LEVEL",
    kind: "oneOf",
    choices: ["info", "debug"],
    default: "info",
    summary: "Log level.",
  },
  peers: { variable: "SLUICE_PEERS", kind: "list", default: [], summary: "Who." },
  token: { variable: "SLUICE_TOKEN", kind: "text", secret: true, default: "hush", summary: "Token." },
  pin: { variable: "SLUICE_PIN", kind: "integer", secret: true, summary: "Pin." },
  folder: { variable: "SLUICE_STATE_DIR", kind: "folder", summary: "Where." },
  probe: { variable: "PROBE", kind: "parsed", parse: parseProbe, summary: "JSON." },
});

function parseProbe(text: string): { path: string } {
  if (!text.startsWith("/")) throw new Error("must start with a slash");
  return { path: text };
}

const required = { CONTAINER_CONCURRENCY: "10", SERVING_REVISION: "" };

function problemsOf(environment: Record<string, string>, args: string[] = []): readonly SettingsProblem[] {
  try {
    parseSettings(table, { environment, args });
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe("settings", () => {
  test("defaults, variables and types", () => {
    const settings = parseSettings(table, {
      environment: { ...required, SLUICE_PEERS: "a, b,", PROBE: "/x" },
    });
    expect(settings).toEqual({
      concurrency: 10,
      revision: "",
      publicPort: 8000,
      quietMs: 30_000,
      ratio: undefined,
      isFull: false,
      level: "info",
      peers: ["a", "b"],
      token: "hush",
      pin: undefined,
      folder: undefined,
      probe: { path: "/x" },
    });
    expectTypeOf(settings.concurrency).toEqualTypeOf<number>();
    expectTypeOf(settings.ratio).toEqualTypeOf<number | undefined>();
    expectTypeOf(settings.level).toEqualTypeOf<"info" | "debug">();
    expectTypeOf(settings.probe).toEqualTypeOf<{ path: string } | undefined>();
    expectTypeOf(settings.peers).toEqualTypeOf<readonly string[]>();
  });

  test.each([
    ["an integer that is empty", { CONTAINER_CONCURRENCY: "" }, "CONTAINER_CONCURRENCY must be an integer"],
    [
      "an integer with a fraction",
      { CONTAINER_CONCURRENCY: "1.5" },
      "CONTAINER_CONCURRENCY must be an integer",
    ],
    [
      "an integer below its range",
      { CONTAINER_CONCURRENCY: "-1" },
      "CONTAINER_CONCURRENCY must be at least 0",
    ],
    [
      "a duration without a unit",
      { SLUICE_QUIET_PERIOD: "30" },
      "SLUICE_QUIET_PERIOD must be a duration such as",
    ],
    ["a duration beyond its range", { SLUICE_QUIET_PERIOD: "1h" }, "SLUICE_QUIET_PERIOD must be at most 10m"],
    ["a port beyond 65535", { SLUICE_PUBLIC_PORT: "70000" }, "SLUICE_PUBLIC_PORT must be a port"],
    ["a number that is none", { SLUICE_RATIO: "0x1" }, "SLUICE_RATIO must be a number"],
    ["a number beyond its range", { SLUICE_RATIO: "1.01" }, "SLUICE_RATIO must be 0 to 1"],
    ["a boolean as people say it", { ENABLE_FULL: "yes" }, "ENABLE_FULL must be true or false"],
    ["a choice that is none", { LEVEL: "loud" }, "LEVEL must be one of info, debug"],
    ["a folder that is not there", { SLUICE_STATE_DIR: "/no/such" }, "SLUICE_STATE_DIR must name a folder"],
    [
      "a file in place of a folder",
      { SLUICE_STATE_DIR: import.meta.filename },
      "SLUICE_STATE_DIR must name a folder",
    ],
    ["a rule of its own", { PROBE: "x" }, "PROBE must start with a slash"],
  ])("refuses %s", (_case, environment, message) => {
    const problems = problemsOf({ ...required, ...environment });
    expect(problems).toHaveLength(1);
    expect(new SettingsError(problems).message).toContain(message);
  });

  test("reports all problems together, each with name, rule and value; secrets are hidden", () => {
    const problems = problemsOf({ CONTAINER_CONCURRENCY: "many", SLUICE_PIN: "12a4" }, [
      "--public-port",
      "x",
    ]);
    expect(new SettingsError(problems).message.split("\n")).toEqual([
      'CONTAINER_CONCURRENCY must be an integer, but is "many"',
      "SERVING_REVISION must be set (text)",
      '--public-port must be a port, 0 to 65535, but is "x"',
      "SLUICE_PIN must be an integer, but is (hidden)",
    ]);
  });

  test("a flag wins over its variable, in every form", () => {
    const args = [
      "--public-port",
      "1",
      "--quiet-period=5s",
      "--full",
      "--level=debug",
      "--container-concurrency=3",
    ];
    const environment = { ...required, SLUICE_PUBLIC_PORT: "2", ENABLE_FULL: "false" };
    const settings = parseSettings(table, { environment, args });
    expect(settings).toMatchObject({
      publicPort: 1,
      quietMs: 5000,
      isFull: true,
      level: "debug",
      concurrency: 3,
    });
    const negated = parseSettings(table, {
      environment: { ...required, ENABLE_FULL: "true" },
      args: ["--no-full"],
    });
    expect(negated.isFull).toBe(false);
  });

  test.each([
    [["--nope"], "--nope is not a known flag"],
    [["--no-public-port"], "--no-public-port is not a known flag"],
    [["stray"], "argument is not known"],
    [["--public-port"], "--public-port needs a value"],
    [["-x"], "-x is not a known flag"],
  ])("the arguments %j are a problem", (args, message) => {
    const problems = problemsOf(required, args);
    expect(problems).toHaveLength(1);
    expect(new SettingsError(problems).message).toContain(message);
  });

  test("help and the documentation's table come from the same declaration and hide secrets", () => {
    const help = printHelp(table);
    expect(help).toContain("--quiet-period  SLUICE_QUIET_PERIOD  (duration, at most 10m; default 30s)");
    expect(help).not.toContain("hush");
    const markdown = printSettingsTable(table);
    expect(markdown).toContain(
      "| `CONTAINER_CONCURRENCY` | `--container-concurrency` | integer, at least 0 | required | Limit. |",
    );
    expect(markdown).toContain("Quiet \\| still.");
    expect(markdown.trimEnd().split("\n")).toHaveLength(2 + Object.keys(table).length);
    expect(() => parseSettings(table, { environment: {}, args: ["--help"] })).toThrow(SettingsHelp);
  });
});
