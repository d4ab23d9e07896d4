import type { Health, Status } from "@/api/types";

export function isConnected(health: Health | undefined): boolean {
  if (!health?.healthy) return false;
  return (health.model?.healthy ?? true) && (health.github?.healthy ?? true);
}

/** Whether an item was ever submitted: ended ones count too. */
export function isSubmitted(status: Status): boolean {
  return Object.values(status.items).some((count) => count > 0);
}
