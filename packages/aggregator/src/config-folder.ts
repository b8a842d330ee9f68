import {
  describeProblem,
  parseAutoscalerConfig,
  type AutoscalerConfig,
  type CancelTimer,
  type Clock,
} from "@sluice/core";
import { LogOnce, StartError, type Logger } from "@sluice/kit";
import { readdirSync, readFileSync, statSync, watch, type FSWatcher } from "node:fs";
import { join } from "node:path";

export interface ConfigFolderOptions {
  /** One file a key, as Kubernetes mounts a ConfigMap. */
  readonly path: string;
  readonly clock: Clock;
  readonly onChange: (config: AutoscalerConfig) => void;
  readonly log: Logger;
}

/** A change is several events; the folder is read when it was quiet for so long. */
const quietMs = 50;
/** Some file systems tell nothing, so it is read now and then anyway. */
const pollMs = 10_000;
const maxValueBytes = 4096;

/** The folder of `config-autoscaler`, read again when it changes. A bad value leaves the last good configuration. */
export class ConfigFolder {
  readonly #options: ConfigFolderOptions;
  readonly #failures: LogOnce;
  readonly #watcher: FSWatcher;
  #config: AutoscalerConfig;
  #text: string;
  #cancel: CancelTimer | undefined;
  #lastProblem: string | undefined;

  /** Throws StartError when the folder cannot be read or holds a bad value: there is no last good one yet. */
  constructor(options: ConfigFolderOptions) {
    this.#options = options;
    this.#failures = new LogOnce(options.log);
    const data = readFolder(options.path);
    const { config, problems } = parseAutoscalerConfig(data);
    if (problems.length > 0) {
      throw new StartError(
        `the configuration in ${options.path} is refused: ${problems.map(describeProblem).join("; ")}`,
        "correct these files and start again",
      );
    }
    this.#config = config;
    this.#text = JSON.stringify(data);
    this.#watcher = watch(options.path, { persistent: false }, () => this.#readIn(quietMs));
    this.#watcher.on("error", (error) => this.#failures.warn("cannot watch the configuration", { error }));
    this.#readIn(pollMs);
  }

  get config(): AutoscalerConfig {
    return this.#config;
  }

  /** Why the folder's present content is not in force; undefined while it is. */
  get lastProblem(): string | undefined {
    return this.#lastProblem;
  }

  close(): void {
    this.#cancel?.();
    this.#watcher.close();
  }

  #readIn(delayMs: number): void {
    this.#cancel?.();
    this.#cancel = this.#options.clock.setTimer(() => {
      this.#read();
      this.#readIn(pollMs);
    }, delayMs);
  }

  #read(): void {
    try {
      const data = readFolder(this.#options.path);
      const text = JSON.stringify(data);
      if (text === this.#text) {
        this.#solve();
        return;
      }
      const { config, problems } = parseAutoscalerConfig(data);
      if (problems.length > 0) throw new Error(problems.map(describeProblem).join("; "));
      this.#text = text;
      this.#config = config;
      this.#solve();
      this.#options.onChange(config);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#lastProblem = why;
      this.#failures.warn(`the configuration is refused, the last good one stays: ${why}`);
    }
  }

  #solve(): void {
    this.#lastProblem = undefined;
    this.#failures.solved("the configuration is good again");
  }
}

/** File names to contents. Kubernetes' own links (`..data`) and folders are no keys. */
function readFolder(path: string): Record<string, string> {
  const data: Record<string, string> = {};
  for (const name of readdirSync(path).toSorted()) {
    if (name.startsWith(".")) continue;
    const file = join(path, name);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats?.isFile() !== true || stats.size > maxValueBytes) continue;
    data[name] = readFileSync(file, "utf8").trimEnd();
  }
  return data;
}
