import * as models from "@kubernetes/client-node";

/**
 * Checks objects against Kubernetes' own OpenAPI description without a cluster, by two packages that are generated from
 * it: `kubernetes-models` has the JSON schemas (types, required fields, patterns), the client's models have every field
 * name, which finds what is misspelt.
 */
interface FieldType {
  readonly baseName: string;
  readonly type: string;
}

interface Validated {
  validate(): void;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function fieldsOf(type: string): readonly FieldType[] | undefined {
  const model: unknown = Reflect.get(models, type);
  if (typeof model !== "function") return undefined;
  const map: unknown = Reflect.get(model, "attributeTypeMap");
  return Array.isArray(map) ? (map as FieldType[]) : undefined;
}

function findUnknown(value: unknown, type: string, path: string): string[] {
  const inList = /^Array<(.*)>$/.exec(type)?.[1];
  if (inList !== undefined) {
    return Array.isArray(value)
      ? value.flatMap((entry, index) => findUnknown(entry, inList, `${path}[${index}]`))
      : [`${path}: must be a list`];
  }
  const fields = fieldsOf(type);
  if (fields === undefined || !isObject(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const field = fields.find((entry) => entry.baseName === key);
    const at = path === "" ? key : `${path}.${key}`;
    return field === undefined ? [`${at}: no such field of ${type}`] : findUnknown(inner, field.type, at);
  });
}

async function findSchemaFaults(object: Record<string, unknown>): Promise<string[]> {
  const specifier = ["kubernetes-models", String(object["apiVersion"])].join("/");
  const loaded: unknown = await import(specifier);
  const Model: unknown = isObject(loaded) ? loaded[String(object["kind"])] : undefined;
  if (typeof Model !== "function")
    return [`no schema for ${String(object["apiVersion"])} ${String(object["kind"])}`];
  try {
    (Reflect.construct(Model, [object]) as Validated).validate();
    return [];
  } catch (error) {
    return [String(error)];
  }
}

/** Kinds that Kubernetes itself does not have: Gateway API and the Prometheus operator. */
const customGroups = ["gateway.networking.k8s.io", "monitoring.coreos.com", "kustomize.config.k8s.io"];

export function isCustom(object: Record<string, unknown>): boolean {
  return customGroups.some((group) => String(object["apiVersion"]).startsWith(`${group}/`));
}

/** What is wrong with an object by Kubernetes' schema; empty when nothing is. */
export async function findKubernetesFaults(object: Record<string, unknown>): Promise<string[]> {
  const version = String(object["apiVersion"]).split("/").at(-1) ?? "";
  const kind = String(object["kind"]);
  const type = `${version.charAt(0).toUpperCase()}${version.slice(1)}${kind}`;
  const name = `${kind} ${isObject(object["metadata"]) ? String(object["metadata"]["name"]) : "?"}`;
  const known = fieldsOf(type) === undefined ? [`no model ${type}`] : findUnknown(object, type, "");
  return [...known, ...(await findSchemaFaults(object))].map((fault) => `${name}: ${fault}`);
}
