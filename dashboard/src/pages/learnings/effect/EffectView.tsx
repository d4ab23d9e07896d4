import { useLearningsUplift } from "@/api/queries";
import type { LearningsUplift } from "@/api/types";
import { Panel } from "@/components/Panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { EffectPanel } from "./EffectPanel";
import { EffectTiles } from "./EffectTiles";
import classes from "./EffectView.module.css";
import { judge, MEASURES } from "./effects";

/** Whether items end better with learnings than without. */
export default function EffectView() {
  const uplift = useLearningsUplift();
  return (
    <Loaded query={uplift} what="The comparison" skeleton={<SkeletonRows rows={6} height={72} />}>
      {(data) => <Content uplift={data} />}
    </Loaded>
  );
}

function Content({ uplift }: { uplift: LearningsUplift }) {
  const known = MEASURES.some((measure) => judge(uplift.all[measure], measure) !== "unknown");
  return (
    <div className={classes.sections}>
      <EffectTiles comparison={uplift.all} />
      {known ? (
        <EffectPanel uplift={uplift} />
      ) : (
        <Panel title="Effect of learnings">
          <EmptyState title="Not enough data yet">
            {reason(uplift.all.success.summary)} Some items receive no learnings, for comparison;
            only items of the same repository and of similar size are compared.
          </EmptyState>
        </Panel>
      )}
    </div>
  );
}

/** `not enough data yet: 3 items …` as a sentence without what the title says. */
function reason(summary: string): string {
  const text = summary.replace(/^not enough data yet:\s*/, "");
  return text === summary ? "" : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
