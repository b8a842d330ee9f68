import type { CancelTimer, Clock } from "@sluice/core";
import { LogOnce, type Logger } from "@sluice/kit";
import { jsonPatch, type ApiClient } from "./api-client.ts";
import { ApiError } from "./api-error.ts";
import { jsonOf, listOf, textOf, type Json } from "./api-object.ts";
import { decideRenewal, renewCertificates, type KeyPair, type WebhookCertificates } from "./certificate.ts";

export interface CertificateKeeperOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly namespace: string;
  readonly secretName: string;
  readonly webhookName: string;
  readonly dnsNames: readonly string[];
  /** A certificate that the server should use from now on. */
  onCertificate(pair: KeyPair): void;
}

/** As long no pod can be made that asks for the sidecar when somebody replaced the configuration, and its authority with it. */
const checkMs = 60_000;
const retryMs = 5000;

function decode(data: Json, name: string): string {
  return Buffer.from(textOf(data[name]), "base64").toString("utf8");
}

function encode(text: string): string {
  return Buffer.from(text).toString("base64");
}

function toCertificates(secret: Json): WebhookCertificates | undefined {
  const data = jsonOf(secret["data"]);
  const pairs = {
    bundle: decode(data, "ca-bundle.crt"),
    authority: { certificate: decode(data, "ca.crt"), key: decode(data, "ca.key") },
    server: { certificate: decode(data, "tls.crt"), key: decode(data, "tls.key") },
  };
  return pairs.authority.key === "" || pairs.server.key === "" ? undefined : pairs;
}

function toData(certificates: WebhookCertificates): Json {
  return {
    "ca-bundle.crt": encode(certificates.bundle),
    "ca.crt": encode(certificates.authority.certificate),
    "ca.key": encode(certificates.authority.key),
    "tls.crt": encode(certificates.server.certificate),
    "tls.key": encode(certificates.server.key),
  };
}

/**
 * Keeps the webhook's certificates good: one Secret for every replica, renewed before it ends, and the authority told to
 * the API server. Of replicas that renew at once the first wins; the others take what it wrote (409).
 */
export class CertificateKeeper {
  readonly #options: CertificateKeeperOptions;
  readonly #failures: LogOnce;
  #current = "";
  #cancel: CancelTimer | undefined;
  #isClosed = false;

  constructor(options: CertificateKeeperOptions) {
    this.#options = options;
    this.#failures = new LogOnce(options.log);
  }

  /** Resolves when there is a certificate; goes on checking then. */
  async start(): Promise<void> {
    await this.#check();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  async #check(): Promise<void> {
    let nextMs = checkMs;
    try {
      const certificates = await this.#ensure();
      await this.#publish(certificates.bundle);
      if (certificates.server.certificate !== this.#current) {
        this.#current = certificates.server.certificate;
        this.#options.onCertificate(certificates.server);
      }
      this.#failures.solved("the webhook's certificate is good again");
    } catch (error) {
      nextMs = retryMs;
      this.#failures.warn("cannot renew the webhook's certificate", { error });
    }
    if (!this.#isClosed) this.#cancel = this.#options.clock.setTimer(() => void this.#check(), nextMs);
  }

  async #ensure(): Promise<WebhookCertificates> {
    const { client, clock, dnsNames, namespace, secretName } = this.#options;
    const path = `/api/v1/namespaces/${namespace}/secrets/${secretName}`;
    const secret = jsonOf(await client.call("GET", path));
    const stored = toCertificates(secret);
    if (decideRenewal(stored, dnsNames, clock.now()) === "none" && stored !== undefined) return stored;
    const renewed = await renewCertificates(stored, dnsNames, clock.now());
    try {
      // The resource version in the metadata makes a second writer fail.
      await client.call("PUT", path, { body: { ...secret, data: toData(renewed) } });
      return renewed;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
      return toCertificates(jsonOf(await client.call("GET", path))) ?? renewed;
    }
  }

  /** Tells the API server whom to trust, where that is news. */
  async #publish(bundle: string): Promise<void> {
    const { client, webhookName } = this.#options;
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${webhookName}`;
    const configuration = jsonOf(await client.call("GET", path));
    const stale = listOf(configuration["webhooks"]).flatMap((webhook, index) =>
      textOf(jsonOf(webhook["clientConfig"])["caBundle"]) === encode(bundle) ? [] : [index],
    );
    if (stale.length === 0) return;
    const body = stale.map((index) => ({
      op: "add",
      path: `/webhooks/${index}/clientConfig/caBundle`,
      value: encode(bundle),
    }));
    await client.call("PATCH", path, { body, contentType: jsonPatch });
  }
}
