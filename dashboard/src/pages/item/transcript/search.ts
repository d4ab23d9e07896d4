import type { FetchPage } from "./store";
import { entryText } from "./tool-call";

const LIMIT = 200;
const MAX_MATCHES = 1000;

export interface SearchProgress {
  /** Numbers of the entries that contain the text, ascending. */
  matches: number[];
  /** The last entry that was searched. */
  through: number;
  done: boolean;
}

/** Reads a whole transcript and reports where it contains `query`, regardless of case. */
export async function searchTranscript(
  fetchPage: FetchPage,
  query: string,
  signal: AbortSignal,
  onProgress: (progress: SearchProgress) => void,
): Promise<void> {
  const wanted = query.toLowerCase();
  const matches: number[] = [];
  for (let after = 0; !signal.aborted; ) {
    const page = await fetchPage(after, LIMIT);
    if (signal.aborted) return;
    for (const entry of page.items) {
      if (entryText(entry).toLowerCase().includes(wanted)) matches.push(entry.number);
    }
    const through = page.items.at(-1)?.number ?? after;
    const done = page.nextCursor == null || matches.length >= MAX_MATCHES;
    onProgress({ matches: [...matches], through, done });
    if (done) return;
    after = page.nextCursor ?? through;
  }
}

/** The match after (or before) the entry `from`, around the ends. */
export function nextMatch(
  matches: readonly number[],
  from: number,
  by: 1 | -1,
): number | undefined {
  if (by === 1) return matches.find((number) => number > from) ?? matches[0];
  return matches.findLast((number) => number < from) ?? matches.at(-1);
}
