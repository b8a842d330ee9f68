import { parseAllDocuments, stringify } from "yaml";

export interface InstallOptions {
  /** Replaces the image of every process and of injected sidecars. */
  readonly image?: string;
  /** Domains under which services get hosts. */
  readonly domains?: readonly string[];
  /** The shared token of feed, stats and scale endpoint; undefined keeps the one that the cluster has. */
  readonly token?: string;
}

const systemNamespace = "sluice-system";
const tokenSecretName = "sluice-token";
const shippedImage = /\bsluice\/sluice:[\w.-]+/g;

function toTokenSecret(token: string): string {
  return stringify({
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name: tokenSecretName,
      namespace: systemNamespace,
      labels: { "app.kubernetes.io/part-of": "sluice" },
    },
    type: "Opaque",
    stringData: { token },
  });
}

/** `deploy/sluice.yaml` with the choices of whoever installs it, and the token, which no file of ours ever has. */
export function toInstallation(manifest: string, options: InstallOptions): string {
  const { image, domains } = options;
  const withImage = image === undefined ? manifest : manifest.replaceAll(shippedImage, () => image);
  const withDomains =
    domains === undefined
      ? withImage
      : withImage.replace(/^ {2}domains: .*$/m, () => `  domains: ${domains.join(",")}`);
  const secret = options.token === undefined ? "" : `---\n${toTokenSecret(options.token)}`;
  return `${withDomains.trimEnd()}\n${secret}`;
}

interface Identity {
  readonly apiVersion?: unknown;
  readonly kind?: unknown;
  readonly metadata?: { readonly name?: unknown; readonly namespace?: unknown };
}

/** The same objects by name alone, last first, for `kubectl delete -f -`: the webhook goes before what answers for it. */
export function toRemoval(manifest: string): string {
  const objects = parseAllDocuments(manifest).map((document) => document.toJS() as Identity);
  const isWebhook = (object: Identity): boolean => object.kind === "MutatingWebhookConfiguration";
  const ordered = [
    ...objects.filter(isWebhook),
    ...objects.filter((object) => !isWebhook(object)).toReversed(),
  ];
  return ordered
    .map(({ apiVersion, kind, metadata }) => {
      const { name, namespace } = metadata ?? {};
      return stringify({
        apiVersion,
        kind,
        metadata: namespace === undefined ? { name } : { name, namespace },
      });
    })
    .join("---\n");
}
