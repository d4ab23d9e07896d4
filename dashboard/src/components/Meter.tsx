import { Progress } from "@mantine/core";

interface MeterProps {
  label: string;
  /** Parts of the whole, in the order in which they are drawn. */
  parts: { value: number; color: string; label: string }[];
  max: number;
}

export function Meter({ label, parts, max }: MeterProps) {
  const percent = (value: number) => (max === 0 ? 0 : Math.min(100, (100 * value) / max));
  return (
    <Progress.Root size={6} radius="xl">
      {parts.map((part) => (
        <Progress.Section
          key={part.label}
          value={percent(part.value)}
          color={part.color}
          aria-label={`${label}: ${part.label}`}
          aria-valuetext={`${part.value} of ${max}`}
        />
      ))}
    </Progress.Root>
  );
}
