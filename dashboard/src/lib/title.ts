import type { WorkItem } from "@/api/types";

type Titled = Pick<WorkItem, "branch" | "metadata" | "description" | "spec">;

const MAX_LENGTH = 140;

/** The issue's title, else the heading of the spec, the first line of the description, or the branch. */
export function itemTitle(item: Titled): string {
  const candidates = [
    item.metadata?.issueTitle,
    item.spec && /^# +(?<heading>.+)$/m.exec(item.spec)?.groups?.heading,
    item.description?.split("\n").find((line) => line.trim() !== ""),
  ];
  const title = candidates.map((text) => text?.trim()).find((text) => text);
  return shorten(title ?? readableBranch(item.branch));
}

const GENERATED_BRANCH = /^whim\/(?:\d+-)?(?<slug>[a-z0-9-]+)-[0-9a-f]{8}$/;

/** `whim/12-add-a-login-1a2b3c4d` as `Add a login`. */
function readableBranch(branch: string): string {
  const slug = GENERATED_BRANCH.exec(branch)?.groups?.slug;
  if (!slug) return branch;
  const words = slug.replaceAll("-", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function shorten(text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH - 1)}…` : text;
}

/** Makes `javascript:` and relative addresses of untrusted sources unusable as links. */
export function webUrl(text: string | null | undefined): string | undefined {
  if (!text || !URL.canParse(text)) return undefined;
  const { protocol, href } = new URL(text);
  return protocol === "https:" || protocol === "http:" ? href : undefined;
}

export function shortId(id: string): string {
  return id.slice(-8);
}
