/**
 * Text of others for a person's terminal: colours stay, every other control character is shown and not obeyed. An app logs what
 * its clients send, and a terminal that obeyed it would let them move its cursor, hide lines, or set its title and clipboard.
 */
export function toPrintable(text: string): string {
  return text.replaceAll(/\p{Cc}(\[[\d;]*m)?/gu, (found, style: string | undefined = "") => {
    const control = found.charAt(0);
    if (control === "\t" || (control === "\u001b" && style !== "")) return found;
    return `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}${style}`;
  });
}
