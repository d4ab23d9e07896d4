import * as v from "valibot";
import { errorFromResponse, networkError } from "./errors";

/** `GET /session` of the dashboard's server; it is not part of the orchestrator's API. */
const Session = v.object({ authenticated: v.boolean(), loginRequired: v.boolean() });

export type Session = v.InferOutput<typeof Session>;

type Listener = () => void;
const listeners = new Set<Listener>();

export function onSessionExpired(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function sessionExpired(): void {
  for (const listener of listeners) listener();
}

export async function fetchSession(): Promise<Session> {
  const response = await request("GET");
  if (!response.ok) throw await errorFromResponse(response);
  return v.parse(Session, await response.json());
}

export async function logIn(password: string): Promise<void> {
  const response = await request("POST", JSON.stringify({ password }));
  if (!response.ok) throw await errorFromResponse(response);
}

export async function logOut(): Promise<void> {
  const response = await request("DELETE");
  if (!response.ok) throw await errorFromResponse(response);
}

async function request(method: string, body?: string): Promise<Response> {
  const headers = body === undefined ? undefined : { "Content-Type": "application/json" };
  try {
    return await fetch("/session", { method, headers, body });
  } catch {
    throw networkError();
  }
}
