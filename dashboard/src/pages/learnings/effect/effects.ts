import type { ArmNumbers, Effect, LearningsUplift } from "@/api/types";
import { formatPercent, formatUsd } from "@/lib/format";
import type { Tone } from "@/lib/statuses";

export const MEASURES = ["success", "iterations", "costUsd", "repairs"] as const;
export type Measure = (typeof MEASURES)[number];

interface MeasureDefinition {
  label: string;
  /** What is averaged, as a short sentence without a full stop. */
  description: string;
  higherIsBetter: boolean;
  average: (arm: ArmNumbers) => number | null | undefined;
  formatAverage: (value: number) => string;
  /** A difference without its sign and unit. */
  formatAmount: (value: number) => string;
  unit: string;
}

/** A share in percentage points, below ten with a decimal. */
function points(share: number): string {
  const tenths = Math.round(share * 1000);
  return tenths < 100 ? (tenths / 10).toFixed(1) : (share * 100).toFixed(0);
}

export const MEASURE: Record<Measure, MeasureDefinition> = {
  success: {
    label: "Success",
    description: "Share of ended items that were completed",
    higherIsBetter: true,
    average: (arm) => arm.successRate,
    formatAverage: formatPercent,
    formatAmount: points,
    unit: " points",
  },
  iterations: {
    label: "Iterations",
    description: "Iterations per item",
    higherIsBetter: false,
    average: (arm) => arm.iterations,
    formatAverage: (value) => value.toFixed(1),
    formatAmount: (value) => value.toFixed(1),
    unit: "",
  },
  costUsd: {
    label: "Cost",
    description: "Cost per item",
    higherIsBetter: false,
    average: (arm) => arm.costUsd,
    formatAverage: formatUsd,
    formatAmount: (value) => `$${value.toFixed(2)}`,
    unit: "",
  },
  repairs: {
    label: "Repairs",
    description: "Share of ended items that needed more than one attempt",
    higherIsBetter: false,
    average: (arm) => arm.repairRate,
    formatAverage: formatPercent,
    formatAmount: points,
    unit: " points",
  },
};

export type Judgement = "better" | "worse" | "unclear" | "unknown";

export const JUDGEMENT: Record<Judgement, { label: string; tone: Tone }> = {
  better: { label: "Better with learnings", tone: "success" },
  worse: { label: "Worse with learnings", tone: "danger" },
  unclear: { label: "No difference can be shown yet", tone: "neutral" },
  unknown: { label: "Not enough data yet", tone: "neutral" },
};

/** A difference counts as shown if its confidence interval does not contain zero. */
export function judge({ low, high }: Effect, measure: Measure): Judgement {
  if (low == null || high == null) return "unknown";
  if (low <= 0 && high >= 0) return "unclear";
  return low > 0 === MEASURE[measure].higherIsBetter ? "better" : "worse";
}

/** `+11 points`, `−1.8`, `−$0.42`. */
export function formatDifference(value: number, measure: Measure): string {
  return `${signed(value, measure)}${MEASURE[measure].unit}`;
}

/** `+3.0 to +19 points`. */
export function formatInterval({ low, high }: Effect, measure: Measure): string {
  if (low == null || high == null) return "–";
  return `${signed(low, measure)} to ${formatDifference(high, measure)}`;
}

/** A difference without its unit. One that rounds to zero has no sign. */
export function signed(value: number, measure: Measure): string {
  const amount = MEASURE[measure].formatAmount(Math.abs(value));
  if (!/[1-9]/.test(amount)) return amount;
  return `${value > 0 ? "+" : "−"}${amount}`;
}

export function formatAverage(arm: ArmNumbers, measure: Measure): string {
  const { average, formatAverage } = MEASURE[measure];
  const value = average(arm);
  return value == null ? "–" : formatAverage(value);
}

export interface EffectRow {
  name: string;
  withLearnings: ArmNumbers;
  withoutLearnings: ArmNumbers;
  effect: Effect;
}

export const ALL_REPOSITORIES = "All repositories";

/** All repositories together, then each. */
export function effectRows({ all, repositories }: LearningsUplift, measure: Measure): EffectRow[] {
  const named = [
    { name: ALL_REPOSITORIES, comparison: all },
    ...repositories.map(({ repo, comparison }) => ({ name: repo, comparison })),
  ];
  return named.map(({ name, comparison }) => ({
    name,
    withLearnings: comparison.withLearnings,
    withoutLearnings: comparison.withoutLearnings,
    effect: comparison[measure],
  }));
}

export interface EffectPoint {
  name: string;
  estimate: number;
  /** Distances of the ends of the interval from the estimate. */
  reach: [number, number];
  text: string;
}

/** The rows that have an estimate; `limit` of them, those with the most items. */
export function effectPoints(rows: EffectRow[], measure: Measure, limit: number): EffectPoint[] {
  const points: (EffectPoint & { items: number })[] = [];
  for (const { name, effect, withLearnings, withoutLearnings } of rows) {
    const { estimate, low, high } = effect;
    if (estimate == null || low == null || high == null) continue;
    points.push({
      name,
      estimate,
      reach: [estimate - low, high - estimate],
      text: signed(estimate, measure),
      items: withLearnings.items + withoutLearnings.items,
    });
  }
  return points.sort((a, b) => b.items - a.items).slice(0, limit);
}

const AXIS_STEPS = 4;
/** Less than a rounding error of a step does not ask for another tick. */
const ROUNDING = 1e-9;

/** Round values around zero and all intervals, about five of them. */
export function axisTicks(points: EffectPoint[]): number[] {
  const low = Math.min(0, ...points.map(({ estimate, reach }) => estimate - reach[0]));
  const high = Math.max(0, ...points.map(({ estimate, reach }) => estimate + reach[1]));
  const rough = (high - low || 1) / AXIS_STEPS;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step =
    magnitude * ([1, 2, 5].find((factor) => factor * magnitude >= rough - ROUNDING) ?? 10);
  const first = Math.floor(low / step + ROUNDING);
  const last = Math.ceil(high / step - ROUNDING);
  // Multiples, because sums of steps would add up their errors.
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}
