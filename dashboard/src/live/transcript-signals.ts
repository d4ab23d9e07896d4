import type { TranscriptChanged } from "@/api/types";

/** Called with the number of the last entry, or without it if events may be missing. */
export type TranscriptListener = (lastNumber: number | undefined) => void;

interface Subscription {
  workItemId: string;
  leaseEpoch: number;
  listener: TranscriptListener;
}

/** Passes on that transcripts have grown, to those who show them. */
export class TranscriptSignals {
  private readonly subscriptions = new Set<Subscription>();

  subscribe(workItemId: string, leaseEpoch: number, listener: TranscriptListener): () => void {
    const subscription = { workItemId, leaseEpoch, listener };
    this.subscriptions.add(subscription);
    return () => this.subscriptions.delete(subscription);
  }

  grown({ workItemId, leaseEpoch, lastNumber }: TranscriptChanged): void {
    for (const subscription of this.subscriptions) {
      if (subscription.workItemId === workItemId && subscription.leaseEpoch === leaseEpoch) {
        subscription.listener(lastNumber);
      }
    }
  }

  gap(): void {
    for (const { listener } of this.subscriptions) listener(undefined);
  }
}
