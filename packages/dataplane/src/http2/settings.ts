import { ConnectionFault, errorCode } from "./error-code.ts";
import { defaultMaxFrameBytes, maxUint31, readUint32, writeUint32 } from "./frame.ts";
import { maxTableBytes } from "./header-table.ts";

/** RFC 9113 §6.5.2. */
const settingId = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

const entryBytes = 6;
const largestFrameBytes = 16_777_215;
/** Everything that is defined, several times over. */
const maxEntries = 32;

/** What one side of a connection asks of the other; the values before anything was said. */
export class PeerSettings {
  headerTableBytes = maxTableBytes;
  maxConcurrentStreams = Infinity;
  initialWindowBytes = 65_535;
  maxFrameBytes = defaultMaxFrameBytes;

  /** Takes a SETTINGS frame's payload. Throws `ConnectionFault`. */
  apply(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (length % entryBytes !== 0) throw new ConnectionFault(errorCode.frameSize, "SETTINGS cut short");
    if (length > maxEntries * entryBytes)
      throw new ConnectionFault(errorCode.enhanceYourCalm, "endless SETTINGS");
    for (let at = from; at < to; at += entryBytes) {
      this.#take(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0), readUint32(bytes, at + 2));
    }
  }

  #take(id: number, value: number): void {
    switch (id) {
      case settingId.headerTableSize:
        this.headerTableBytes = value;
        return;
      case settingId.enablePush:
        if (value > 1) throw new ConnectionFault(errorCode.protocol, "ENABLE_PUSH");
        return;
      case settingId.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return;
      case settingId.initialWindowSize:
        if (value > maxUint31) throw new ConnectionFault(errorCode.flowControl, "INITIAL_WINDOW_SIZE");
        this.initialWindowBytes = value;
        return;
      case settingId.maxFrameSize:
        if (value < defaultMaxFrameBytes || value > largestFrameBytes)
          throw new ConnectionFault(errorCode.protocol, "MAX_FRAME_SIZE");
        this.maxFrameBytes = value;
        return;
      default:
    }
  }
}

/** What we ask of the peer. */
export interface LocalSettings {
  /** Streams that the peer may have open at once. */
  readonly maxConcurrentStreams: number;
  /** Bytes of a stream's body that the peer may send before we have passed some on. */
  readonly streamWindowBytes: number;
  /** The same for all streams of a connection together. */
  readonly connectionWindowBytes: number;
  /** Size of a head, as RFC 9113 §6.5.2 counts it. */
  readonly maxHeaderListBytes: number;
}

export function toSettingsPayload(settings: LocalSettings, isServer: boolean): Uint8Array {
  const entries = [
    // Only servers take streams, and only clients can be pushed to.
    isServer ? [settingId.maxConcurrentStreams, settings.maxConcurrentStreams] : [settingId.enablePush, 0],
    [settingId.initialWindowSize, settings.streamWindowBytes],
    [settingId.maxHeaderListSize, settings.maxHeaderListBytes],
  ];
  const payload = new Uint8Array(entries.length * entryBytes);
  for (const [index, [id = 0, value = 0]] of entries.entries()) {
    payload[index * entryBytes + 1] = id;
    writeUint32(payload, index * entryBytes + 2, value);
  }
  return payload;
}
