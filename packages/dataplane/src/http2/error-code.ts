/** Why a stream or a connection ends (RFC 9113 §7). */
export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

/** What the peer did takes the whole connection down (RFC 9113 §5.4.1): it hears GOAWAY with this code, and the socket is closed. */
export class ConnectionFault extends Error {
  override readonly name = "ConnectionFault";
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
