import "react-diff-view/style/index.css";
import { Diff, Hunk, type HunkData } from "react-diff-view";
import { ScrollRegion } from "@/components/ScrollRegion";
import classes from "./DiffView.module.css";
import { hunksBetween, hunksOfPatch } from "./hunks";

export type DiffSource = { patch: string } | { before: string; after: string };

/** A diff in one column. What cannot be read as a diff is shown as text. */
export default function DiffView({ source }: { source: DiffSource }) {
  const hunks =
    "patch" in source ? hunksOfPatch(source.patch) : hunksBetween(source.before, source.after);
  if (!hunks)
    return (
      <ScrollRegion className={classes.plain} label="Changes">
        <pre>{"patch" in source ? source.patch : source.after}</pre>
      </ScrollRegion>
    );
  return (
    <ScrollRegion className={classes.diff} label="Changes">
      <Diff viewType="unified" diffType="modify" hunks={hunks}>
        {(all: HunkData[]) => all.map((hunk) => <Hunk key={hunk.content} hunk={hunk} />)}
      </Diff>
    </ScrollRegion>
  );
}
