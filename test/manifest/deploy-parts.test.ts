import { activatorSettings } from "@sluice/activator";
import { aggregatorSettings } from "@sluice/aggregator";
import { scalerSettings } from "@sluice/scaler";
import { describe, expect, test } from "vitest";
import {
  containerOf,
  hasKubectl,
  kustomize,
  podOfService,
  readDeployed,
  type Deployed,
  type DeployedContainer,
} from "../support/deployed.ts";
import { injectText } from "../support/inject-text.ts";
import { findKubernetesFaults } from "../support/kubernetes-schema.ts";

const services = ["activator", "aggregator", "scaler"] as const;
const settings: Readonly<Record<string, Readonly<Record<string, { variable: string; default?: unknown }>>>> =
  {
    activator: activatorSettings,
    aggregator: aggregatorSettings,
    scaler: scalerSettings,
  };

interface ServiceSpec {
  selector: Record<string, string>;
  ports: { name: string; port: number; targetPort: string }[];
}

interface Webhook {
  rules: unknown[];
  objectSelector: { matchLabels: Record<string, string> };
  namespaceSelector: { matchExpressions: { key: string; operator: string; values: string[] }[] };
}

interface CertificateSpec {
  secretName: string;
  dnsNames?: string[];
  isCA?: boolean;
}

function specsOf<Spec>(objects: readonly Deployed[], kind: string): [string, Spec][] {
  return objects
    .filter((object) => object.kind === kind)
    .map((object) => [object.metadata.name, object.spec as Spec]);
}

const byNumber = (one: number, other: number): number => one - other;

function valueOf(container: DeployedContainer, variable: string): string | undefined {
  return container.env.find((entry) => entry.name === variable)?.value;
}

/** The certificate that is mounted with its key, if any: then the service's port speaks TLS. */
function certificateOf(objects: readonly Deployed[], service: string): CertificateSpec | undefined {
  const { volumes } = podOfService(objects, service);
  const secret = volumes.find(({ name }) => name === "tls")?.secret;
  if (secret === undefined || secret.items?.every(({ key }) => key !== "tls.key") === true) return undefined;
  return specsOf<CertificateSpec>(objects, "Certificate").find(
    ([, { secretName }]) => secretName === secret.secretName,
  )?.[1];
}

describe.each([
  ["deploy/sluice.yaml", readDeployed()],
  ["kubectl kustomize deploy", hasKubectl ? kustomize(".") : []],
  ["kubectl kustomize deploy/tls", hasKubectl ? kustomize("tls") : []],
])("the parts of %s fit together:", (_name, objects) => {
  const isRead = objects.length > 0;

  test.skipIf(!isRead)("every object is what Kubernetes' schema knows", async () => {
    expect((await Promise.all(objects.map(findKubernetesFaults))).flat()).toEqual([]);
  });

  test.skipIf(!isRead).each(services)("the %s listens on the ports that it declares", (service) => {
    const container = containerOf(objects, service);
    const given = new Map(container.env.map((entry) => [entry.name, entry.value]));
    const listening = Object.values(settings[service] ?? {})
      .filter(({ variable }) => /(?:^|_)PORT$/.test(variable) && !variable.includes("TLS"))
      .map(({ variable, default: byDefault }) => Number(given.get(variable) ?? byDefault))
      .filter((port) => !Number.isNaN(port));
    expect(container.ports.map(({ containerPort }) => containerPort).toSorted(byNumber)).toEqual(
      listening.toSorted(byNumber),
    );
  });

  test.skipIf(!isRead).each(services)(
    "the probes of the %s ask a port of its own, in what it speaks",
    (service) => {
      const { ports, readinessProbe, livenessProbe } = containerOf(objects, service);
      const isSecure = certificateOf(objects, service) !== undefined;
      for (const [probe, path] of [
        [readinessProbe, "/readyz"],
        [livenessProbe, "/healthz"],
      ] as const) {
        expect(ports.map(({ name }) => name)).toContain(probe.httpGet.port);
        expect({ scheme: "HTTP", ...probe.httpGet }).toMatchObject({
          path,
          scheme: isSecure ? "HTTPS" : "HTTP",
        });
      }
    },
  );

  test.skipIf(!isRead)(
    "the webhook is asked for pods that want a sidecar, and for none of ours or the cluster's own",
    () => {
      const configuration = objects.find(({ kind }) => kind === "MutatingWebhookConfiguration");
      const [webhook, ...others] = (configuration?.["webhooks"] ?? []) as Webhook[];
      expect(others).toEqual([]);
      expect(webhook).toMatchObject({ failurePolicy: "Fail", sideEffects: "None", timeoutSeconds: 5 });
      expect(webhook?.rules).toEqual([
        {
          apiGroups: [""],
          apiVersions: ["v1"],
          operations: ["CREATE"],
          resources: ["pods"],
          scope: "Namespaced",
        },
      ]);
      const [[key, wanted] = ["", ""]] = Object.entries(webhook?.objectSelector.matchLabels ?? {});
      expect([key, wanted]).toEqual(["sluice.dev/inject", "true"]);
      const own = objects.flatMap(({ kind, spec }) =>
        kind === "Deployment" ? [spec?.template?.metadata.labels] : [],
      );
      expect(own.map((labels) => labels?.[key])).toEqual(["false", "false", "false"]);
      const [excluded] = webhook?.namespaceSelector.matchExpressions ?? [];
      expect(excluded).toMatchObject({ key: "kubernetes.io/metadata.name", operator: "NotIn" });
      expect(excluded?.values).toEqual(expect.arrayContaining(["sluice-system", "kube-system"]));
    },
  );

  test.skipIf(!isRead)("every Service leads to a port of the pods that it selects", () => {
    for (const [, { selector, ports }] of specsOf<ServiceSpec>(objects, "Service")) {
      const { ports: declared } = containerOf(objects, selector["app.kubernetes.io/name"] ?? "");
      expect(declared.map(({ name }) => name)).toEqual(
        expect.arrayContaining(ports.map(({ targetPort }) => targetPort)),
      );
    }
  });

  test.skipIf(!isRead)("every URL names a Service and its port, and speaks what is spoken there", () => {
    const urls = services.flatMap((service) =>
      containerOf(objects, service).env.flatMap(({ value }) =>
        /^https?:/.test(value ?? "") ? [new URL(value ?? "")] : [],
      ),
    );
    expect(urls).toHaveLength(3);
    for (const { protocol, hostname, port } of urls) {
      const name = /^(sluice-[a-z]+)\.sluice-system\.svc$/.exec(hostname)?.[1] ?? "";
      const [, spec] = specsOf<ServiceSpec>(objects, "Service").find(([found]) => found === name) ?? [];
      expect(spec?.ports.map((entry) => String(entry.port))).toContain(port);
      const certificate = certificateOf(objects, name.replace("sluice-", ""));
      expect(protocol).toBe(certificate === undefined ? "http:" : "https:");
      expect(certificate?.dnsNames ?? [hostname]).toContain(hostname);
    }
  });

  test.skipIf(!isRead)(
    "aggregators are reached by address, and their port's name says what it speaks",
    () => {
      const certificate = certificateOf(objects, "aggregator");
      const names = containerOf(objects, "aggregator").ports.map(({ name }) => name);
      expect(names).toEqual([certificate === undefined ? "http" : "https"]);
      if (certificate === undefined) return;
      for (const service of ["activator", "aggregator"]) {
        const name = valueOf(containerOf(objects, service), "SLUICE_CERTIFICATE_NAME");
        expect(certificate.dnsNames).toContain(name ?? settings[service]?.["certificateName"]?.default);
      }
    },
  );

  test.skipIf(!isRead).each(services)(
    "what the %s mounts exists, read-only and without keys that it does not need",
    (service) => {
      const { volumes } = podOfService(objects, service);
      const container = containerOf(objects, service);
      const secrets = [
        // Made by `sluice install`, or by the two lines on top of the kustomization.
        "sluice-token",
        ...specsOf<CertificateSpec>(objects, "Certificate").map(([, { secretName }]) => secretName),
      ];
      const maps = objects.filter(({ kind }) => kind === "ConfigMap").map(({ metadata }) => metadata.name);
      expect(secrets).toEqual(
        expect.arrayContaining(volumes.flatMap(({ secret }) => secret?.secretName ?? [])),
      );
      expect(maps).toEqual(expect.arrayContaining(volumes.flatMap(({ configMap }) => configMap?.name ?? [])));
      expect(container.volumeMounts.every(({ readOnly }) => readOnly === true)).toBe(true);
      expect(container.volumeMounts.map(({ name }) => name).toSorted()).toEqual(
        volumes.map(({ name }) => name).toSorted(),
      );
    },
  );
});

test.skipIf(!hasKubectl)(
  "a kustomization of one's own sets the image everywhere, the sidecars' too, and the domain",
  () => {
    const objects = kustomize("examples/kustomize");
    const images = services.map((service) => containerOf(objects, service).image);
    const sidecar = valueOf(containerOf(objects, "scaler"), "SLUICE_SIDECAR_IMAGE");
    expect(new Set([...images, sidecar])).toEqual(new Set(["registry.example.com/sluice:0.1.0"]));
    const stored = objects.find(
      ({ kind, metadata }) => kind === "ConfigMap" && metadata.name === "sluice-settings",
    );
    expect(stored?.data).toMatchObject({ domains: "apps.example.com", "allowed-hosts": "" });
  },
);

interface MonitorSpec {
  endpoints?: { port: string; scheme?: string; tlsConfig?: { serverName: string } }[];
  podMetricsEndpoints?: { port: string }[];
}

describe.each([
  ["deploy/monitoring", ".", "monitoring"],
  ["deploy/tls/monitoring", "tls", "tls/monitoring"],
])("%s", (_name, installation, monitoring) => {
  test.skipIf(!hasKubectl)("asks every part on a port that it has, in what it speaks", async () => {
    const objects = kustomize(installation);
    const monitors = kustomize(monitoring);
    expect((await Promise.all(monitors.map(findKubernetesFaults))).flat()).toEqual([]);
    const endpointsOf = (name: string): MonitorSpec =>
      monitors.find(({ metadata }) => metadata.name === name)?.spec as MonitorSpec;
    const [control] = endpointsOf("sluice-control").endpoints ?? [];
    for (const service of ["scaler", "aggregator"]) {
      const certificate = certificateOf(objects, service);
      const [, spec] =
        specsOf<ServiceSpec>(objects, "Service").find(([found]) => found === `sluice-${service}`) ?? [];
      expect(spec?.ports.map(({ name }) => name)).toEqual([control?.port]);
      expect(control?.scheme).toBe(certificate === undefined ? undefined : "https");
      const serverName = control?.tlsConfig?.serverName ?? "";
      expect(certificate?.dnsNames ?? [serverName]).toContain(serverName);
    }
    // It carries the scaler's label, and would be asked as well if its port had the same name.
    const [, webhook] =
      specsOf<ServiceSpec>(objects, "Service").find(([found]) => found === "sluice-webhook") ?? [];
    expect(webhook?.ports.map(({ name }) => name)).not.toContain(control?.port);
    const [activators] = endpointsOf("sluice-activators").podMetricsEndpoints ?? [];
    expect(containerOf(objects, "activator").ports.map(({ name }) => name)).toContain(activators?.port);
    const [sidecars] = endpointsOf("sluice-sidecars").podMetricsEndpoints ?? [];
    expect(injectText(deployment, { image: "i" }).text).toContain(`"name":"${sidecars?.port ?? ""}"`);
  });
});

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, annotations: {sluice.dev/enabled: "true"}}
spec: {selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}, spec: {containers: [{name: shop, image: shop, ports: [{containerPort: 3000}]}]}}}
`;
