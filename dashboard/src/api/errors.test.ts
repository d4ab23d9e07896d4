import { describe, expect, it } from "vitest";
import { ApiError, describeError, errorFromResponse, networkError, violationsOf } from "./errors";

describe("errorFromResponse", () => {
  it("reads the API's error body", async () => {
    const body = {
      error: "the item has ended",
      code: "wrong_state",
      details: { status: "failed" },
    };
    const error = await errorFromResponse(new Response(JSON.stringify(body), { status: 409 }));
    expect(error).toMatchObject({
      status: 409,
      code: "wrong_state",
      details: { status: "failed" },
    });
    expect(describeError(error)).toBe("The item has ended.");
  });

  it("names the status where the body is not JSON", async () => {
    const error = await errorFromResponse(new Response("<h1>Bad gateway</h1>", { status: 502 }));
    expect(error.unreachable).toBe(true);
    expect(describeError(error)).toBe("The orchestrator does not answer (status 502).");
  });

  it("names the status where the JSON has another shape", async () => {
    const error = await errorFromResponse(new Response("[1]", { status: 418 }));
    expect(describeError(error)).toBe("The request was refused with status 418.");
  });
});

it("distinguishes an unreachable server from a refusal", () => {
  expect(networkError().unreachable).toBe(true);
  expect(new ApiError(409, "wrong_state", "x").unreachable).toBe(false);
});

it("lists violations only where the details have them", () => {
  const refused = new ApiError(400, "invalid_request", "spec", { violations: ["task 1 has code"] });
  expect(violationsOf(refused)).toEqual(["task 1 has code"]);
  expect(violationsOf(new ApiError(400, "invalid_request", "spec", { violations: "x" }))).toEqual(
    [],
  );
  expect(violationsOf(new Error("x"))).toEqual([]);
});
