import type { FileDiff } from "@/api/types";

const OPENED_FILES = 15;
const OPENED_LINES = 400;

/** Small diffs near the top are shown at once; the rest would make the page slow. */
export function opensByItself(
  file: Pick<FileDiff, "additions" | "deletions" | "isBinary">,
  index: number,
): boolean {
  return index < OPENED_FILES && !file.isBinary && file.additions + file.deletions <= OPENED_LINES;
}
