import { expect, test } from "./fixtures";

const url = process.env.LOGIN_BASE_URL;
const password = process.env.LOGIN_PASSWORD;

test.describe("behind a password", () => {
  test.skip(!url || !password, "LOGIN_BASE_URL and LOGIN_PASSWORD are not set");
  test.use({ baseURL: url });

  test("a wrong password is refused, the right one leads to the page that was wanted, and out again", async ({
    page,
    offences,
  }) => {
    offences.allowFailedRequests();
    await page.goto("/queue?view=failed");
    await expect(page.getByRole("heading", { name: "Log in to Whim" })).toBeVisible();
    await page.getByLabel("Password", { exact: true }).fill("not the password");
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByText(/password/i).filter({ hasText: /wrong|not/i })).toBeVisible();

    await page.getByLabel("Password", { exact: true }).fill(password ?? "");
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByRole("heading", { level: 1, name: "Queue" })).toBeVisible();
    await expect(page).toHaveURL(/view=failed/);
    await expect(page.getByTestId("live-state")).toHaveText("Live");

    await page.getByRole("button", { name: "Log out" }).click();
    await expect(page.getByRole("heading", { name: "Log in to Whim" })).toBeVisible();
    await page.goto("/");
    await expect(page.getByRole("heading", { name: "Log in to Whim" })).toBeVisible();
  });
});
