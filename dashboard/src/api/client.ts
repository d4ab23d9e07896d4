import createFetchClient, { type Middleware } from "openapi-fetch";
import createQueryClient from "openapi-react-query";
import { errorFromResponse, networkError } from "./errors";
import type { paths } from "./schema";
import { sessionExpired } from "./session";

/** Rejects with an `ApiError` instead of resolving with `{ error }`, so that queries keep the status. */
const rejectErrors: Middleware = {
  async onResponse({ response }) {
    if (response.ok) return undefined;
    if (response.status === 401) sessionExpired();
    throw await errorFromResponse(response);
  },
  onError({ error }) {
    return error instanceof DOMException && error.name === "AbortError"
      ? undefined
      : networkError();
  },
};

export const api = createFetchClient<paths>({ baseUrl: "/" });
api.use(rejectErrors);

/** Query and mutation hooks, typed by the generated paths. */
export const $api = createQueryClient(api);
