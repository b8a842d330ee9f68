import type { SluiceError } from "@sluice/core";

/** Codes of gRPC, https://grpc.io/docs/guides/status-codes/. */
const grpcStatus = { unimplemented: 12, internal: 13, unavailable: 14 } as const;

/** From header names and values in turn; only errors ask, so nothing is kept. */
export function isGrpc(headers: readonly string[]): boolean {
  return findHeader(headers, "content-type")?.startsWith("application/grpc") === true;
}

export function findHeader(headers: readonly string[], lowerName: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === lowerName) return headers[index + 1];
  }
  return undefined;
}

/**
 * A gRPC answer that is only trailers, sent as headers (gRPC over HTTP/2, "Trailers-Only"). Where it is worth coming back,
 * it says when: to client libraries in `grpc-retry-pushback-ms`, to programs in a `google.rpc.RetryInfo`.
 */
export function toGrpcHeaders(error: SluiceError, retryAfterSeconds: number | undefined): string[] {
  const headers = [
    "content-type",
    "application/grpc",
    "grpc-status",
    String(toGrpcStatus(error.status)),
    "grpc-message",
    encodeURIComponent(error.body.trim()).replaceAll("%20", " "),
  ];
  if (retryAfterSeconds !== undefined) {
    headers.push("grpc-retry-pushback-ms", String(retryAfterSeconds * 1000));
    headers.push("grpc-status-details-bin", encodeRetryInfo(retryAfterSeconds).toString("base64"));
  }
  return headers;
}

function toGrpcStatus(httpStatus: number): number {
  if (httpStatus === 404) return grpcStatus.unimplemented;
  return httpStatus >= 502 ? grpcStatus.unavailable : grpcStatus.internal;
}

const retryInfoType = Buffer.from("type.googleapis.com/google.rpc.RetryInfo");

/** `google.rpc.Status{code: 14, details: [RetryInfo{retry_delay: {seconds}}]}`; seconds below 128, so one byte each. */
function encodeRetryInfo(seconds: number): Buffer {
  const retryInfo = Buffer.from([0x0a, 2, 0x08, seconds]);
  const any = Buffer.concat([
    Buffer.from([0x0a, retryInfoType.length]),
    retryInfoType,
    Buffer.from([0x12, retryInfo.length]),
    retryInfo,
  ]);
  return Buffer.concat([Buffer.from([0x08, grpcStatus.unavailable, 0x1a, any.length]), any]);
}
