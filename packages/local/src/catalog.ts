import { toKey, type Decision, type ObjectKey } from "@sluice/core";
import { formatProblem, readManifest, toHosts, type Workload } from "@sluice/manifest";
import { planLaunch, type LaunchContext, type LaunchPlan } from "./launch-plan.ts";
import type { PodServices } from "./pod.ts";
import type { RevisionRunner } from "./revision-runner.ts";
import { ServiceRunner } from "./service-runner.ts";
import type { ApplyView } from "./view.ts";

/** One manifest as somebody gave it. */
export interface ManifestSource {
  readonly text: string;
  /** What messages call it. */
  readonly name: string;
  /** Where its own relative commands run. */
  readonly folder: string;
}

/** Manifests that are not applied, with everything that is wrong with them. */
export class ManifestRefused extends Error {
  override readonly name = "ManifestRefused";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

interface Planned {
  readonly workload: Workload;
  readonly plans: readonly LaunchPlan[];
}

export interface CatalogOptions {
  readonly domains: readonly string[];
  readonly launch: Omit<LaunchContext, "folder">;
  readonly services: PodServices;
  readonly onChange: () => void;
}

/** Every service of this machine. Manifests are applied as a whole or not at all. */
export class Catalog {
  readonly #options: CatalogOptions;
  readonly #services = new Map<ObjectKey, ServiceRunner>();

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  get services(): ReadonlyMap<ObjectKey, ServiceRunner> {
    return this.#services;
  }

  get revisions(): readonly RevisionRunner[] {
    return [...this.#services.values()].flatMap((service) => service.revisions);
  }

  /** Throws ManifestRefused with every problem of every manifest; then nothing was changed. */
  apply(sources: readonly ManifestSource[]): ApplyView {
    const { planned, warnings } = this.#plan(sources);
    const applied = planned.map(({ workload, plans }) => ({
      object: `service ${toKey(workload)}`,
      action: this.#ensure(workload).apply(workload, plans),
    }));
    this.#options.onChange();
    return { applied, warnings };
  }

  applyDecision(decision: Decision): void {
    for (const service of this.#services.values()) service.applyDecision(decision);
  }

  /** False when there is no such service. Resolves when its last pod is gone. */
  async remove(key: ObjectKey, drainLimitMs: number): Promise<boolean> {
    const service = this.#services.get(key);
    if (service === undefined) return false;
    this.#services.delete(key);
    this.#options.onChange();
    await service.stop(drainLimitMs);
    return true;
  }

  async stop(drainLimitMs: number): Promise<void> {
    await Promise.all([...this.#services.values()].map(async (service) => await service.stop(drainLimitMs)));
  }

  kill(): void {
    for (const service of this.#services.values()) service.kill();
  }

  #plan(sources: readonly ManifestSource[]): { planned: Planned[]; warnings: string[] } {
    const planned: Planned[] = [];
    const warnings: string[] = [];
    const problems: string[] = [];
    for (const source of sources) {
      const manifest = readManifest(source.text, { platform: "local", source: source.name });
      problems.push(...manifest.problems.map(formatProblem));
      warnings.push(...manifest.warnings.map(formatProblem));
      for (const { kind, namespace, name } of manifest.others) {
        warnings.push(`${kind} ${namespace}/${name}: is nothing that runs on one machine and is left out`);
      }
      for (const workload of manifest.workloads) {
        const launch = planLaunch(workload.template, { ...this.#options.launch, folder: source.folder });
        const faults = "problems" in launch ? launch.problems : [];
        const object = `Service ${toKey(workload)}`;
        problems.push(
          ...[...faults, ...this.#findFaults(workload, planned)].map((fault) => `${object}: ${fault}`),
        );
        if ("plans" in launch) planned.push({ workload, plans: launch.plans });
      }
    }
    if (problems.length > 0) throw new ManifestRefused(problems);
    return { planned, warnings };
  }

  #findFaults(workload: Workload, planned: readonly Planned[]): string[] {
    const key = toKey(workload);
    if (planned.some((other) => toKey(other.workload) === key))
      return ["is in several of the manifests; keep one"];
    const service = this.#services.get(key) ?? this.#create(workload);
    return [...service.findFaults(workload), ...this.#findTakenHosts(workload, planned)];
  }

  /** The oldest claim to a host stays; here the later one can still be told. */
  #findTakenHosts(workload: Workload, planned: readonly Planned[]): string[] {
    const key = toKey(workload);
    const wanted = new Set(toHosts(workload, this.#options.domains).map(({ host }) => host));
    const others = [...this.#services.values()].map((service) => service.toFeed());
    const later = planned.map(({ workload }) => ({
      namespace: workload.namespace,
      name: workload.name,
      hosts: toHosts(workload, this.#options.domains),
    }));
    return [...others, ...later]
      .filter((other) => toKey(other) !== key)
      .flatMap((other) =>
        other.hosts
          .filter(({ host }) => wanted.has(host))
          .map(({ host }) => `host ${host} belongs to service ${toKey(other)}; choose another`),
      );
  }

  #ensure(workload: Workload): ServiceRunner {
    const key = toKey(workload);
    const known = this.#services.get(key) ?? this.#create(workload);
    this.#services.set(key, known);
    return known;
  }

  #create(workload: Workload): ServiceRunner {
    const { domains, services, onChange } = this.#options;
    return new ServiceRunner(workload, domains, services, onChange);
  }
}
