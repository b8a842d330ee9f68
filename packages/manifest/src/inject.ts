import { isOptedIn, isUnquoted, parseDeployment } from "./deployment.ts";
import { toManifestDocument, toObjectLabel, type ManifestDocument } from "./document.ts";
import { readPath, type Edit } from "./edit.ts";
import { isJsonObject } from "./field-reader.ts";
import { joinStream, readStream, type StreamPiece } from "./manifest-stream.ts";
import { names } from "./names.ts";
import { decidePodInjection } from "./pod-injection.ts";
import { hasSidecar } from "./pod-template.ts";
import { Findings, type Problem } from "./problem.ts";
import { findRivals } from "./scale-rival.ts";
import {
  checkOthersBehind,
  checkService,
  decideServiceInjection,
  findSelectorless,
  findServices,
  isKubernetesService,
} from "./service-injection.ts";
import type { SidecarOptions } from "./sidecar-container.ts";
import { parseUndos, type Undo } from "./undo.ts";
import type { Workload } from "./workload.ts";
import { YamlText } from "./yaml-text.ts";

export interface InjectOptions extends SidecarOptions {
  /** Every Deployment of the texts, not only those that carry the opt-in annotation. */
  readonly all?: boolean;
}

/** A YAML or JSON stream, and what messages call it. */
export interface ManifestSource {
  readonly text: string;
  readonly name: string;
}

/** With any problem `texts` are what came in, unchanged. */
export interface InjectResult {
  readonly texts: readonly string[];
  /** `Deployment default/hello`: what was changed. */
  readonly changed: readonly string[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

interface Outcome {
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

/** An object and what has to change in it. */
interface Plan {
  readonly piece: StreamPiece;
  readonly edits: readonly Edit[];
}

const annotationsPath = ["metadata", "annotations"] as const;
const originalPath = [...annotationsPath, names.original] as const;

function isDeployment(document: ManifestDocument): boolean {
  return document.kind === "Deployment" && document.apiVersion === "apps/v1";
}

function refuse(problems: Problem[], document: ManifestDocument, field: string, rule: string): void {
  problems.push({ object: toObjectLabel(document), field, rule });
}

function withText(piece: StreamPiece, text: string): StreamPiece {
  const manifest = toManifestDocument(new YamlText(text).toObject(), "");
  return { ...piece, text, ...("rule" in manifest ? {} : { manifest }) };
}

/** Takes a former injection back: the object as it was before. */
function undoPiece(piece: StreamPiece, problems: Problem[]): StreamPiece {
  const { manifest } = piece;
  const stored = readPath(manifest?.object, originalPath);
  if (manifest === undefined || stored === undefined) return piece;
  const undos = typeof stored === "string" ? parseUndos(stored) : undefined;
  if (undos === undefined) {
    const rule =
      "was changed by hand, so that nothing says how the object was; put back the file that you injected";
    refuse(problems, manifest, `metadata.annotations[${names.original}]`, rule);
    return piece;
  }
  const yaml = new YamlText(piece.text);
  for (const undo of undos) yaml.undo(undo);
  return withText(piece, yaml.text);
}

/** Makes the changes, and keeps in an annotation how each is taken back. */
function editPiece({ piece, edits }: Plan, problems: Problem[]): StreamPiece {
  try {
    const yaml = new YamlText(piece.text);
    const undos = edits
      .flatMap((edit) => [yaml.apply(edit)])
      .toReversed()
      .flat();
    // What takes the annotation itself back has to stand in it: written once to learn that, and then with it.
    const own = yaml.apply({ op: "set", path: originalPath, value: "" });
    const value = JSON.stringify([...own, ...undos] satisfies Undo[]);
    yaml.apply({ op: "set", path: originalPath, value });
    return withText(piece, yaml.text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (piece.manifest !== undefined)
      refuse(problems, piece.manifest, "", `cannot be changed in place: ${reason}`);
    return piece;
  }
}

function planWorkload(
  piece: StreamPiece,
  document: ManifestDocument,
  workload: Workload,
  options: InjectOptions,
): Plan {
  const pod = readPath(document.object, ["spec", "template"]);
  const target = {
    path: ["spec", "template"],
    pod: isJsonObject(pod) ? pod : {},
    template: workload.template,
    identity: { namespace: workload.namespace, service: workload.name, revision: workload.name },
  };
  const optIn: Edit = { op: "set", path: [...annotationsPath, names.enabled], value: "true" };
  return { piece, edits: [...(isOptedIn(document) ? [] : [optIn]), ...decidePodInjection(target, options)] };
}

function planServices(pieces: readonly StreamPiece[], workload: Workload, findings: Findings): Plan[] {
  const services = pieces.filter(({ manifest }) => manifest !== undefined && isKubernetesService(manifest));
  const documents = services.flatMap(({ manifest }) => manifest ?? []);
  const all = pieces.flatMap(({ manifest }) => manifest ?? []);
  findings.problems.push(...findSelectorless(documents, workload));
  const found = findServices(documents, workload);
  if (found.length > 1) {
    findings.refuse(
      "spec.template.metadata.labels",
      "must be selected by one Service only, because one Service gets the activators' addresses",
      found.map((service) => service.name),
    );
  }
  return services.flatMap((piece) => {
    if (piece.manifest === undefined || !found.includes(piece.manifest)) return [];
    const own = new Findings(toObjectLabel(piece.manifest));
    checkService(piece.manifest, workload, own);
    checkOthersBehind(piece.manifest, workload, all, own);
    findings.problems.push(...own.problems);
    findings.warnings.push(...own.warnings);
    return [{ piece, edits: decideServiceInjection(piece.manifest, workload) }];
  });
}

/** Whether a Deployment has a sidecar that no injection of ours left there, such as one that `render` made. */
function hasOtherSidecar(document: ManifestDocument): boolean {
  const spec = readPath(document.object, ["spec", "template", "spec"]);
  return isJsonObject(spec) && hasSidecar(spec);
}

/** The other containers' own hooks are their business; this one has requests in flight. */
function warnAboutHook({ template: { containers, serving } }: Workload, findings: Findings): void {
  const index = containers.indexOf(serving);
  if (readPath(serving.object, ["lifecycle", "preStop"]) === undefined) return;
  const rule = "is kept: the app may stop before the pod is drained; take it out to have the sidecar's";
  findings.warn(`spec.template.spec.containers[${index}].lifecycle.preStop`, rule);
}

function planOptedIn(
  piece: StreamPiece,
  document: ManifestDocument,
  pieces: readonly StreamPiece[],
  options: InjectOptions,
  findings: Findings,
): Plan[] {
  if (hasOtherSidecar(document)) {
    findings.warn(
      "spec.template.spec.containers",
      "has a container queue-proxy already, so that it is left alone",
    );
    return [];
  }
  const workload = parseDeployment(document, "kubernetes", findings);
  if (workload === undefined) return [];
  findings.problems.push(
    ...findRivals(
      pieces.flatMap(({ manifest }) => manifest ?? []),
      workload,
    ),
  );
  if (readPath(document.object, ["spec", "replicas"]) !== undefined) {
    findings.warn("spec.replicas", "sets the scale back at every apply; leave it out");
  }
  warnAboutHook(workload, findings);
  return [planWorkload(piece, document, workload, options), ...planServices(pieces, workload, findings)];
}

function planPiece(
  piece: StreamPiece,
  pieces: readonly StreamPiece[],
  options: InjectOptions,
  outcome: Outcome,
): Plan[] {
  const document = piece.manifest;
  if (document === undefined) return [];
  const findings = new Findings(toObjectLabel(document));
  const field = `metadata.annotations[${names.enabled}]`;
  let plans: Plan[] = [];
  if (isUnquoted(document)) {
    findings.refuse(field, 'must be a string; put it in quotes: "true"', true);
  } else if (!isDeployment(document)) {
    if (isOptedIn(document))
      findings.warn(field, "has no meaning here: only Deployments of apps/v1 are scaled", "true");
  } else if (options.all === true || isOptedIn(document)) {
    plans = planOptedIn(piece, document, pieces, options, findings);
  } else {
    findings.warn(field, `is not "true", so that the Deployment is left alone; set it, or use --all`);
  }
  outcome.problems.push(...findings.problems);
  outcome.warnings.push(...findings.warnings);
  return plans;
}

function readSources(sources: readonly ManifestSource[], problems: Problem[]): StreamPiece[][] {
  return sources.map(({ text, name }) => readStream(text, name, problems));
}

function undoAll(streams: readonly StreamPiece[][], problems: Problem[]): StreamPiece[][] {
  return streams.map((pieces) => pieces.map((piece) => undoPiece(piece, problems)));
}

/**
 * Adds the sidecar to the opted-in Deployments of some texts and points their Services, in whichever of them they are, at it.
 * Nothing else in the texts changes. What is injected already is brought up to date, so that doing it twice changes nothing.
 */
export function injectSidecar(sources: readonly ManifestSource[], options: InjectOptions): InjectResult {
  const outcome: Outcome = { problems: [], warnings: [] };
  const streams = undoAll(readSources(sources, outcome.problems), outcome.problems);
  const pieces = streams.flat();
  const plans = pieces.flatMap((piece) => planPiece(piece, pieces, options, outcome));
  const byPiece = new Map(plans.map((plan) => [plan.piece, plan]));
  const edit = (piece: StreamPiece): StreamPiece => {
    const plan = byPiece.get(piece);
    return plan === undefined || outcome.problems.length > 0 ? piece : editPiece(plan, outcome.problems);
  };
  const texts = streams.map((stream) => joinStream(stream.map(edit)));
  if (outcome.problems.length > 0) return { texts: sources.map(({ text }) => text), changed: [], ...outcome };
  const changed = plans.flatMap(({ piece: { manifest } }) => manifest ?? []).map(toObjectLabel);
  return { texts, changed, ...outcome };
}

/** Takes the sidecar out again: every object as it was before `injectSidecar`, letter by letter where nobody else changed it. */
export function removeSidecar(sources: readonly ManifestSource[]): InjectResult {
  const problems: Problem[] = [];
  const before = readSources(sources, problems);
  const after = undoAll(before, problems);
  if (problems.length > 0)
    return { texts: sources.map(({ text }) => text), changed: [], problems, warnings: [] };
  const former = new Set(before.flat());
  const changed = after.flat().flatMap((piece) => (former.has(piece) ? [] : (piece.manifest ?? [])));
  return { texts: after.map(joinStream), changed: changed.map(toObjectLabel), problems, warnings: [] };
}
