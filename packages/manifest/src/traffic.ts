import type { FieldReader } from "./field-reader.ts";
import { isServiceName, maxLabelLength } from "./name-rule.ts";

/** One share of a service's requests. */
export interface TrafficTarget {
  /** A revision by name; absent means the newest one. */
  readonly revision?: string;
  readonly percent: number;
  /** Gives the target a host of its own, `{tag}-{name}…`. */
  readonly tag?: string;
}

const allToLatest: readonly TrafficTarget[] = [{ percent: 100 }];

function parseTarget(reader: FieldReader, serviceName: string): TrafficTarget {
  const revision = reader.string("revisionName");
  const isLatest = reader.boolean("latestRevision");
  const percent = reader.integer("percent", 0, 100) ?? 0;
  const tag = reader.string("tag") ?? reader.string("name");
  if (reader.has("configurationName")) {
    reader.refuse("configurationName", "is not supported; name a revision or set latestRevision: true");
  }
  reader.skip("configurationName", "url");
  if (revision !== undefined && isLatest === true) {
    reader.refuse("latestRevision", "must be false or absent where revisionName is set", isLatest);
  }
  if (revision === undefined && isLatest === false) {
    reader.refuse("revisionName", "must be set where latestRevision is false");
  }
  if (tag !== undefined && (!isServiceName(tag) || `${tag}-${serviceName}`.length > maxLabelLength)) {
    const rule = `must be lower case letters, digits and dashes, and with "-${serviceName}" at most ${maxLabelLength}`;
    reader.refuse("tag", rule, tag);
  }
  reader.warnUnread("is not a field of a traffic target and is left out");
  return {
    ...(revision === undefined ? {} : { revision }),
    percent,
    ...(tag === undefined ? {} : { tag }),
  };
}

/** The list under `spec.traffic`; none means everything to the newest revision (reference §4.2). */
export function parseTraffic(spec: FieldReader, serviceName: string): readonly TrafficTarget[] {
  const targets = spec.objects("traffic").map((reader) => parseTarget(reader, serviceName));
  if (targets.length === 0) return allToLatest;
  const sum = targets.reduce((total, target) => total + target.percent, 0);
  if (sum !== 100) spec.refuse("traffic", "percents must sum to 100", sum);
  const tags = targets.flatMap((target) => target.tag ?? []);
  const twice = tags.find((tag, index) => tags.indexOf(tag) !== index);
  if (twice !== undefined) spec.refuse("traffic", "a tag may be used once", twice);
  return targets;
}
