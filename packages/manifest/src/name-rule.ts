import type { Findings } from "./problem.ts";

const labelPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const serviceNamePattern = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** Longest label of a host name (RFC 1035 §2.3.4), and so of a Kubernetes Service. */
export const maxLabelLength = 63;
/** `-00001` is added for the revision, which has a Service of its own. */
export const maxServiceNameLength = maxLabelLength - "-00001".length;

/** A DNS label that starts with a letter: what may name a Service. */
export function isServiceName(name: string): boolean {
  return serviceNamePattern.test(name) && name.length <= maxLabelLength;
}

/** Refuses what could not become a host name or the name of a revision. */
export function checkNames(namespace: string, name: string, maxLength: number, findings: Findings): void {
  if (!labelPattern.test(namespace) || namespace.length > maxLabelLength) {
    findings.refuse(
      "metadata.namespace",
      `must be lower case letters, digits and dashes, at most ${maxLabelLength}`,
      namespace,
    );
  }
  if (!serviceNamePattern.test(name)) {
    findings.refuse("metadata.name", "must be lower case letters, digits and dashes, a letter first", name);
  }
  if (name.length > maxLength) {
    findings.refuse(
      "metadata.name",
      `must have at most ${maxLength} characters, because host and revision names are made from it`,
      name,
    );
  }
}
