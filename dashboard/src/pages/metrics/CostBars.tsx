import "@/components/charts/charts.css";
import { BarChart } from "@mantine/charts";
import { formatUsd } from "@/lib/format";
import type { Bucket } from "./attempts";

interface BarsProps {
  data: (Bucket & { label: string })[];
  height: number;
}

export default function CostBars({ data, height }: BarsProps) {
  return (
    <BarChart
      h={height}
      data={data}
      dataKey="label"
      series={[{ name: "costUsd", label: "Cost", color: "var(--accent)" }]}
      valueFormatter={formatUsd}
      gridAxis="x"
      tickLine="none"
      barChartProps={{ margin: { top: 10 } }}
      yAxisProps={{ width: 56 }}
      barProps={{ isAnimationActive: false, maxBarSize: 28, radius: [3, 3, 0, 0] }}
    />
  );
}
