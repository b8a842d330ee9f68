import { formatProblem, readManifest, type Manifest, type Workload } from "@sluice/manifest";
import { describe, expect, test } from "vitest";

/** The article's manifest, as it was published. */
const article = `apiVersion: serving.knative.dev/v1alpha1
kind: Service
metadata:
  name: helloworld-go
  namespace: default
spec:
  template:
    metadata:
      labels:
        app: helloworld-go
      annotations:
        autoscaling.knative.dev/target: "10"
    spec:
      containers:
        - image: registry.cn-hangzhou.aliyuncs.com/knative-sample/simple-app:07
          env:
            - name: SIMPLE_MSG
              value: "helloworld-go-07"
`;

function read(text: string, platform: "local" | "kubernetes" = "kubernetes"): Manifest {
  return readManifest(text, { platform, source: "service.yaml" });
}

/** A minimal Service with `fields` beside the containers, and `more` at the end of the only container. */
function serviceWith(fields: string, more = "", name = "hello"): string {
  const indent = (text: string, by: number): string =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => " ".repeat(by) + line)
      .join("\n");
  return `apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: ${name}
spec:
  template:
    spec:
${indent(fields, 6)}
      containers:
        - image: app
${indent(more, 10)}
`;
}

function only(manifest: Manifest): Workload {
  expect(manifest.problems.map(formatProblem)).toEqual([]);
  const [workload] = manifest.workloads;
  if (workload === undefined) throw new Error("no workload was read");
  return workload;
}

describe("a Knative Service", () => {
  test.each(["v1", "v1beta1", "v1alpha1"])("of %s is read with Knative's defaults", (version) => {
    const manifest = read(article.replace("v1alpha1", version));
    const workload = only(manifest);
    expect(manifest.warnings).toEqual([]);
    expect(workload).toMatchObject({
      origin: "knative",
      namespace: "default",
      name: "helloworld-go",
      visibility: "public",
      traffic: [{ percent: 100 }],
      template: {
        labels: { app: "helloworld-go" },
        annotations: { "autoscaling.knative.dev/target": "10" },
        containerConcurrency: 0,
        timeouts: { request: 300, responseStart: 0, idle: 0 },
        protocol: "http1",
        appPort: 8080,
        isAppPortExplicit: false,
        serving: {
          image: "registry.cn-hangzhou.aliyuncs.com/knative-sample/simple-app:07",
          env: [{ name: "SIMPLE_MSG", value: "helloworld-go-07" }],
          readinessProbe: { handler: { kind: "tcp" }, timing: { successThreshold: 1 } },
        },
      },
    });
  });

  test.each([
    ["", { request: 300, responseStart: 0, idle: 0 }],
    ["timeoutSeconds: 0", { request: 300, responseStart: 0, idle: 0 }],
    ["timeoutSeconds: 600", { request: 600, responseStart: 300, idle: 0 }],
    ["timeoutSeconds: 301", { request: 301, responseStart: 300, idle: 0 }],
    [
      "timeoutSeconds: 600\nresponseStartTimeoutSeconds: 5\nidleTimeoutSeconds: 7",
      { request: 600, responseStart: 5, idle: 7 },
    ],
    ["timeoutSeconds: 600\nresponseStartTimeoutSeconds: 0", { request: 600, responseStart: 0, idle: 0 }],
  ])("with %j has the time limits that Knative gives it", (fields, timeouts) => {
    expect(only(read(serviceWith(fields))).template.timeouts).toEqual(timeouts);
  });

  test.each([
    ["", 8080, "http1", false],
    ["ports:\n- containerPort: 3000", 3000, "http1", true],
    ["ports:\n- name: h2c", 8080, "h2c", false],
    ["ports:\n- name: h2c\n  containerPort: 9000", 9000, "h2c", true],
    ["ports:\n- name: http1\n  containerPort: 9000", 9000, "http1", true],
  ])("with %j listens where its port says", (more, appPort, protocol, isAppPortExplicit) => {
    expect(only(read(serviceWith("", more))).template).toMatchObject({
      appPort,
      protocol,
      isAppPortExplicit,
    });
  });

  test("of several containers takes requests on the one with a port", () => {
    const text = serviceWith("", "name: helper\n").replace(
      /$/,
      "        - image: main\n          name: main\n          ports:\n            - containerPort: 5000\n",
    );
    const { template } = only(read(text));
    expect(template.containers.map((container) => container.image)).toEqual(["app", "main"]);
    expect(template.serving).toMatchObject({ name: "main", image: "main" });
    expect(template.appPort).toBe(5000);
  });

  test("carries command, arguments and variables as they are written", () => {
    const more = `command: ["node"]\nargs: ["app.js", "-v"]\nworkingDir: /srv\nenv:\n- name: EMPTY\n- name: A\n  value: "1"`;
    expect(only(read(serviceWith("", more))).template.serving).toMatchObject({
      command: ["node"],
      args: ["app.js", "-v"],
      workingDir: "/srv",
      env: [
        { name: "EMPTY", value: "" },
        { name: "A", value: "1" },
      ],
    });
  });

  test("says what only Kubernetes can honour when it is read for one machine, and nothing otherwise", () => {
    const text = serviceWith(
      "serviceAccountName: robot",
      "resources: {limits: {cpu: 1}}\nenv:\n- name: SECRET\n  valueFrom: {secretKeyRef: {name: s, key: k}}",
    );
    expect(read(text, "kubernetes").warnings).toEqual([]);
    expect(read(text, "local").warnings.map(formatProblem)).toEqual([
      'Service default/hello: spec.template.spec.containers[0].env[0].valueFrom: has no meaning on one machine and is ignored; set a value (found "SECRET")',
      "Service default/hello: spec.template.spec.containers[0].resources: has no meaning on one machine and is ignored",
      "Service default/hello: spec.template.spec.serviceAccountName: has no meaning on one machine and is ignored",
    ]);
  });

  test("names every field that is not known, wherever it stands", () => {
    const text = serviceWith("strategy: fast", "colour: red").replace("spec:\n", "spec:\n  mood: good\n");
    expect(read(text).warnings.map((warning) => warning.field)).toEqual([
      "spec.template.spec.containers[0].colour",
      "spec.template.spec.strategy",
      "spec.mood",
    ]);
  });

  test.each([
    [
      "containerConcurrency: 1001",
      "",
      "spec.template.spec.containerConcurrency",
      "must be a whole number from 0 to 1000",
      1001,
    ],
    [
      "containerConcurrency: -1",
      "",
      "spec.template.spec.containerConcurrency",
      "must be a whole number from 0 to 1000",
      -1,
    ],
    [
      "timeoutSeconds: 601",
      "",
      "spec.template.spec.timeoutSeconds",
      "must be a whole number from 0 to 600",
      601,
    ],
    [
      "timeoutSeconds: 5s",
      "",
      "spec.template.spec.timeoutSeconds",
      "must be a whole number from 0 to 600",
      "5s",
    ],
    [
      "hostNetwork: true",
      "",
      "spec.template.spec.hostNetwork",
      "must not be set: the sidecar's ports would be taken on the node",
      true,
    ],
    [
      "",
      "ports:\n- containerPort: 8012",
      "spec.template.spec.containers[0].ports[0].containerPort",
      "is taken by the sidecar; choose another than 8012, 8013, 8022, 9090, 9091, 8008",
      8012,
    ],
    [
      "",
      "ports:\n- containerPort: 80\n  protocol: UDP",
      "spec.template.spec.containers[0].ports[0].protocol",
      "must be TCP",
      "UDP",
    ],
    [
      "",
      "ports:\n- containerPort: 80\n  name: http",
      "spec.template.spec.containers[0].ports[0].name",
      "must be http1 or h2c: it says which protocol the app speaks",
      "http",
    ],
    [
      "",
      "ports:\n- containerPort: 80\n- containerPort: 81",
      "spec.template.spec.containers",
      "must name one port in all: the one that takes requests",
      undefined,
    ],
    [
      "",
      'env:\n- name: K_REVISION\n  value: "x"',
      "spec.template.spec.containers[0].env[0].name",
      "is set by the platform and must not be set",
      "K_REVISION",
    ],
    [
      "",
      "env:\n- name: A\n  value: 1",
      "spec.template.spec.containers[0].env[0].value",
      "must be a string; put it in quotes",
      1,
    ],
    [
      "",
      "name: queue-proxy",
      "spec.template.spec.containers[0].name",
      "is the sidecar's name; choose another",
      "queue-proxy",
    ],
    [
      "",
      "readinessProbe:\n  periodSeconds: 0\n  failureThreshold: 2",
      "spec.template.spec.containers[0].readinessProbe.failureThreshold",
      "must not be set while periodSeconds is 0",
      2,
    ],
    [
      "",
      "livenessProbe:\n  exec:\n    command: [test, 1]",
      "spec.template.spec.containers[0].livenessProbe.exec.command[1]",
      "must be a string; put it in quotes",
      1,
    ],
  ])("%j %j is refused with field, rule and value", (fields, more, field, rule, value) => {
    const manifest = read(serviceWith(fields, more));
    expect(manifest.problems).toEqual([
      { object: "Service default/hello", field, rule, ...(value === undefined ? {} : { value }) },
    ]);
    expect(manifest.workloads).toEqual([]);
  });

  test.each([
    ["Hello", "must be lower case letters, digits and dashes, a letter first"],
    ["1st", "must be lower case letters, digits and dashes, a letter first"],
    ["a".repeat(58), "must have at most 57 characters, because host and revision names are made from it"],
  ])("named %s is refused", (name, rule) => {
    expect(read(serviceWith("", "", name)).problems.map((problem) => problem.rule)).toEqual([rule]);
  });

  test("of the form before 0.6 is refused with where its parts belong now", () => {
    const text =
      "apiVersion: serving.knative.dev/v1alpha1\nkind: Service\nmetadata: {name: a}\nspec: {runLatest: {}}";
    expect(read(text).problems.map(formatProblem)).toEqual([
      "Service default/a: spec.runLatest: is the form before Knative 0.6 and is not read; move its template to spec.template",
    ]);
  });

  test("of a version that does not exist is refused", () => {
    expect(read(article.replace("v1alpha1", "v2")).problems.map(formatProblem)).toEqual([
      'Service default/helloworld-go: apiVersion: must be one of v1, v1beta1, v1alpha1 (found "serving.knative.dev/v2")',
    ]);
  });

  test("that stands twice in a manifest is refused", () => {
    expect(read(`${article}---\n${article}`).problems.map(formatProblem)).toEqual([
      "Service default/helloworld-go: metadata.name: must be used once in a manifest",
    ]);
  });
});

describe("traffic", () => {
  const withTraffic = (traffic: string): string => `${serviceWith("")}  traffic: ${traffic}\n`;

  test("is read with tags, revisions and the newest one", () => {
    const traffic =
      "[{latestRevision: true, percent: 90, tag: new}, {revisionName: hello-00001, percent: 10}]";
    expect(only(read(withTraffic(traffic))).traffic).toEqual([
      { percent: 90, tag: "new" },
      { revision: "hello-00001", percent: 10 },
    ]);
  });

  test.each([
    ["[{latestRevision: true, percent: 90}]", "spec.traffic", "percents must sum to 100", 90],
    ["[{percent: 100, tag: a}, {percent: 0, tag: a}]", "spec.traffic", "a tag may be used once", "a"],
    [
      "[{revisionName: r, latestRevision: true, percent: 100}]",
      "spec.traffic[0].latestRevision",
      "must be false or absent where revisionName is set",
      true,
    ],
    [
      "[{percent: 100, tag: A}]",
      "spec.traffic[0].tag",
      'must be lower case letters, digits and dashes, and with "-hello" at most 63',
      "A",
    ],
    ["[{percent: 101}]", "spec.traffic[0].percent", "must be a whole number from 0 to 100", 101],
  ])("%s is refused", (traffic, field, rule, value) => {
    expect(read(withTraffic(traffic)).problems).toContainEqual({
      object: "Service default/hello",
      field,
      rule,
      value,
    });
  });
});

describe("a YAML stream", () => {
  test("may hold several documents, lists, empty ones and objects of other kinds", () => {
    const other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: prod}";
    const list = `apiVersion: v1\nkind: List\nitems:\n- ${other.replaceAll("\n", "\n  ")}`;
    const manifest = read(`---\n# nothing\n---\n${article}---\n${other}\n---\n${list}\n`);
    expect(manifest.problems).toEqual([]);
    expect(manifest.workloads.map((workload) => workload.name)).toEqual(["helloworld-go"]);
    expect(manifest.others.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`)).toEqual([
      "ConfigMap prod/settings",
      "ConfigMap prod/settings",
    ]);
  });

  test.each([
    ["a: [1", /^service.yaml, document 1: is not valid YAML: /],
    ["just text", /^service.yaml, document 1: must be a map \(found "just text"\)$/],
    ["kind: Service", /^service.yaml, document 1: apiVersion: must be set$/],
    [
      "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}",
      /^service.yaml, document 1, Pod: metadata.name: must be set; generateName/,
    ],
    [
      `a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c]`,
      /^service.yaml, document 1: is not valid YAML: .*alias/,
    ],
  ])("%j is refused with its place", (text, message) => {
    expect(read(text).problems.map(formatProblem)).toEqual([expect.stringMatching(message)]);
  });
});
