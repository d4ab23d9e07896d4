import { IconArrowsHorizontal, IconClock, IconThumbDown, IconThumbUp } from "@tabler/icons-react";
import type { LearningsUplift } from "@/api/types";
import { ToneBadge } from "@/components/StatusBadge";
import { Tile, Tiles } from "@/components/Tiles";
import { formatInteger } from "@/lib/format";
import classes from "./EffectView.module.css";
import {
  formatAverage,
  formatDifference,
  formatInterval,
  JUDGEMENT,
  type Judgement,
  judge,
  MEASURE,
  MEASURES,
  type Measure,
} from "./effects";

const ICON = {
  better: IconThumbUp,
  worse: IconThumbDown,
  unclear: IconArrowsHorizontal,
  unknown: IconClock,
};

function JudgementBadge({ judgement }: { judgement: Judgement }) {
  const { label, tone } = JUDGEMENT[judgement];
  return <ToneBadge tone={tone} label={label} icon={ICON[judgement]} />;
}

type Comparison = LearningsUplift["all"];

/** The comparison of all repositories together. */
export function EffectTiles({ comparison }: { comparison: Comparison }) {
  const { withLearnings, withoutLearnings } = comparison;
  return (
    <Tiles>
      <Tile
        label="Items compared"
        value={formatInteger(withLearnings.items + withoutLearnings.items)}
      >
        <span className={classes.line}>{formatInteger(withLearnings.items)} with learnings</span>
        <span className={classes.line}>
          {formatInteger(withoutLearnings.items)} without, for comparison
        </span>
      </Tile>
      {MEASURES.map((measure) => (
        <MeasureTile key={measure} measure={measure} comparison={comparison} />
      ))}
    </Tiles>
  );
}

function MeasureTile({ measure, comparison }: { measure: Measure; comparison: Comparison }) {
  const effect = comparison[measure];
  const { estimate } = effect;
  const average = (arm: "withLearnings" | "withoutLearnings") =>
    formatAverage(comparison[arm], measure);
  return (
    <Tile
      label={MEASURE[measure].label}
      value={estimate == null ? "–" : formatDifference(estimate, measure)}
    >
      <span className={classes.judgement}>
        <JudgementBadge judgement={judge(effect, measure)} />
      </span>
      <span className={classes.line}>
        {average("withLearnings")} with, {average("withoutLearnings")} without
      </span>
      {estimate != null && (
        <span className={classes.line}>
          95 % interval <span className={classes.interval}>{formatInterval(effect, measure)}</span>
        </span>
      )}
    </Tile>
  );
}
