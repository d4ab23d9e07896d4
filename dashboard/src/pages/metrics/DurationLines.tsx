import "@/components/charts/charts.css";
import { LineChart } from "@mantine/charts";
import { formatDuration } from "@/lib/time";
import type { DurationPoint } from "./durations";

interface LinesProps {
  data: DurationPoint[];
  height: number;
}

export default function DurationLines({ data, height }: LinesProps) {
  return (
    <LineChart
      h={height}
      data={data}
      dataKey="label"
      series={[
        { name: "attempt", label: "Median attempt", color: "var(--accent)" },
        {
          name: "wait",
          label: "Median wait in the queue",
          color: "var(--attention)",
          strokeDasharray: "6 3",
        },
      ]}
      valueFormatter={formatDuration}
      withLegend
      legendProps={{ verticalAlign: "bottom", height: 32 }}
      curveType="linear"
      connectNulls={false}
      gridAxis="x"
      tickLine="none"
      lineChartProps={{ margin: { top: 10 } }}
      lineProps={{ isAnimationActive: false }}
      yAxisProps={{ width: 64 }}
    />
  );
}
