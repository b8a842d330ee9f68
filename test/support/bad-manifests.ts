/** Deployments that cannot be scaled, each with the one sentence that is said about it, by the command and in the cluster. */
export interface BadManifest {
  readonly title: string;
  readonly text: string;
  readonly message: string;
  /** Seen only where several objects of a cluster meet, or only in a file. */
  readonly only?: "file";
}

interface Parts {
  readonly name?: string;
  readonly annotations?: string;
  readonly container?: string;
  readonly pod?: string;
  readonly more?: string;
}

const fine = "ports: [{containerPort: 3000}]";

function toManifest({
  name = "shop",
  annotations = "",
  container = fine,
  pod = "",
  more = "",
}: Parts): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  namespace: default
  annotations: {sluice.dev/enabled: "true"${annotations}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop, sluice.dev/inject: "true"}}
    spec:
      ${pod}
      containers: [{name: shop, image: shop, ${container}}]
${more}`;
}

function toService(name: string, spec: string): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {${spec}}
`;
}

const selecting = "selector: {app: shop}, ports: [{port: 80, targetPort: 3000}]";
const longName = "a".repeat(64);
const pod = "Deployment default/shop: spec.template.spec";

export const badManifests: readonly BadManifest[] = [
  {
    title: "no ports",
    text: toManifest({ container: "ports: []" }),
    message: `${pod}.containers: must name the port that takes requests under ports`,
  },
  {
    title: "several ports",
    text: toManifest({ container: "ports: [{containerPort: 3000}, {containerPort: 4000}]" }),
    message:
      "Deployment default/shop: metadata.annotations[sluice.dev/port]: must say which port takes requests, because the pod has several (found [3000,4000])",
  },
  {
    title: "the sidecar's port taken",
    text: toManifest({ container: "ports: [{containerPort: 8012}]" }),
    message: `${pod}.containers[0].ports[0].containerPort: is taken by the sidecar; choose another than 8012, 8013, 8022, 9090, 9091, 8008 (found 8012)`,
  },
  {
    title: "hostNetwork",
    text: toManifest({ pod: "hostNetwork: true" }),
    message: `${pod}.hostNetwork: must not be set: the sidecar's ports would be taken on the node (found true)`,
  },
  {
    title: "an exec readiness probe",
    text: toManifest({ container: `${fine}, readinessProbe: {exec: {command: [ls]}}` }),
    message: `${pod}.containers[0].readinessProbe.exec: cannot be run by the sidecar; use httpGet, tcpSocket or grpc`,
  },
  {
    title: "a name too long",
    text: toManifest({ name: longName }),
    message: `Deployment default/${longName}: metadata.name: must have at most 63 characters, because host and revision names are made from it (found "${longName}")`,
  },
  {
    title: "a limit out of bounds",
    text: toManifest({ annotations: ', sluice.dev/container-concurrency: "1001"' }),
    message:
      'Deployment default/shop: metadata.annotations[sluice.dev/container-concurrency]: must be a whole number from 0 to 1000 (found "1001")',
  },
  {
    title: "a scaling annotation out of bounds",
    text: toManifest({ annotations: ', autoscaling.knative.dev/target: "0"' }),
    message:
      'Deployment default/shop: metadata.annotations[autoscaling.knative.dev/target]: must be a number of at least 0.01 (found "0")',
  },
  {
    title: "bounds that contradict one another",
    text: toManifest({
      annotations: ', autoscaling.knative.dev/min-scale: "3", autoscaling.knative.dev/max-scale: "2"',
    }),
    message:
      'Deployment default/shop: metadata.annotations[autoscaling.knative.dev/min-scale]: must be at most max-scale (2) (found "3")',
  },
  {
    title: "a host that is none",
    text: toManifest({ annotations: ', sluice.dev/hosts: "a b"' }),
    message:
      'Deployment default/shop: metadata.annotations[sluice.dev/hosts]: must be host names, separated by commas (found "a b")',
  },
  {
    title: "a Service without a selector",
    text: toManifest({ more: toService("shop", "ports: [{port: 80}]") }),
    message:
      "Service default/shop: spec.selector: must select the pods of Deployment shop; without it nothing says which pods it leads to",
    only: "file",
  },
  {
    title: "two Services",
    text: toManifest({ more: toService("one", selecting) + toService("two", selecting) }),
    message:
      'Deployment default/shop: spec.template.metadata.labels: must be selected by one Service only, because one Service gets the activators\' addresses (found ["one","two"])',
    only: "file",
  },
  {
    title: "a headless Service",
    text: toManifest({ more: toService("shop", `clusterIP: None, ${selecting}`) }),
    message:
      'Service default/shop: spec.clusterIP: must not be None: clients of a headless Service connect to pods, and there are none at zero (found "None")',
    only: "file",
  },
  {
    title: "a HorizontalPodAutoscaler",
    text: toManifest({
      more: `---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: shop, namespace: default}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}}
`,
    }),
    message:
      'HorizontalPodAutoscaler default/shop: spec.scaleTargetRef: must not name a Deployment that Sluice scales; take this object out (found "shop")',
    only: "file",
  },
  {
    title: "a ScaledObject of KEDA",
    text: toManifest({
      more: `---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: shop, namespace: default}
spec: {scaleTargetRef: {name: shop}, triggers: []}
`,
    }),
    message:
      'ScaledObject default/shop: spec.scaleTargetRef: must not name a Deployment that Sluice scales; take this object out (found "shop")',
    only: "file",
  },
  {
    title: "a Service that leads to another Deployment as well",
    text: toManifest({
      more: `${toService("shop", selecting)}---
apiVersion: apps/v1
kind: Deployment
metadata: {name: canary, namespace: default}
spec: {selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop, track: canary}}, spec: {containers: [{name: a, image: a}]}}}
`,
    }),
    message:
      'Service default/shop: spec.selector: must select the pods of Deployment shop alone, for without it the others would get no requests (found ["Deployment default/canary"])',
    only: "file",
  },
  {
    title: "an opt-in without quotes",
    text: toManifest({}).replace('sluice.dev/enabled: "true"', "sluice.dev/enabled: true"),
    message:
      'Deployment default/shop: metadata.annotations[sluice.dev/enabled]: must be a string; put it in quotes: "true" (found true)',
    only: "file",
  },
  {
    title: "an annotation that somebody edited",
    text: toManifest({ annotations: ', sluice.dev/original: "[1]"' }),
    message:
      "Deployment default/shop: metadata.annotations[sluice.dev/original]: was changed by hand, so that nothing says how the object was; put back the file that you injected",
    only: "file",
  },
];
