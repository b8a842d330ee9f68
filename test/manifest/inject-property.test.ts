import { formatProblem } from "@sluice/manifest";
import fc from "fast-check";
import { Document, isCollection, isNode, isPair, isScalar, parseAllDocuments, Scalar, visit } from "yaml";
import { expect, test } from "vitest";
import { injectText, removeFromText, type TextResult } from "../support/inject-text.ts";

type Json = Record<string, unknown>;

/** The same keys in another order. */
function shuffled(entries: fc.Arbitrary<Json>): fc.Arbitrary<Json> {
  return entries.chain((object) =>
    fc
      .shuffledSubarray(Object.keys(object), { minLength: Object.keys(object).length })
      .map((keys) => Object.fromEntries(keys.map((key) => [key, object[key]]))),
  );
}

function maybe(name: string, value: fc.Arbitrary<unknown>): fc.Arbitrary<Json> {
  return fc.option(value, { nil: undefined }).map((given) => (given === undefined ? {} : { [name]: given }));
}

function merged(...parts: fc.Arbitrary<Json>[]): fc.Arbitrary<Json> {
  return fc.tuple(...parts).map((objects) => Object.assign({}, ...objects) as Json);
}

const words = fc.constantFrom(
  "plain",
  "yes",
  "0644",
  "a: b",
  "# no comment",
  "tab\there",
  "two\nlines\n",
  "ends with\n\n\n",
  "*star",
  "{brace",
  "é😀",
  "",
  "1_000",
  " led by a space",
);
const labels = fc.dictionary(fc.constantFrom("app", "tier", "on", "a.b/c"), words, { maxKeys: 3 });

const probe = fc.constantFrom<Json[]>(
  { httpGet: { path: "/", port: "web", httpHeaders: [{ name: "A", value: "b" }] }, periodSeconds: 5 },
  { tcpSocket: { port: 3000 } },
  { grpc: { port: 3000 }, failureThreshold: 3 },
);
const hooks = fc.constantFrom<Json[]>(
  { preStop: { exec: { command: ["sleep", "5"] } } },
  { postStart: { exec: { command: ["true"] } } },
);

function container(name: string, ports: readonly Json[]): fc.Arbitrary<Json> {
  return shuffled(
    merged(
      fc.constant({ name, image: `${name}:1` }),
      fc.constant(ports.length === 0 ? {} : { ports }),
      maybe("readinessProbe", probe),
      maybe("livenessProbe", probe),
      maybe("lifecycle", hooks),
      maybe("command", fc.array(words, { maxLength: 3 })),
      maybe(
        "env",
        fc.array(
          words.map((value) => ({ name: "A", value })),
          { maxLength: 2 },
        ),
      ),
    ),
  );
}

const pod = shuffled(
  merged(
    fc
      .tuple(
        container("app", [{ containerPort: 3000, name: "web" }]),
        fc.array(container("helper", []), { maxLength: 1 }),
      )
      .map(([app, others]) => ({ containers: [app, ...others] })),
    maybe("terminationGracePeriodSeconds", fc.constantFrom(30, 600)),
    maybe("volumes", fc.constant([{ name: "v", emptyDir: {} }])),
  ),
);

const deployment = merged(
  fc.constant({ apiVersion: "apps/v1", kind: "Deployment" }),
  fc.record({
    metadata: shuffled(
      merged(
        fc.constant({ name: "shop" }),
        maybe("labels", labels),
        maybe("annotations", fc.oneof(labels, fc.constant(null))),
      ),
    ),
    spec: shuffled(
      fc.record({
        selector: fc.constant({ matchLabels: { app: "shop" } }),
        template: shuffled(
          fc.record({
            metadata: shuffled(
              merged(
                labels.map((more) => ({ labels: { ...more, app: "shop" } })),
                maybe("annotations", labels),
              ),
            ),
            spec: pod,
          }),
        ),
      }),
    ),
  }),
);

const service = fc.record({
  apiVersion: fc.constant("v1"),
  kind: fc.constant("Service"),
  metadata: shuffled(
    merged(fc.constant({ name: "shop" }), maybe("labels", labels), maybe("annotations", labels)),
  ),
  spec: shuffled(
    fc.record({
      selector: fc.constant({ app: "shop" }),
      ports: fc.constantFrom(
        [{ port: 80, targetPort: "web" }],
        [{ name: "http", targetPort: 3000, port: 80 }],
      ),
    }),
  ),
});

interface Layout {
  readonly dice: readonly number[];
  readonly indent: number;
  readonly indentSeq: boolean;
  readonly isWindows: boolean;
  readonly isOpenEnded: boolean;
  /** Equal parts are written once, with an anchor. */
  readonly isShared: boolean;
}

const layout: fc.Arbitrary<Layout> = fc.record({
  dice: fc.array(fc.nat(99), { minLength: 1, maxLength: 60 }),
  indent: fc.constantFrom(2, 4),
  indentSeq: fc.boolean(),
  isWindows: fc.boolean(),
  isOpenEnded: fc.boolean(),
  isShared: fc.boolean(),
});

/** Comments, blank lines, brackets and quotes where the dice say so. */
function write(object: Json, { dice, indent, indentSeq, isShared }: Layout): string {
  const document = new Document(object, {
    version: "1.1",
    compat: "yaml-1.1",
    aliasDuplicateObjects: isShared,
  });
  let at = 0;
  const roll = (): number => dice[at++ % dice.length] ?? 0;
  visit(document, {
    Pair(_key, pair) {
      if (isNode(pair.key) && roll() < 15) pair.key.commentBefore = " before";
      if (isNode(pair.key) && roll() < 8) pair.key.spaceBefore = true;
      if (isScalar(pair.value) && roll() < 20) pair.value.comment = " beside";
      if (isPair(pair) && isCollection(pair.value) && roll() < 10) pair.value.commentBefore = " inside";
    },
    Collection(key, node) {
      if (key !== null && roll() < 8) node.flow = true;
    },
    Scalar(key, node) {
      const isText = key !== "key" && typeof node.value === "string";
      if (isText && roll() < 10) node.type = Scalar.QUOTE_SINGLE;
    },
  });
  return document.toString({ indent, indentSeq, lineWidth: 0, directives: false });
}

function toText(objects: readonly Json[], style: Layout): string {
  const text = objects.map((object) => write(object, style)).join("---\n");
  const ended = style.isOpenEnded ? text.trimEnd() : text;
  return style.isWindows ? ended.replaceAll("\n", "\r\n") : ended;
}

function read(text: string): unknown[] {
  return parseAllDocuments(text, { version: "1.1" }).map((document) => document.toJS() as unknown);
}

/** The library that writes the texts puts a comment before an empty list in a way that nobody can read. */
function isReadable(text: string): boolean {
  return parseAllDocuments(text, { version: "1.1" }).every((document) => document.errors.length === 0);
}

function inject(text: string): TextResult {
  return injectText(text, { image: "sidecar:1", all: true });
}

/** As many as a busy machine can do; thousands were run when this was written. */
const bounded = { numRuns: 60, interruptAfterTimeLimit: 5000 };

test("however a manifest is laid out, twice is once, and undone is as it was", () => {
  fc.assert(
    fc.property(deployment, service, layout, (one, other, style) => {
      const text = toText([one, other], style);
      fc.pre(isReadable(text));
      const injected = inject(text);
      expect(injected.problems.map(formatProblem)).toEqual([]);
      expect(injected.changed).toEqual(["Deployment default/shop", "Service default/shop"]);
      expect(inject(injected.text).text).toBe(injected.text);
      const undone = removeFromText(injected.text);
      expect(undone.text).toBe(text);
      expect(read(undone.text)).toEqual(read(text));
    }),
    bounded,
  );
});

test("however a manifest is laid out, what it says afterwards is what the plain one says", () => {
  fc.assert(
    fc.property(deployment, service, layout, (one, other, style) => {
      const text = toText([one, other], style);
      fc.pre(isReadable(text));
      const plain = inject(JSON.stringify({ apiVersion: "v1", kind: "List", items: read(text) }));
      const [list] = read(plain.text) as { items: Json[] }[];
      const withoutNotes = (objects: unknown): unknown =>
        JSON.parse(
          JSON.stringify(objects, (key, value: unknown) =>
            key === "sluice.dev/original" ? undefined : value,
          ),
        );
      expect(withoutNotes(read(inject(text).text))).toEqual(withoutNotes(list?.items));
    }),
    bounded,
  );
});
