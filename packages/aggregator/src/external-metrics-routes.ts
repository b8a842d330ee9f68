import { SluiceError, type Decision, type ObjectKey, type Revision } from "@sluice/core";
import { answerJson, type AdminRoute } from "@sluice/kit";
import type { DecisionBook } from "./decision-book.ts";
import { toQuantity } from "./quantity.ts";

export interface ExternalMetricsOptions {
  readonly book: DecisionBook;
  readonly revisions: () => ReadonlyMap<ObjectKey, Revision>;
  readonly nowIso: () => string;
}

const groupVersion = "external.metrics.k8s.io/v1beta1";
const path = `/apis/${groupVersion}`;

/** What an HPA can ask for, by the name of the external metric. */
export const externalMetrics: Readonly<Record<string, (decision: Decision) => number>> = {
  "sluice-desired-pods": (decision) => decision.desiredPods,
  "sluice-recommended-pods": (decision) => decision.recommendedPods,
  "sluice-in-flight": (decision) => decision.inFlight,
  "sluice-requests-per-second": (decision) => decision.requestsPerSecond,
};

/** Kubernetes' external metrics API, for an HPA without KEDA. Select with `revision=` or `service=`. */
export function createExternalMetricsRoutes(options: ExternalMetricsOptions): readonly AdminRoute[] {
  return [
    { method: "GET", path, handle: ({ response }) => answerJson(response, 200, resources) },
    {
      method: "GET",
      path: `${path}/namespaces/:namespace/:metric`,
      handle({ response, url, parameters }) {
        const { namespace = "", metric = "" } = parameters;
        const read = Object.hasOwn(externalMetrics, metric) ? externalMetrics[metric] : undefined;
        if (read === undefined) {
          answerJson(response, 404, toStatus(404, `there is no external metric ${metric}`));
          return;
        }
        const matches = parseSelector(url.searchParams.get("labelSelector") ?? "");
        const items = [];
        for (const [key, decision] of options.book.decisions) {
          const revision = options.revisions().get(key);
          if (revision?.namespace !== namespace || !matches(revision)) continue;
          items.push({
            metricName: metric,
            metricLabels: { revision: revision.name, service: revision.service },
            timestamp: options.nowIso(),
            value: toQuantity(read(decision)),
          });
        }
        answerJson(response, 200, {
          kind: "ExternalMetricValueList",
          apiVersion: groupVersion,
          metadata: {},
          items,
        });
      },
    },
  ];
}

const resources = {
  kind: "APIResourceList",
  apiVersion: "v1",
  groupVersion,
  resources: [
    {
      name: "externalmetrics",
      singularName: "",
      namespaced: true,
      kind: "ExternalMetricValueList",
      verbs: ["get"],
    },
  ],
};

function toStatus(code: number, message: string) {
  return { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound", message, code };
}

/** Equality requirements, which is what HPAs are written with: `revision=a,service==b,service!=c`. */
function parseSelector(text: string): (revision: Revision) => boolean {
  const requirements = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const [, label = "", operator = "", value = ""] = /^(\w+)\s*(==?|!=)\s*(.*)$/.exec(part) ?? [];
      if (label !== "revision" && label !== "service") {
        throw new SluiceError("bad-request", `labelSelector must select revision or service, not ${part}`, {
          isPublic: true,
        });
      }
      return { label, isEqual: operator !== "!=", value } as const;
    });
  return (revision) =>
    requirements.every(({ label, isEqual, value }) => {
      const actual = label === "revision" ? revision.name : revision.service;
      return (actual === value) === isEqual;
    });
}
