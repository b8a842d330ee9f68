import { request } from "node:http";
import { StartError } from "@sluice/kit";
import {
  toRuntimeFolder,
  toSocketPath,
  type ApplyView,
  type LogLine,
  type PodView,
  type RevisionView,
  type ServiceView,
  type StatusView,
} from "@sluice/local";

export interface ControlAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface ManifestText {
  readonly text: string;
  readonly name: string;
  readonly folder: string;
}

/** Talks to `sluice up` through its Unix socket. Every method throws StartError when it does not run. */
export class ControlClient {
  readonly #socketPath: string;

  constructor(folder: string) {
    this.#socketPath = toSocketPath(folder);
  }

  async status(): Promise<StatusView> {
    return (await this.#get("/v1/status")) as StatusView;
  }

  async services(): Promise<ServiceView[]> {
    return (await this.#get("/v1/services")) as ServiceView[];
  }

  async revisions(): Promise<RevisionView[]> {
    return (await this.#get("/v1/revisions")) as RevisionView[];
  }

  async pods(): Promise<PodView[]> {
    return (await this.#get("/v1/pods")) as PodView[];
  }

  /** Throws StartError with every problem when the manifests are refused. */
  async apply(manifests: readonly ManifestText[]): Promise<ApplyView> {
    const { status, body } = await this.#send("POST", "/v1/apply", { manifests });
    if (status === 200) return body as ApplyView;
    const problems = readProblems(body);
    throw new StartError(
      `nothing was applied: ${problems.join("; ")}`,
      "correct the manifest and apply it again",
    );
  }

  /** False when there is no such service. */
  async remove(namespace: string, name: string): Promise<boolean> {
    const path = `/v1/services/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
    return (await this.#send("DELETE", path)).status === 200;
  }

  /** Calls `onLine` for each line; resolves when there are no more, which with `follow` is when `sluice up` ends. */
  async logs(
    query: { readonly name: string; readonly tail: number; readonly follow: boolean },
    onLine: (line: LogLine) => void,
  ): Promise<void> {
    const search = new URLSearchParams({
      name: query.name,
      tail: String(query.tail),
      follow: String(query.follow),
    });
    await this.#exchange("GET", `/v1/logs?${search.toString()}`, undefined, (text) =>
      onLine(JSON.parse(text) as LogLine),
    );
  }

  async #get(path: string): Promise<unknown> {
    const { status, body } = await this.#send("GET", path);
    if (status !== 200) throw new Error(`sluice up answered ${status} to ${path}`);
    return body;
  }

  async #send(method: string, path: string, content?: unknown): Promise<ControlAnswer> {
    const lines: string[] = [];
    const status = await this.#exchange(method, path, content, (line) => lines.push(line));
    return { status, body: lines.length === 0 ? undefined : JSON.parse(lines.join("\n")) };
  }

  async #exchange(
    method: string,
    path: string,
    content: unknown,
    onLine: (line: string) => void,
  ): Promise<number> {
    return await new Promise((resolve, reject) => {
      const call = request({
        socketPath: this.#socketPath,
        method,
        path,
        agent: false,
        headers: { host: "sluice" },
      });
      call.once("error", (error: NodeJS.ErrnoException) => reject(this.#toStartError(error)));
      call.once("response", (response) => {
        let rest = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => {
          const lines = (rest + text).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) onLine(line);
        });
        response.once("error", reject);
        response.once("end", () => {
          if (rest !== "") onLine(rest);
          resolve(response.statusCode ?? 0);
        });
      });
      call.end(content === undefined ? undefined : JSON.stringify(content));
    });
  }

  #toStartError(error: NodeJS.ErrnoException): Error {
    if (error.code !== "ENOENT" && error.code !== "ECONNREFUSED") return error;
    return new StartError(
      `sluice is not running here (nobody answers at ${this.#socketPath})`,
      "start it with npm start, or say where it runs with --runtime-dir",
      { cause: error },
    );
  }
}

/** The client of the platform that the option or the environment names. */
export function openControl(
  runtimeDir: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): ControlClient {
  return new ControlClient(runtimeDir ?? environment["SLUICE_RUNTIME_DIR"] ?? toRuntimeFolder(environment));
}

function readProblems(body: unknown): readonly string[] {
  if (typeof body !== "object" || body === null || !("problems" in body) || !Array.isArray(body.problems)) {
    return ["sluice up gave no reason"];
  }
  return body.problems.map(String);
}
