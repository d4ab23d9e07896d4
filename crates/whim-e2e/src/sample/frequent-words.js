import { words } from "./word-count.js";

/** The `limit` most frequent words of a text with their counts, the most frequent first; ties in alphabetical order. */
export function frequentWords(text, limit = 10) {
  const counts = new Map();
  for (const word of words(text.toLowerCase())) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, limit);
}
