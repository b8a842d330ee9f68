import { parseAllDocuments, type Document } from "yaml";
import { isOptedIn, parseDeployment } from "./deployment.ts";
import { toManifestDocument, toObjectLabel, type ManifestDocument } from "./document.ts";
import { invertEdit, readPath, type Edit } from "./edit.ts";
import { isJsonObject, type JsonObject } from "./field-reader.ts";
import { names } from "./names.ts";
import { decidePodInjection, setInMap } from "./pod-injection.ts";
import { Findings, type Problem } from "./problem.ts";
import {
  checkService,
  decideServiceInjection,
  findSelectorless,
  findServices,
  isKubernetesService,
} from "./service-injection.ts";
import type { SidecarOptions } from "./sidecar-container.ts";
import type { Workload } from "./workload.ts";
import { applyEdit } from "./yaml-edit.ts";
import { readYamlStyle } from "./yaml-style.ts";

export interface InjectOptions extends SidecarOptions {
  /** Every Deployment of the stream, not only those that carry the opt-in annotation. */
  readonly all?: boolean;
  /** What messages call the text. */
  readonly source?: string;
}

/** With any problem `text` is what came in, unchanged. */
export interface InjectResult {
  readonly text: string;
  /** `Deployment default/hello`: what was changed. */
  readonly changed: readonly string[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** One document of the stream, with its own text so that what is not changed comes out byte for byte. */
interface StreamPart {
  readonly yaml: Document;
  readonly text: string;
  readonly manifest?: ManifestDocument;
  isChanged: boolean;
}

const originalPath = ["metadata", "annotations", names.original] as const;

function isDeployment(document: ManifestDocument): boolean {
  return document.kind === "Deployment" && document.apiVersion === "apps/v1";
}

/** Cuts the stream at the document markers; every part keeps its own. */
function splitStream(text: string): string[] {
  return text.split(/^(?=---(?:\s|$))/m).filter((part) => part !== "");
}

function readStream(text: string, source: string, problems: Problem[]): StreamPart[] {
  return splitStream(text).flatMap((part, index) => {
    const label = `${source}, document ${index + 1}`;
    return parseAllDocuments(part).flatMap((yaml) => {
      const [error] = yaml.errors;
      if (error !== undefined) {
        problems.push({ object: label, field: "", rule: `is not valid YAML: ${error.message.trim()}` });
        return [];
      }
      if (yaml.contents === null) return [{ yaml, text: part, isChanged: false }];
      const manifest = toManifestDocument(yaml.toJS({ maxAliasCount: 100 }), label);
      if (!("rule" in manifest)) return [{ yaml, text: part, manifest, isChanged: false }];
      problems.push(manifest);
      return [];
    });
  });
}

function writePart(part: StreamPart): string {
  if (!part.isChanged) return part.text;
  const hasMarker = part.text.startsWith("---");
  // `toString` writes the marker by itself only where directives need it.
  const written = part.yaml.toString(readYamlStyle(part.text));
  return hasMarker && !written.startsWith("---") ? `---\n${written}` : written;
}

function refresh(part: StreamPart): ManifestDocument | undefined {
  const manifest = toManifestDocument(part.yaml.toJS({ maxAliasCount: 100 }), "");
  return "rule" in manifest ? undefined : manifest;
}

function isEdit(value: unknown): value is Edit {
  return (
    isJsonObject(value) && Array.isArray(value["path"]) && ["set", "remove"].includes(String(value["op"]))
  );
}

/** Takes a former injection back: the document as it was before. */
function undoPart(part: StreamPart): StreamPart {
  const stored = readPath(part.manifest?.object, originalPath);
  if (typeof stored !== "string") return part;
  const inverses: unknown = JSON.parse(stored);
  if (!Array.isArray(inverses)) return part;
  for (const edit of inverses.filter(isEdit)) applyEdit(part.yaml, edit);
  const manifest = refresh(part);
  return { ...part, isChanged: true, ...(manifest === undefined ? {} : { manifest }) };
}

function applyEdits(part: StreamPart, edits: readonly Edit[]): void {
  const { manifest } = part;
  if (manifest === undefined) return;
  const inverses: Edit[] = [];
  let object: JsonObject = manifest.object;
  const apply = (edit: Edit): void => {
    inverses.unshift(invertEdit(object, edit));
    applyEdit(part.yaml, edit);
    object = part.yaml.toJS({ maxAliasCount: 100 }) as JsonObject;
  };
  for (const edit of edits) apply(edit);
  const annotations = readPath(object, originalPath.slice(0, -1));
  const store = setInMap(annotations, originalPath.slice(0, -1), names.original, "");
  inverses.unshift(invertEdit(object, store));
  applyEdit(
    part.yaml,
    setInMap(annotations, originalPath.slice(0, -1), names.original, JSON.stringify(inverses)),
  );
  part.isChanged = true;
}

function toOptIn(document: ManifestDocument): Edit[] {
  if (isOptedIn(document)) return [];
  const path = ["metadata", "annotations"];
  return [setInMap(readPath(document.object, path), path, names.enabled, "true")];
}

interface Plan {
  readonly part: StreamPart;
  readonly edits: readonly Edit[];
}

function planWorkload(
  part: StreamPart,
  document: ManifestDocument,
  workload: Workload,
  options: InjectOptions,
): Plan {
  const pod = readPath(document.object, ["spec", "template"]);
  const identity = { namespace: workload.namespace, service: workload.name, revision: workload.name };
  const target = {
    path: ["spec", "template"],
    pod: isJsonObject(pod) ? pod : {},
    template: workload.template,
    identity,
  };
  return { part, edits: [...toOptIn(document), ...decidePodInjection(target, options)] };
}

function planServices(parts: readonly StreamPart[], workload: Workload, findings: Findings): Plan[] {
  const services = parts.filter((part) => part.manifest !== undefined && isKubernetesService(part.manifest));
  const documents = services.flatMap((part) => part.manifest ?? []);
  findings.problems.push(...findSelectorless(documents, workload));
  const found = findServices(documents, workload);
  if (found.length > 1) {
    findings.refuse(
      "spec.template.metadata.labels",
      "must be selected by one Service only, because one Service gets the activators' addresses",
      found.map((service) => service.name),
    );
  }
  return services.flatMap((part) => {
    if (part.manifest === undefined || !found.includes(part.manifest)) return [];
    const own = new Findings(toObjectLabel(part.manifest));
    checkService(part.manifest, workload, own);
    findings.problems.push(...own.problems);
    return [{ part, edits: decideServiceInjection(part.manifest, workload) }];
  });
}

function planDeployment(
  part: StreamPart,
  parts: readonly StreamPart[],
  options: InjectOptions,
  result: { problems: Problem[]; warnings: Problem[] },
): Plan[] {
  const document = part.manifest;
  if (document === undefined || !isDeployment(document)) return [];
  const findings = new Findings(toObjectLabel(document));
  const plans: Plan[] = [];
  if (options.all === true || isOptedIn(document)) {
    const workload = parseDeployment(document, "kubernetes", findings);
    if (workload !== undefined) {
      plans.push(planWorkload(part, document, workload, options), ...planServices(parts, workload, findings));
      if (readPath(document.object, ["spec", "replicas"]) !== undefined) {
        findings.warn("spec.replicas", "sets the scale back at every apply; leave it out");
      }
    }
  } else {
    findings.warn(
      `metadata.annotations[${names.enabled}]`,
      `is not "true", so that the Deployment is left alone; set it, or use --all`,
    );
  }
  result.problems.push(...findings.problems);
  result.warnings.push(...findings.warnings);
  return plans;
}

/**
 * Adds the sidecar to the opted-in Deployments of a YAML stream and points their Services at it. Comments, order and
 * every other document stay. What is injected already is brought up to date, so that doing it twice changes nothing.
 */
export function injectSidecar(text: string, options: InjectOptions): InjectResult {
  const result = { problems: [] as Problem[], warnings: [] as Problem[] };
  const parts = readStream(text, options.source ?? "manifest", result.problems).map(undoPart);
  const plans = parts.flatMap((part) => planDeployment(part, parts, options, result));
  if (result.problems.length > 0) return { text, changed: [], ...result };
  for (const { part, edits } of plans) applyEdits(part, edits);
  const changed = plans.flatMap(({ part }) =>
    part.manifest === undefined ? [] : toObjectLabel(part.manifest),
  );
  return { text: parts.map(writePart).join(""), changed, ...result };
}

/** Takes the sidecar out again: every document as it was before `injectSidecar`. */
export function removeSidecar(text: string, source = "manifest"): InjectResult {
  const problems: Problem[] = [];
  const parts = readStream(text, source, problems).map(undoPart);
  if (problems.length > 0) return { text, changed: [], problems, warnings: [] };
  const changed = parts.flatMap((part) =>
    part.isChanged && part.manifest !== undefined ? toObjectLabel(part.manifest) : [],
  );
  return { text: parts.map(writePart).join(""), changed, problems, warnings: [] };
}
