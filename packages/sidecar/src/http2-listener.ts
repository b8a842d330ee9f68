import { createHttp2Server, Http2Client, type Http2Front } from "@sluice/dataplane";
import type { AppForwarder } from "./app-forwarder.ts";
import type { Pipeline } from "./pipeline.ts";

/** The HTTP/2 front: what is a request goes into the pipeline. */
export function createHttp2Listener(
  pipeline: Pipeline,
  forwarder: AppForwarder,
  maxHeaderBytes: number,
): Http2Front {
  return createHttp2Server(
    {
      handleStream({ stream, ...arrival }) {
        pipeline.accept({
          ...arrival,
          client: new Http2Client(stream),
          httpVersion: "2.0",
          startForwarding: forwarder.startHttp2,
        });
      },
    },
    maxHeaderBytes,
  );
}
