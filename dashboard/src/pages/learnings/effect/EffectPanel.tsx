import { SegmentedControl } from "@mantine/core";
import { lazy, useState } from "react";
import type { LearningsUplift } from "@/api/types";
import { ChartPanel } from "@/components/charts/ChartPanel";
import { formatInteger } from "@/lib/format";
import classes from "./EffectView.module.css";
import {
  ALL_REPOSITORIES,
  type EffectRow,
  effectPoints,
  effectRows,
  formatAverage,
  formatDifference,
  formatInterval,
  JUDGEMENT,
  judge,
  MEASURE,
  MEASURES,
  type Measure,
} from "./effects";

const EffectChart = lazy(() => import("./EffectChart"));

const MAX_POINTS = 12;

/** The effect on one measure, in all and by repository. */
export function EffectPanel({ uplift }: { uplift: LearningsUplift }) {
  const [measure, setMeasure] = useState<Measure>("success");
  const rows = effectRows(uplift, measure);
  const points = effectPoints(rows, measure, MAX_POINTS);
  return (
    <ChartPanel
      title="Effect of learnings"
      summary={summaryOf(rows, measure)}
      fileName={`whim-learnings-${measure}.csv`}
      columns={columnsOf(measure)}
      rows={rows}
      rowId={({ name }) => name}
      controls={
        <div className={classes.controls}>
          <SegmentedControl
            size="xs"
            aria-label="Measure"
            data={MEASURES.map((value) => ({ value, label: MEASURE[value].label }))}
            value={measure}
            onChange={(value) =>
              setMeasure(MEASURES.find((candidate) => candidate === value) ?? "success")
            }
          />
          <p className={classes.note}>
            {MEASURE[measure].description}: the difference with learnings, and its 95 % confidence
            interval.
          </p>
        </div>
      }
      footer={<Rest rows={rows} drawn={points.length} measure={measure} />}
    >
      <EffectChart points={points} measure={measure} />
    </ChartPanel>
  );
}

function summaryOf(rows: EffectRow[], measure: Measure): string {
  const sentences = rows.map(({ name, effect }) => {
    const judgement = JUDGEMENT[judge(effect, measure)].label.toLowerCase();
    if (effect.estimate == null) return `${name}: ${judgement}.`;
    const difference = formatDifference(effect.estimate, measure);
    return `${name}: ${difference}, ${judgement}.`;
  });
  return `${MEASURE[measure].label}. ${sentences.slice(0, MAX_POINTS + 1).join(" ")}`;
}

/** Names what the chart leaves out. */
function Rest({ rows, drawn, measure }: { rows: EffectRow[]; drawn: number; measure: Measure }) {
  const unknown = rows.filter(({ effect }) => judge(effect, measure) === "unknown");
  const left = rows.length - unknown.length - drawn;
  if (unknown.length === 0 && left === 0) return null;
  return (
    <p className={classes.rest}>
      {left > 0 && `${formatInteger(left)} more with fewer items are in the table. `}
      {unknown.length > 0 &&
        `Not enough data yet: ${unknown
          .slice(0, MAX_POINTS)
          .map(({ name }) => name)
          .join(", ")}${unknown.length > MAX_POINTS ? " and others" : ""}.`}
    </p>
  );
}

function columnsOf(measure: Measure) {
  const { average } = MEASURE[measure];
  const arm = (id: "withLearnings" | "withoutLearnings", header: string) => ({
    id,
    header,
    numeric: true,
    secondary: true,
    sortBy: (row: EffectRow) => average(row[id]) ?? -1,
    cell: (row: EffectRow) => formatAverage(row[id], measure),
    csv: (row: EffectRow) => average(row[id]) ?? "",
  });
  const items = (id: "withLearnings" | "withoutLearnings", header: string) => ({
    id: `${id}Items`,
    header,
    numeric: true,
    secondary: true,
    sortBy: (row: EffectRow) => row[id].items,
    cell: (row: EffectRow) => formatInteger(row[id].items),
    csv: (row: EffectRow) => row[id].items,
  });
  return [
    {
      id: "name",
      header: "Repository",
      sortBy: ({ name }: EffectRow) => (name === ALL_REPOSITORIES ? "" : name),
      cell: ({ name }: EffectRow) => name,
      csv: ({ name }: EffectRow) => name,
    },
    items("withLearnings", "Items with"),
    items("withoutLearnings", "Items without"),
    arm("withLearnings", "With"),
    arm("withoutLearnings", "Without"),
    {
      id: "difference",
      header: "Difference",
      numeric: true,
      sortBy: ({ effect }: EffectRow) => effect.estimate ?? Number.NEGATIVE_INFINITY,
      cell: ({ effect }: EffectRow) =>
        effect.estimate == null ? "–" : formatDifference(effect.estimate, measure),
      csv: ({ effect }: EffectRow) => effect.estimate ?? "",
    },
    {
      id: "interval",
      header: "95 % interval",
      numeric: true,
      secondary: true,
      cell: ({ effect }: EffectRow) => formatInterval(effect, measure),
      csv: ({ effect }: EffectRow) => (effect.low == null ? "" : `${effect.low} to ${effect.high}`),
    },
    {
      id: "judgement",
      header: "In words",
      cell: ({ effect }: EffectRow) => JUDGEMENT[judge(effect, measure)].label,
      csv: ({ effect }: EffectRow) => effect.summary,
    },
  ];
}
