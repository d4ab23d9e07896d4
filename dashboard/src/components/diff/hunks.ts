import { createTwoFilesPatch, OMIT_HEADERS } from "diff";
import { type HunkData, parseDiff } from "react-diff-view";

// Names play no part: they are shown next to the diff, as text.
const HEADER = "diff --git a/f b/f\nindex 1111111..2222222 100644\n--- a/f\n+++ b/f\n";

/** The hunks of a patch that starts with `@@`; `undefined` if it is none. */
export function hunksOfPatch(patch: string): HunkData[] | undefined {
  if (!patch.startsWith("@@ ")) return undefined;
  try {
    return parseDiff(HEADER + patch.replace(/\n$/, ""))[0]?.hunks;
  } catch {
    return undefined;
  }
}

/** Lines of each side beyond which no difference is computed: it would block the page. */
const MAX_LINES = 5_000;

/** The hunks between two texts; `undefined` if they are too long to compare. */
export function hunksBetween(before: string, after: string): HunkData[] | undefined {
  if (lines(before) > MAX_LINES || lines(after) > MAX_LINES) return undefined;
  const patch = createTwoFilesPatch("f", "f", before, after, undefined, undefined, {
    context: 3,
    headerOptions: OMIT_HEADERS,
  });
  return hunksOfPatch(patch.slice(Math.max(0, patch.indexOf("@@ ")))) ?? [];
}

function lines(text: string): number {
  return text.split("\n").length;
}
