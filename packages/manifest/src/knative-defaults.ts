import type { ManifestDocument } from "./document.ts";
import { readPath } from "./edit.ts";
import { isJsonObject, type JsonObject } from "./field-reader.ts";
import type { KnativeConfig } from "./knative-config.ts";

function mapOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

function withResources(container: unknown, { requests, limits }: KnativeConfig): unknown {
  if (!isJsonObject(container)) return container;
  const resources = mapOf(container["resources"]);
  const merged = {
    requests: { ...requests, ...mapOf(resources["requests"]) },
    limits: { ...limits, ...mapOf(resources["limits"]) },
  };
  const filled = Object.entries(merged).filter(([, values]) => Object.keys(values).length > 0);
  return filled.length === 0
    ? container
    : { ...container, resources: { ...resources, ...Object.fromEntries(filled) } };
}

/** The default for the first byte holds only where it is strictly below the limit of the request (reference §4.1). */
function toResponseStart(spec: JsonObject, { responseStartTimeoutSeconds = 0 }: KnativeConfig): JsonObject {
  const { timeoutSeconds = 300 } = spec;
  const isBelow = responseStartTimeoutSeconds !== 0 && responseStartTimeoutSeconds < Number(timeoutSeconds);
  return isBelow ? { responseStartTimeoutSeconds } : {};
}

function toSpec(written: JsonObject, config: KnativeConfig): JsonObject {
  // A limit of 0 means the default.
  const { timeoutSeconds, ...others } = written;
  const given = timeoutSeconds === 0 || timeoutSeconds === undefined ? others : written;
  const spec = { ...config.spec, ...given };
  const { containers } = written;
  return {
    ...toResponseStart(spec, config),
    ...spec,
    ...(Array.isArray(containers)
      ? { containers: containers.map((container: unknown) => withResources(container, config)) }
      : {}),
  };
}

/** A Service with what Knative's defaulting would fill in from the operator's settings. */
export function applyKnativeConfig(document: ManifestDocument, config: KnativeConfig): ManifestDocument {
  const template = readPath(document.object, ["spec", "template"]);
  if (!isJsonObject(template) || !isJsonObject(template["spec"])) return document;
  const metadata = mapOf(template["metadata"]);
  const annotations = { ...config.annotations, ...mapOf(metadata["annotations"]) };
  const filled = {
    ...template,
    ...(Object.keys(annotations).length === 0 ? {} : { metadata: { ...metadata, annotations } }),
    spec: toSpec(template["spec"], config),
  };
  const spec = { ...mapOf(document.object["spec"]), template: filled };
  return { ...document, object: { ...document.object, spec } };
}
