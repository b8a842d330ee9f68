import * as models from "@kubernetes/client-node";

/**
 * Checks objects against Kubernetes' own OpenAPI description, and that of the custom kinds that we use, without a cluster, by
 * packages that are generated from it: `kubernetes-models` has the JSON schemas (types, required fields, patterns), the client's models have every field
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

/** Kinds that Kubernetes itself does not have, and who has their schemas. */
const customSchemas: Readonly<Record<string, string>> = {
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
  "cert-manager.io": "@kubernetes-models/cert-manager",
};

function toGroup(object: Record<string, unknown>): string {
  const [group = "", version] = String(object["apiVersion"]).split("/");
  return version === undefined ? "" : group;
}

async function findSchemaFaults(object: Record<string, unknown>): Promise<string[]> {
  const schemas = customSchemas[toGroup(object)] ?? "kubernetes-models";
  const loaded: unknown = await import([schemas, String(object["apiVersion"])].join("/"));
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

/** Field names that the client's model of this kind does not have; it has none of custom kinds. */
function findUnknownFields(object: Record<string, unknown>): string[] {
  if (toGroup(object) in customSchemas) return [];
  const version = String(object["apiVersion"]).split("/").at(-1) ?? "";
  const type = `${version.charAt(0).toUpperCase()}${version.slice(1)}${String(object["kind"])}`;
  return fieldsOf(type) === undefined ? [`no model ${type}`] : findUnknown(object, type, "");
}

/** What is wrong with an object by its schema; empty when nothing is. */
export async function findKubernetesFaults(object: Record<string, unknown>): Promise<string[]> {
  const metadata = isObject(object["metadata"]) ? object["metadata"] : {};
  const name = `${String(object["kind"])} ${String(metadata["name"])}`;
  const faults = [...findUnknownFields(object), ...(await findSchemaFaults(object))];
  return faults.map((fault) => `${name}: ${fault}`);
}
