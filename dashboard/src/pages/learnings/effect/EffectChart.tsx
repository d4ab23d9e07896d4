import {
  CartesianGrid,
  ErrorBar,
  LabelList,
  ReferenceLine,
  ResponsiveContainer,
  Scatter,
  ScatterChart,
  XAxis,
  YAxis,
} from "recharts";
import { axisTicks, type EffectPoint, formatDifference, MEASURE, type Measure } from "./effects";

interface EffectChartProps {
  points: EffectPoint[];
  measure: Measure;
}

const ROW_HEIGHT = 44;
const AXIS_HEIGHT = 72;
const NAME_WIDTH = 132;
const NAME_LENGTH = 20;
const TEXT = { fill: "var(--text-muted)", fontSize: 12 };

/** Estimates with their confidence intervals, one below the other. */
export default function EffectChart({ points, measure }: EffectChartProps) {
  const { higherIsBetter } = MEASURE[measure];
  const ticks = axisTicks(points);
  return (
    <ResponsiveContainer width="100%" height={points.length * ROW_HEIGHT + AXIS_HEIGHT}>
      <ScatterChart margin={{ top: 8, right: 24, bottom: 20, left: 0 }}>
        <CartesianGrid horizontal={false} stroke="var(--line)" />
        <XAxis
          type="number"
          dataKey="estimate"
          domain={[ticks[0] ?? 0, ticks.at(-1) ?? 0]}
          ticks={ticks}
          tick={TEXT}
          tickFormatter={(value: number) => formatDifference(value, measure)}
          stroke="var(--line-strong)"
          label={{
            value: higherIsBetter ? "Better with learnings →" : "← Better with learnings",
            position: higherIsBetter ? "insideBottomRight" : "insideBottomLeft",
            offset: -14,
            ...TEXT,
          }}
        />
        <YAxis
          type="category"
          dataKey="name"
          reversed
          width={NAME_WIDTH}
          tick={TEXT}
          tickFormatter={shortened}
          axisLine={false}
          tickLine={false}
          interval={0}
        />
        <ReferenceLine x={0} stroke="var(--text-muted)" strokeWidth={1.5} />
        <Scatter data={points} fill="var(--accent)" isAnimationActive={false}>
          <ErrorBar
            dataKey="reach"
            direction="x"
            width={5}
            stroke="var(--accent)"
            strokeWidth={2}
            isAnimationActive={false}
          />
          <LabelList dataKey="text" position="top" fill="var(--text)" fontSize={12} />
        </Scatter>
      </ScatterChart>
    </ResponsiveContainer>
  );
}

/** The end of a long name tells repositories of one owner apart. */
function shortened(name: string): string {
  return name.length > NAME_LENGTH ? `…${name.slice(1 - NAME_LENGTH)}` : name;
}
