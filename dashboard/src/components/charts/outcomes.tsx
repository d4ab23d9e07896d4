/** The bars of completed and failed ones: failed ones are striped, so that colour is not needed. */
export const OUTCOME_SERIES = [
  { name: "completed", label: "Completed", color: "var(--success)" },
  { name: "failed", label: "Failed (striped)", color: "var(--danger)" },
];

const STRIPES = "stripes-of-failed";
const STRIPE_WIDTH = 6;

/** Belongs into each chart with `OUTCOME_SERIES`. */
export function FailedStripes() {
  return (
    <defs>
      <pattern
        id={STRIPES}
        width={STRIPE_WIDTH}
        height={STRIPE_WIDTH}
        patternUnits="userSpaceOnUse"
        patternTransform="rotate(45)"
      >
        <rect width={STRIPE_WIDTH} height={STRIPE_WIDTH} fill="var(--danger)" />
        <rect width={STRIPE_WIDTH / 3} height={STRIPE_WIDTH} fill="var(--surface)" />
      </pattern>
    </defs>
  );
}

/** For `getBarColor`, which does not concern the legend: its marks take colours only. */
export function outcomeColor(_value: number, { name, color }: { name: string; color?: string }) {
  return name === "failed" ? `url(#${STRIPES})` : (color ?? "");
}
