const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/**
 * Delay before attempt `attempt` (from 0) to reconnect. Half of it is random: viewers that lost the same orchestrator do
 * not return at the same moment.
 */
export function reconnectDelay(attempt: number, random: number = Math.random()): number {
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return longest / 2 + (longest / 2) * random;
}
