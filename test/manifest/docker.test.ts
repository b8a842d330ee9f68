import { validate, ValidationSeverity } from "dockerfile-utils";
import { build } from "esbuild";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { parse } from "yaml";
import { describe, expect, test } from "vitest";
import { bundleNames, toBundleNames, toBundleOptions } from "../../scripts/bundle-options.ts";
import { dockerfileLines, dockerfileText, readStages, type Stage } from "../support/image-folder.ts";

const root = join(import.meta.dirname, "..", "..");
const dockerfile = join(root, "docker", "Dockerfile");
const lines = dockerfileLines;
const stages = readStages();
const services = ["sidecar", "activator", "aggregator", "scaler"];

function find(name: string): Stage {
  const stage = stages.find((entry) => entry.name === name);
  if (stage === undefined) throw new Error(`there is no stage ${name}`);
  return stage;
}

const hadolint = spawnSync("hadolint", ["--version"]).status === 0;

describe("docker/Dockerfile", () => {
  test("is understood by Docker's language tools without a finding", () => {
    const { ERROR } = ValidationSeverity;
    const findings = validate(dockerfileText, {
      deprecatedMaintainer: ERROR,
      directiveCasing: ERROR,
      emptyContinuationLine: ERROR,
      instructionCasing: ERROR,
      instructionCmdMultiple: ERROR,
      instructionEntrypointMultiple: ERROR,
      instructionHealthcheckMultiple: ERROR,
      instructionJSONInSingleQuotes: ERROR,
      instructionWorkdirRelative: ERROR,
    });
    expect(findings.map(({ message, range }) => [range.start.line + 1, message])).toEqual([]);
  });

  test("passes hadolint where it is installed, and our own checks everywhere", () => {
    const run = hadolint
      ? spawnSync("hadolint", [dockerfile], { encoding: "utf8" })
      : { status: 0, stdout: "" };
    expect(run).toMatchObject({ status: 0 });
    expect(lines.filter((line) => /^(ADD|MAINTAINER|VOLUME)\b/.test(line))).toEqual([]);
    expect(lines.filter((line) => /\b(curl|wget|apt-get|sudo|chmod 777)\b/.test(line))).toEqual([]);
  });

  test("starts every stage from a pinned image or an earlier stage", () => {
    const known = new Set<string>();
    for (const { name, from } of stages) {
      const argument = /^\$\{(\w+)\}$/.exec(from)?.[1];
      const image = lines.find((line) => line.startsWith(`ARG ${argument}=`))?.split("=")[1];
      expect(known.has(from) || /:(?!latest)[\w.-]+$/.test(image ?? "")).toBe(true);
      known.add(name);
    }
  });

  test("has a target for each service, and one for all, which runs in the end", () => {
    expect(stages.map((stage) => stage.name)).toEqual(["build", "runtime", ...services, "sluice"]);
    for (const name of services) {
      const copied = find(name)
        .instructions.filter(({ word }) => word === "COPY")
        .map(({ rest }) => rest);
      const files = toBundleNames(name).map((each) => `/src/dist/${each}.mjs`);
      expect(copied).toEqual([`--from=build ${files.join(" ")} /app/`]);
    }
    const all = find("sluice").instructions.find(({ word }) => word === "COPY")?.rest ?? "";
    for (const name of services.flatMap(toBundleNames)) expect(all).toContain(`/src/dist/${name}.mjs`);
  });

  test("is built from files that the context has: all that the bundles are made of, and what installs it", async () => {
    const ignored = readFileSync(`${dockerfile}.dockerignore`, "utf8").trim().split("\n");
    const bundled = await Promise.all(
      bundleNames.map(async (name) => {
        const { metafile } = await build({ ...toBundleOptions(name), write: false });
        return Object.keys(metafile?.inputs ?? {});
      }),
    );
    const sources = bundled
      .flat()
      .filter((file) => !/node_modules\/|^required-http:|^pool-of-undici:/.test(file));
    const installing = ["package.json", "package-lock.json", ".npmrc", "scripts/bundle.ts"];
    const packages = services.map((name) => `packages/${name}/package.json`);
    const needed = new Set([...sources, ...installing, ...packages]);
    expect(sources.length).toBeGreaterThan(100);
    const kept = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
      cwd: root,
      encoding: "utf8",
    }).split("\n");
    expect([...needed].filter((file) => !kept.includes(file))).toEqual([]);
    const isIgnored = (file: string): boolean =>
      ignored.some((pattern) => matchesGlob(file, pattern) || matchesGlob(file, `${pattern}/**`));
    expect([...needed].filter(isIgnored)).toEqual([]);
    expect(
      ["test/manifest/docker.test.ts", "node_modules/a/b.js", "packages/a/node_modules/b.js"].every(
        isIgnored,
      ),
    ).toBe(true);
  });

  test("runs without root and without a shell, and every command is a file that was copied", () => {
    const runtime = find("runtime").instructions;
    expect(runtime.find(({ word }) => word === "USER")?.rest).toBe("65532:65532");
    expect(runtime.filter(({ word }) => word === "RUN")).toEqual([]);
    for (const stage of [...services, "sluice"].map(find)) {
      expect(stage.from).toBe("runtime");
      const command: unknown = JSON.parse(stage.instructions.find(({ word }) => word === "CMD")?.rest ?? "");
      expect(command).toSatisfy((words: string[]) => words.at(-1)?.startsWith("/app/") === true);
    }
  });

  test("exposes the ports that the services listen on by default", () => {
    const exposed = Object.fromEntries(
      services.map((name) => [name, find(name).instructions.find(({ word }) => word === "EXPOSE")?.rest]),
    );
    expect(exposed).toEqual({
      sidecar: "8012 8013 8022 9090 9091",
      activator: "8000 8001 8002",
      aggregator: "8003",
      scaler: "8004 8443",
    });
  });
});

describe("docker/compose.yaml", () => {
  const compose = parse(readFileSync(join(root, "docker", "compose.yaml"), "utf8"), { merge: true }) as {
    services: Record<
      string,
      {
        command: string[];
        read_only: boolean;
        cap_drop: string[];
        volumes?: string[];
        build: { target: string };
      }
    >;
  };

  test("runs bundles of the image, locked down, with files that exist", () => {
    for (const service of Object.values(compose.services)) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ["ALL"], build: { target: "sluice" } });
      for (const volume of service.volumes ?? []) {
        expect(existsSync(join(root, "docker", volume.split(":")[0] ?? ""))).toBe(true);
      }
    }
    expect(Object.keys(compose.services)).toEqual(["activator", "aggregator", "app", "sidecar"]);
  });
});
