/** `namespace/name`: how revisions and services are keyed everywhere. */
export type ObjectKey = `${string}/${string}`;

export function toKey(object: { readonly namespace: string; readonly name: string }): ObjectKey {
  return `${object.namespace}/${object.name}`;
}

/** The key of the revision that a pod belongs to. */
export function toRevisionKey(pod: { readonly namespace: string; readonly revision: string }): ObjectKey {
  return `${pod.namespace}/${pod.revision}`;
}
