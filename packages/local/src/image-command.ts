/** What stands for an image on one machine. */
export interface ImageCommand {
  /** The image's name; `*` stands for any characters. */
  readonly image: string;
  readonly command: readonly string[];
  /** Where the command runs: the folder of the file that says so. */
  readonly folder: string;
}

/** The first that matches, so that a file goes from the particular to the general. */
export function findImageCommand(commands: readonly ImageCommand[], image: string): ImageCommand | undefined {
  return commands.find((entry) => toPattern(entry.image).test(image));
}

function toPattern(image: string): RegExp {
  return new RegExp(
    `^${image
      .split("*")
      .map((part) => RegExp.escape(part))
      .join(".*")}$`,
  );
}
