/** A map of JSON. */
export type Json = Readonly<Record<string, unknown>>;

export interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

export interface ObjectMetadata {
  readonly name: string;
  /** Empty for objects of the whole cluster. */
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly OwnerReference[];
}

/** An object of the API as it came, with its metadata read. */
export interface ApiObject {
  readonly metadata: ObjectMetadata;
  readonly spec: Json;
  readonly status: Json;
  /** The whole of it. */
  readonly json: Json;
}

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function jsonOf(value: unknown): Json {
  return isJson(value) ? value : {};
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isJson) : [];
}

function textsOf(value: unknown): Record<string, string> {
  const entries = Object.entries(jsonOf(value));
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function toOwner(json: Json): OwnerReference {
  const { kind, name, uid, controller } = json;
  return {
    kind: textOf(kind),
    name: textOf(name),
    uid: textOf(uid),
    ...(typeof controller === "boolean" ? { controller } : {}),
  };
}

/** Reads what every object has; undefined for what is none. */
export function toApiObject(value: unknown): ApiObject | undefined {
  if (!isJson(value) || !isJson(value["metadata"])) return undefined;
  const { metadata } = value;
  const name = textOf(metadata["name"]);
  if (name === "") return undefined;
  const deletionTimestamp = textOf(metadata["deletionTimestamp"]);
  return {
    metadata: {
      name,
      namespace: textOf(metadata["namespace"]),
      uid: textOf(metadata["uid"]),
      resourceVersion: textOf(metadata["resourceVersion"]),
      creationTimestamp: textOf(metadata["creationTimestamp"]),
      ...(deletionTimestamp === "" ? {} : { deletionTimestamp }),
      labels: textsOf(metadata["labels"]),
      annotations: textsOf(metadata["annotations"]),
      ownerReferences: listOf(metadata["ownerReferences"]).map(toOwner),
    },
    spec: jsonOf(value["spec"]),
    status: jsonOf(value["status"]),
    json: value,
  };
}
