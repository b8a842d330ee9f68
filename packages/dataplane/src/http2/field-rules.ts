/** Lower case alone (RFC 9113 §8.2.1) of what a name may have (RFC 9110 §5.6.2); pseudo-headers begin with a colon. */
const namePattern = /^:?[a-z0-9!#$%&'*+.^_`|~-]+$/;

/** No control character but the tab, no blank at either end (RFC 9113 §8.2.1, RFC 9110 §5.5). */
const valuePattern = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** Why a field of that name makes its message malformed; undefined when it does not. */
export function findNameFlaw(name: string): string | undefined {
  return namePattern.test(name) ? undefined : "a header name that HTTP/2 does not allow";
}

export function findValueFlaw(value: string): string | undefined {
  return valuePattern.test(value) ? undefined : "a header value with characters that are not allowed";
}
