import { useMemo } from "react";
import { ansiParts } from "@/lib/ansi";
import classes from "./AnsiText.module.css";

/** Output of a program: colours become classes, everything else is text. */
export function AnsiText({ text }: { text: string }) {
  const parts = useMemo(() => ansiParts(text), [text]);
  return parts.map(({ content, names }, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: parts of one text have no other identity.
    <span key={index} className={classNames(names)}>
      {content}
    </span>
  ));
}

function classNames(names: readonly string[]): string | undefined {
  return (
    names
      .map((name) => classes[name])
      .filter(Boolean)
      .join(" ") || undefined
  );
}
