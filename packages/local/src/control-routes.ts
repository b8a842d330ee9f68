import { answerJson, type AdminRequest, type AdminRoute } from "@sluice/kit";
import * as v from "valibot";
import { ManifestRefused } from "./catalog.ts";
import type { LogLine } from "./log-ring.ts";
import type { Platform } from "./platform.ts";

const applySchema = v.object({
  manifests: v.array(v.object({ text: v.string(), name: v.string(), folder: v.string() })),
});
const longestManifest = 4 * 1024 * 1024;
const defaultTail = 200;

/**
 * What the other commands ask of `sluice up`. These start and stop programs, so they are served on the Unix socket of
 * a folder that only its owner can enter, and nowhere else.
 */
export function toControlRoutes(platform: Platform): readonly AdminRoute[] {
  return [
    {
      method: "GET",
      path: "/v1/status",
      handle: ({ response }) => answerJson(response, 200, platform.status),
    },
    {
      method: "GET",
      path: "/v1/services",
      handle: ({ response }) => answerJson(response, 200, platform.services),
    },
    {
      method: "GET",
      path: "/v1/revisions",
      handle: ({ response }) => answerJson(response, 200, platform.revisions),
    },
    { method: "GET", path: "/v1/pods", handle: ({ response }) => answerJson(response, 200, platform.pods) },
    { method: "GET", path: "/v1/logs", handle: (request) => answerLogs(platform, request) },
    { method: "POST", path: "/v1/apply", handle: async (request) => await apply(platform, request) },
    {
      method: "DELETE",
      path: "/v1/services/:namespace/:name",
      async handle({ response, parameters }) {
        const { namespace = "", name = "" } = parameters;
        const isRemoved = await platform.remove(`${namespace}/${name}`);
        answerJson(response, isRemoved ? 200 : 404, { isRemoved });
      },
    },
  ];
}

async function apply(platform: Platform, { response, readJson }: AdminRequest): Promise<void> {
  const parsed = v.safeParse(applySchema, await readJson(longestManifest));
  if (!parsed.success) {
    answerJson(response, 400, { problems: ["the request is not a list of manifests"] });
    return;
  }
  try {
    answerJson(response, 200, platform.apply(parsed.output.manifests));
  } catch (error) {
    if (!(error instanceof ManifestRefused)) throw error;
    answerJson(response, 422, { problems: error.problems });
  }
}

/** Lines as NDJSON; `name` takes a pod, a revision, a service, or a member, and none takes everything. */
function answerLogs(platform: Platform, { response, url }: AdminRequest): void {
  const name = url.searchParams.get("name") ?? "";
  const tail = Number(url.searchParams.get("tail") ?? defaultTail);
  const isWanted = (line: LogLine): boolean =>
    name === "" || line.source === name || line.source.startsWith(`${name}-`);
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  const write = (line: LogLine): void => {
    // A reader that does not keep up loses lines rather than costing memory.
    if (isWanted(line) && !response.writableNeedDrain) response.write(`${JSON.stringify(line)}\n`);
  };
  for (const line of platform.logs.tail(Number.isFinite(tail) ? tail : defaultTail, isWanted)) {
    response.write(`${JSON.stringify(line)}\n`);
  }
  if (url.searchParams.get("follow") !== "true") {
    response.end();
    return;
  }
  const stop = platform.logs.follow(write);
  response.once("close", stop);
}
