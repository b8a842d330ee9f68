import { createHash } from "node:crypto";
import { isJsonObject } from "./field-reader.ts";
import type { Workload } from "./workload.ts";

/** A revision that exists already. */
export interface KnownRevision {
  readonly name: string;
  readonly contentHash: string;
  /** Counts the templates of a service from 1. */
  readonly generation: number;
}

/** What applying a manifest means for revisions. */
export type RevisionChoice =
  | { readonly outcome: "unchanged"; readonly revision: KnownRevision }
  | { readonly outcome: "new"; readonly revision: KnownRevision }
  | { readonly outcome: "taken"; readonly name: string };

/** The same value gives the same text, whatever the order in which its fields were written. */
function toCanonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isJsonObject(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** 16 hex digits that change when anything in `template` does. */
export function toContentHash(template: unknown): string {
  return createHash("sha256").update(toCanonicalJson(template)).digest("hex").slice(0, 16);
}

/** `hello-00003`, as Knative names the revisions of a service. */
export function toRevisionName(serviceName: string, generation: number): string {
  return `${serviceName}-${String(generation).padStart(5, "0")}`;
}

/**
 * Decides which revision a manifest means. Revisions never change: a template that differs from the newest one makes
 * a new revision, and a name that is taken by another template is refused. `known` is in order of creation.
 */
export function chooseRevision(workload: Workload, known: readonly KnownRevision[]): RevisionChoice {
  const { contentHash, revisionName } = workload.template;
  const newest = known.at(-1);
  const generation = (newest?.generation ?? 0) + 1;
  if (revisionName !== undefined) {
    const taken = known.find((revision) => revision.name === revisionName);
    if (taken === undefined) {
      return { outcome: "new", revision: { name: revisionName, contentHash, generation } };
    }
    return taken.contentHash === contentHash
      ? { outcome: "unchanged", revision: taken }
      : { outcome: "taken", name: revisionName };
  }
  if (newest?.contentHash === contentHash) return { outcome: "unchanged", revision: newest };
  const name = toRevisionName(workload.name, generation);
  return { outcome: "new", revision: { name, contentHash, generation } };
}
