import { Http2Front, type Http2ServerOptions } from "@sluice/dataplane";
import type { AppForwarder } from "./app-forwarder.ts";
import type { Pipeline } from "./pipeline.ts";

/** The HTTP/2 front: what is a request goes into the pipeline. */
export function createHttp2Listener(
  pipeline: Pipeline,
  forwarder: AppForwarder,
  options: Http2ServerOptions,
): Http2Front {
  return new Http2Front(
    {
      handleStream(arrival) {
        pipeline.accept({
          client: arrival.client,
          method: arrival.method,
          url: arrival.url,
          httpVersion: "2.0",
          rawHeaders: arrival.rawHeaders,
          authority: arrival.authority,
          hasBody: arrival.hasBody,
          peerAddress: arrival.peerAddress,
          socket: arrival.socket,
          startForwarding: forwarder.startHttp2,
        });
      },
    },
    options,
  );
}
