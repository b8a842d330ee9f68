import type { FieldReader } from "./field-reader.ts";
import { sidecarResources } from "./sidecar-resources.ts";

const serving = "serving.knative.dev/";
const scaling = "autoscaling.knative.dev/";

/** What Knative's own controllers write; it says nothing that an author meant. */
const writtenByServer: readonly string[] = [
  `${serving}creator`,
  `${serving}lastModifier`,
  `${serving}routes`,
  `${serving}routingStateModified`,
  "client.knative.dev/",
];
const families: readonly string[] = [
  serving,
  "networking.knative.dev/",
  "networking.internal.knative.dev/",
  "features.knative.dev/",
  "queue.sidecar.serving.knative.dev/",
];
const honoured: readonly string[] = [
  "features.knative.dev/http-full-duplex",
  `${serving}progress-deadline`,
  ...sidecarResources.map(({ annotation }) => annotation),
];

function isOf(key: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => key.startsWith(prefix));
}

/** Names every annotation of Knative that has no effect, so that nobody counts on it. */
export function warnIneffective(metadata: FieldReader, annotations: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(annotations)) {
    if (!isOf(key, families) || isOf(key, writtenByServer) || honoured.includes(key)) continue;
    metadata.warn(`annotations[${key}]`, "is not supported and has no effect", value);
  }
}

/** Scaling is a revision's own: on the Service it would do nothing, and Knative refuses it as well. */
export function refuseMisplacedScaling(
  metadata: FieldReader,
  annotations: Readonly<Record<string, string>>,
): void {
  for (const [key, value] of Object.entries(annotations)) {
    if (!key.startsWith(scaling)) continue;
    metadata.refuse(`annotations[${key}]`, "must stand under spec.template.metadata.annotations", value);
  }
}

/** What tools beside Knative wrote on a Service goes on to what is made of it; kubectl's copy of the whole does not. */
export function toForeignAnnotations(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const own = ["kubectl.kubernetes.io/", scaling, "client.knative.dev/", ...families];
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !isOf(key, own)));
}
