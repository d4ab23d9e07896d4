import type { components, paths } from "./schema";

type Schemas = components["schemas"];

export type Breaker = Schemas["Breaker"];
export type CreateWork = Schemas["CreateWork"];
export type Diff = Schemas["Diff"];
export type DiffChanged = Schemas["DiffChanged"];
export type ErrorBody = Schemas["ErrorBody"];
export type Explanation = Schemas["Explanation"];
export type FailureCause = Schemas["FailureCause"];
export type FileDiff = Schemas["FileDiff"];
export type Finding = Schemas["Finding"];
export type Health = Schemas["Health"];
export type ItemChanged = Schemas["ItemChanged"];
export type Learning = Schemas["Learning"];
export type LearningKind = Schemas["LearningKind"];
export type Metrics = Schemas["Metrics"];
export type Priority = Schemas["Priority"];
export type Queue = Schemas["Queue"];
export type Review = Schemas["Review"];
export type Stage = Schemas["Stage"];
export type Status = Schemas["Status"];
export type SubscriberEvent = Schemas["SubscriberEvent"];
export type TimelineAttempt = Schemas["TimelineAttempt"];
export type TranscriptChanged = Schemas["TranscriptChanged"];
export type TranscriptEntry = Schemas["TranscriptEntry"];
export type TranscriptPage = Schemas["TranscriptPage"];
export type Verdict = Schemas["Verdict"];
export type WorkItem = Schemas["WorkItem"];
export type WorkItemStatus = Schemas["WorkItemStatus"];
export type WorkPage = Schemas["WorkPage"];
export type Worker = Schemas["Worker"];
export type WorkerChanged = Schemas["WorkerChanged"];
export type WorkerEventRecord = Schemas["WorkerEventRecord"];
export type WorkerPage = Schemas["WorkerPage"];
export type WorkerStatus = Schemas["WorkerStatus"];

export type WorkFilter = NonNullable<paths["/api/work"]["get"]["parameters"]["query"]>;
