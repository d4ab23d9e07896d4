import Anser from "anser";

export interface AnsiPart {
  content: string;
  /** Names of `AnsiText.module.css`. */
  names: string[];
}

/** Links, titles, cursor movements and other sequences that are no colour. */
const OTHER_SEQUENCES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences start with the control character ESC.
  /\u001b(?:\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[PX^_][^\u001b]*(?:\u001b\\)?|\[[0-9;?]*[A-Za-ln-z]|[()][0-9A-B]|[=>78cDEHMNOZ])/g;

/** Divides the output of a program by its colours. What is no colour is removed; texts stay as they are. */
export function ansiParts(text: string): AnsiPart[] {
  const plain = text.replace(OTHER_SEQUENCES, "");
  return Anser.ansiToJson(plain, { use_classes: true, remove_empty: true }).map(
    ({ content, fg, decorations }) => ({
      content,
      names: fg ? [fg, ...decorations] : [...decorations],
    }),
  );
}
