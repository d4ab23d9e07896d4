import "@/components/charts/charts.css";
import { BarChart } from "@mantine/charts";
import { FailedStripes, OUTCOME_SERIES, outcomeColor } from "@/components/charts/outcomes";
import type { HourCount } from "@/lib/hourly";

const hourOf = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

interface HoursChartProps {
  hours: HourCount[];
  height: number;
}

export default function HoursChart({ hours, height }: HoursChartProps) {
  return (
    <BarChart
      h={height}
      mt={4}
      data={hours.map(({ hour, completed, failed }) => ({
        hour: hourOf.format(hour),
        completed,
        failed,
      }))}
      dataKey="hour"
      type="stacked"
      series={OUTCOME_SERIES}
      gridAxis="none"
      tickLine="none"
      withYAxis={false}
      xAxisProps={{ interval: 3 }}
      barProps={{ isAnimationActive: false, maxBarSize: 18 }}
      getBarColor={outcomeColor}
    >
      <FailedStripes />
    </BarChart>
  );
}
