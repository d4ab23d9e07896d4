/** The text with the first letter of every word in upper case. */
export function titleCase(text) {
  return text.replace(/\p{L}[\p{L}\p{M}']*/gu, (word) => word[0].toUpperCase() + word.slice(1));
}
