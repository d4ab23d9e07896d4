import "@/components/charts/charts.css";
import { BarChart } from "@mantine/charts";
import { FailedStripes, OUTCOME_SERIES, outcomeColor } from "@/components/charts/outcomes";
import type { Bucket } from "./attempts";

interface BarsProps {
  data: (Bucket & { label: string })[];
  height: number;
}

export default function OutcomeBars({ data, height }: BarsProps) {
  return (
    <BarChart
      h={height}
      data={data}
      dataKey="label"
      type="stacked"
      series={OUTCOME_SERIES}
      withLegend
      legendProps={{ verticalAlign: "bottom", height: 32 }}
      gridAxis="x"
      tickLine="none"
      barChartProps={{ margin: { top: 10 } }}
      yAxisProps={{ allowDecimals: false, width: 32 }}
      barProps={{ isAnimationActive: false, maxBarSize: 28 }}
      getBarColor={outcomeColor}
    >
      <FailedStripes />
    </BarChart>
  );
}
