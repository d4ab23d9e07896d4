const WORD = /\p{L}[\p{L}\p{M}']*/gu;

/** The words of a text, in order and as they are written. */
export function words(text) {
  return text.match(WORD) ?? [];
}

/** How many words a text has. */
export function wordCount(text) {
  return words(text).length;
}
